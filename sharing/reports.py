"""What partners say came of a message: noted by who hears it, taken by who makes labels of it."""

from typing import Literal, NamedTuple

import sqlalchemy as sa

from sharing import tables

Verdict = Literal["confirmed", "false_alarm"]

_reports, _disclosures = tables.reports.c, tables.disclosures.c


class Report(NamedTuple):
    """`case_id` is None for a message about a group, or of a case that was erased: it labels nothing."""

    jti: str
    partner: str
    verdict: Verdict
    at_ms: int
    case_id: str | None


def put(connection: sa.Connection, partner: str, jti: str, verdict: Verdict, now_ms: int) -> bool:
    """Note a report in the caller's transaction, unless the partner was never told that; whether it was noted."""
    theirs = sa.select(_disclosures.jti).where(_disclosures.jti == jti, _disclosures.partner == partner)
    if connection.scalar(theirs) is None:
        return False
    row = {"partner": partner, "jti": jti, "verdict": verdict, "at_ms": now_ms}
    connection.execute(sa.insert(tables.reports).values(row))
    return True


def take(connection: sa.Connection, limit: int = 100) -> list[Report]:
    """The next ones, in the order in which they were noted; gone when the caller's transaction is committed."""
    query = (
        sa.select(
            _reports.place, _reports.jti, _reports.partner, _reports.verdict, _reports.at_ms, _disclosures.case_id
        )
        .join(tables.disclosures, _disclosures.jti == _reports.jti)
        .order_by(_reports.place)
        .limit(limit)
        .with_for_update(of=tables.reports)
    )
    rows = connection.execute(query).all()
    connection.execute(sa.delete(tables.reports).where(_reports.place.in_([row.place for row in rows])))
    return [Report(*row[1:]) for row in rows]
