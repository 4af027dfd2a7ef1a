"""What leaves the console as a table: rows of the queue and of the audit trail, each download an entry of the trail.

A row's struct is the list of what may leave. It has nothing of a customer's, masked or not, and the query does not read
what is sealed.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from events import money
from models.decisions import Outcome
from review import joining, queue, tables, tags
from review.access.store import note
from review.cases import Case, Verdict
from review.views import iso
from review.workflow import State

MOST = 10_000
CHUNK = 1000  # cases whose tags and orders are looked for at once
What = Literal["queue.exported", "audit.exported"]

READ = (
    *("decision_id", "order_id", "opened_at_ms", "occurred_at_ms", "outcome", "mode", "subject", "score", "reasons"),
    *("amount_minor", "currency", "country", "last4", "method", "status", "verdict", "decided_at_ms", "decided_by"),
    *("priority", "holder", "due_at_ms", "assignee"),
)


class QueueRow(msgspec.Struct, frozen=True, kw_only=True):
    """A case. Times are ISO 8601, UTC; `risk` is the score, `reasons` are codes, `amount` is in major units.

    `orders`: how many are decided with it, its own among them; `total`: their amounts by currency.
    """

    order: str
    decision: str
    outcome: Outcome
    risk: float | None
    reasons: tuple[str, ...]
    amount: str | None
    currency: str | None
    orders: int
    total: tuple[str, ...]
    payment_method: str | None
    last_four: str | None
    country: str | None
    status: State
    opened_at: str
    due_at: str | None
    assignee: str | None
    held_by: str | None
    tags: tuple[str, ...]
    verdict: Verdict | None
    decided_at: str | None
    decided_by: str | None


class TrailRow(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the audit trail: `fields` are names. `place`: what older ones are asked for by."""

    place: int
    at: str
    by: str
    action: str
    case: str | None
    fields: tuple[str, ...]


class Cases(msgspec.Struct, frozen=True):
    """`after`: the place that further ones are asked for by, None where these are all."""

    rows: tuple[QueueRow, ...]
    after: str | None


def cases(engine: sa.Engine, wanted: queue.Filter, person: str, now_ms: int, most: int = MOST) -> Cases:
    """The queue as the filter has it, the most valuable first; the person is whose cases "mine" are."""
    read = [tables.cases.c[name] for name in READ]
    found = queue.page(engine, wanted, person, most, now_ms=now_ms, columns=read)
    chunks = [found.cases[start : start + CHUNK] for start in range(0, len(found.cases), CHUNK)]
    return Cases(tuple(row for chunk in chunks for row in _rows(engine, chunk)), found.after)


def entries(trail: Sequence[Mapping[str, Any]]) -> Iterator[TrailRow]:
    for each in trail:
        yield TrailRow(
            place=each["place"],
            at=iso(each["at_ms"]),
            by=each["actor"],
            action=each["action"],
            case=each["case_id"],
            fields=each["fields"],
        )


def record(engine: sa.Engine, what: What, actor: str, fields: Sequence[str], now_ms: int) -> None:
    """Before anything leaves: by which fields it was chosen. Not how many rows: of the trail, some are not for all."""
    with engine.begin() as connection:
        note(connection, actor, what, now_ms, fields=fields)


def _rows(engine: sa.Engine, found: Sequence[Case]) -> Iterator[QueueRow]:
    held, together = tags.of(engine, [case.decision_id for case in found]), joining.groups(engine, found)
    for case in found:
        yield _row(case, held[case.decision_id], together.get(case.decision_id, joining.alone(case)))


def _row(case: Case, held: tuple[str, ...], joined: joining.Joined) -> QueueRow:
    own = joining.alone(case).amounts
    return QueueRow(
        order=case.order_id,
        decision=case.decision_id,
        outcome=case.outcome,
        risk=case.score,
        reasons=tuple(reason.code for reason in case.reasons),
        amount=next((money.text(minor, code).split()[0] for code, minor in own.items()), None),
        currency=case.currency,
        orders=joined.orders,
        total=tuple(money.text(minor, code) for code, minor in joined.amounts.items()),
        payment_method=case.method,
        last_four=case.last4,
        country=case.country,
        status=case.status,
        opened_at=iso(case.opened_at_ms),
        due_at=_iso(case.due_at_ms),
        assignee=case.assignee,
        held_by=case.holder if case.status == "claimed" else None,
        tags=held,
        verdict=case.verdict,
        decided_at=_iso(case.decided_at_ms),
        decided_by=case.decided_by,
    )


def _iso(at_ms: int | None) -> str | None:
    return None if at_ms is None else iso(at_ms)
