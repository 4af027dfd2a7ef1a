"""How the queue stands and what came of it: counts that tell a lead where to look, and nobody's data."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import sqlalchemy as sa

from history.database import reading
from models.decisions import Reason
from review import opinions, tables
from review.opinions import Agreement
from review.workflow import State

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
AGES_H: Sequence[int] = (1, 4, 24)  # how long open cases have waited: up to each, and longer
HOURS = 24
NO_RULE = ("refused.", "model.")  # codes that no rule gives
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


class Saved(msgspec.Struct, frozen=True):
    """What confirmed frauds of one currency would have taken, in minor units, and how many they were."""

    currency: str
    amount_minor: int
    orders: int


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """`ages`: open cases that waited up to 1, 4, 24 hours and longer.

    `reasons` are by the first reason, `rules` by every reason that a rule gave; `saved` is by currency.
    """

    states: dict[State, int]
    ages: tuple[int, ...]
    oldest_ms: int | None
    overdue: int
    hours: tuple[Hour, ...]
    reasons: tuple[Judged, ...]
    rules: tuple[Judged, ...]
    saved: tuple[Saved, ...]
    agreement: Agreement


def overview(engine: sa.Engine, now_ms: int) -> Overview:
    with reading(engine) as connection:
        judged = _judged(connection, now_ms)
        return Overview(
            states=_states(connection),
            ages=_ages(connection, now_ms),
            oldest_ms=connection.scalar(sa.select(sa.func.min(_CASES.opened_at_ms)).where(_CASES.status.in_(_OPEN))),
            overdue=_count(connection, _CASES.status != "decided", _CASES.due_at_ms < now_ms),
            hours=_hours(connection, now_ms),
            reasons=_precision((codes[:1], fraud) for codes, _, fraud in judged),
            rules=_precision((rules, fraud) for _, rules, fraud in judged),
            saved=_saved(connection, now_ms),
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
    given = _verdicts(first_ms)
    query = sa.select(given.c.decided_at_ms, given.c.verdict)
    found = Counter((at_ms // HOUR_MS, verdict) for at_ms, verdict in connection.execute(query))
    return tuple(
        Hour(hour * HOUR_MS, found[hour, "dismiss"], found[hour, "confirm_fraud"])
        for hour in range(last - HOURS + 1, last + 1)
    )


def _judged(connection: sa.Connection, now_ms: int) -> list[tuple[list[str], list[str], bool]]:
    """Of the newest verdicts: the reasons' codes, those of rules, and whether it was fraud."""
    given = _verdicts(now_ms - JUDGED_DAYS * DAY_MS, _CASES.reasons, most=JUDGED_MOST)
    query = sa.select(given.c.reasons, given.c.verdict).order_by(given.c.decided_at_ms.desc())
    found = []
    for encoded, verdict in connection.execute(query.limit(JUDGED_MOST)):
        reasons = _REASONS.decode(encoded)
        rules = [each.code for each in reasons if each.weight is None and not each.code.startswith(NO_RULE)]
        found.append(([each.code for each in reasons], rules, verdict == "confirm_fraud"))
    return found


def _precision(judged: Iterable[tuple[Sequence[str], bool]]) -> tuple[Judged, ...]:
    """Of the codes that the most cases have, how many of these were fraud; a case counts once for a code."""
    found: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for codes, fraud in judged:
        for code in set(codes):
            found[code][0] += fraud
            found[code][1] += 1
    most = sorted(found.items(), key=lambda each: (-each[1][1], each[0]))[:REASONS_SHOWN]
    return tuple(Judged(code, *counted) for code, counted in most)


def _saved(connection: sa.Connection, now_ms: int) -> tuple[Saved, ...]:
    given = _verdicts(now_ms - JUDGED_DAYS * DAY_MS, _CASES.currency, _CASES.amount_minor).c
    query = sa.select(given.currency, sa.func.sum(given.amount_minor), sa.func.count())
    fraud = (given.verdict == "confirm_fraud", given.amount_minor.is_not(None))
    rows = connection.execute(query.where(*fraud).group_by(given.currency))
    sums = [Saved(currency, int(amount), number) for currency, amount, number in rows if currency is not None]
    return tuple(sorted(sums, key=lambda each: (-each.orders, each.currency)))


def _verdicts(since_ms: int, *columns: sa.Column[Any], most: int | None = None) -> sa.Subquery:
    """All verdicts since a moment, or so many of the newest.

    Those whose case is back for a second opinion count on: what these numbers lost with it would tell what they were.
    """
    held = tables.opinions.c
    back = sa.and_(held.case_id == _CASES.decision_id, held.state.in_(opinions.STANDING))
    decided = sa.select(_CASES.decided_at_ms, _CASES.verdict, *columns).where(
        _CASES.decided_at_ms >= since_ms, _CASES.verdict.is_not(None)
    )
    first = sa.select(held.decided_at_ms, held.verdict, *columns).join(tables.cases, back)
    newest = decided.order_by(_CASES.decided_at_ms.desc()).limit(most).subquery()
    return sa.union_all(sa.select(newest), first.where(held.decided_at_ms >= since_ms)).subquery()


def _count(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(tables.cases).where(*conditions)).scalar_one()
