"""How the queue stands and what came of it: counts that tell a lead where to look, and nobody's data."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import sqlalchemy as sa

from models.decisions import Reason
from review import opinions, tables
from review.opinions import Agreement
from review.workflow import State

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
AGES_H: Sequence[int] = (1, 4, 24)  # how long open cases have waited: up to each, and longer
HOURS = 24
JUDGED_DAYS, JUDGED_MOST, REASONS_SHOWN = 30, 20_000, 10

_CASES = tables.cases.c
_REASONS = msgspec.json.Decoder(tuple[Reason, ...])
_OPEN: tuple[State, ...] = ("open", "reopened")


class Hour(msgspec.Struct, frozen=True):
    """Verdicts of one hour, the newest hour last."""

    begins_ms: int
    dismissed: int
    confirmed: int


class Judged(msgspec.Struct, frozen=True):
    """Of the decided cases whose first reason has that code, how many were fraud."""

    code: str
    confirmed: int
    decided: int


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """`ages`: open cases that waited up to 1, 4, 24 hours and longer."""

    states: dict[State, int]
    ages: tuple[int, ...]
    oldest_ms: int | None
    overdue: int
    hours: tuple[Hour, ...]
    reasons: tuple[Judged, ...]
    agreement: Agreement


def overview(engine: sa.Engine, now_ms: int) -> Overview:
    with engine.connect() as connection:
        return Overview(
            states=_states(connection),
            ages=_ages(connection, now_ms),
            oldest_ms=connection.scalar(sa.select(sa.func.min(_CASES.opened_at_ms)).where(_CASES.status.in_(_OPEN))),
            overdue=_count(connection, _CASES.status != "decided", _CASES.due_at_ms < now_ms),
            hours=_hours(connection, now_ms),
            reasons=_reasons(connection, now_ms),
            agreement=opinions.agreement(connection, now_ms - JUDGED_DAYS * DAY_MS),
        )


def _states(connection: sa.Connection) -> dict[State, int]:
    undecided = sa.select(_CASES.status, sa.func.count()).where(_CASES.status != "decided").group_by(_CASES.status)
    return {row[0]: row[1] for row in connection.execute(undecided)}


def _ages(connection: sa.Connection, now_ms: int) -> tuple[int, ...]:
    edges = [now_ms, *(now_ms - hours * HOUR_MS for hours in AGES_H)]
    younger = [
        _count(connection, _CASES.status.in_(_OPEN), _CASES.opened_at_ms > start, _CASES.opened_at_ms <= end)
        for end, start in pairwise(edges)
    ]
    return (*younger, _count(connection, _CASES.status.in_(_OPEN), _CASES.opened_at_ms <= edges[-1]))


def _hours(connection: sa.Connection, now_ms: int) -> tuple[Hour, ...]:
    last = now_ms // HOUR_MS
    first_ms = (last - HOURS + 1) * HOUR_MS
    query = sa.select(_CASES.decided_at_ms, _CASES.verdict).where(_CASES.decided_at_ms >= first_ms)
    found = Counter((at_ms // HOUR_MS, verdict) for at_ms, verdict in connection.execute(query))
    return tuple(
        Hour(hour * HOUR_MS, found[hour, "dismiss"], found[hour, "confirm_fraud"])
        for hour in range(last - HOURS + 1, last + 1)
    )


def _reasons(connection: sa.Connection, now_ms: int) -> tuple[Judged, ...]:
    since = _CASES.decided_at_ms >= now_ms - JUDGED_DAYS * DAY_MS
    query = sa.select(_CASES.reasons, _CASES.verdict).where(since).order_by(_CASES.decided_at_ms.desc())
    found: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for reasons, verdict in connection.execute(query.limit(JUDGED_MOST)):
        for reason in _REASONS.decode(reasons)[:1]:
            found[reason.code][0] += verdict == "confirm_fraud"
            found[reason.code][1] += 1
    most = sorted(found.items(), key=lambda each: (-each[1][1], each[0]))[:REASONS_SHOWN]
    return tuple(Judged(code, *counted) for code, counted in most)


def _count(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(tables.cases).where(*conditions)).scalar_one()
