"""How the machine and the partners' deliveries are: what decides, since when, how it went of late; who waits for what.

Read from the other rooms' tables. Of the index only the newest decisions are looked at, so that it costs the same
however long it is; what decided all of those has decided longer than they say.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from history.database import reading
from history.tables import decisions
from sharing import tables as sharing
from sharing.delivery.allowances import paused

NEWEST = 1000
WAITS = ("pending", "delivered", "overdue", "refused")

_DECISIONS = decisions.c


class Version(msgspec.Struct, frozen=True):
    """`since_ms`: of its first decision among the newest; `longer`: all of them are its."""

    version: str
    since_ms: int
    longer: bool


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Of the newest decisions (`looked_at`), how many were made how; what a person superseded is not told by it."""

    looked_at: int
    last_ms: int | None
    modes: dict[str, int]
    model: Version | None
    challengers: tuple[str, ...]
    rules: Version | None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """Of one partner: messages to be sent, delivered without an answer, late with it, refused; `dead`: given up.

    `oldest_ms`: when the oldest that is still to be sent was made.
    """

    partner: str
    pending: int = 0
    delivered: int = 0
    overdue: int = 0
    refused: int = 0
    dead: int = 0
    oldest_ms: int | None = None
    paused_since_ms: int | None = None


class Health(msgspec.Struct, frozen=True):
    """`machine` is None where the database has no index; `deliveries` is empty where it knows no partners."""

    machine: Machine | None
    deliveries: tuple[Delivery, ...]


def health(engine: sa.Engine, *, indexed: bool, partners: Collection[str]) -> Health:
    with reading(engine) as connection:
        return Health(_machine(connection) if indexed else None, _deliveries(connection, partners) if partners else ())


def _machine(connection: sa.Connection) -> Machine:
    rows = _newest(connection)
    made = [row for row in rows if row.mode != "analyst"]
    scored = [row for row in made if row.mode in {"model", "rules"}]
    return Machine(
        looked_at=len(made),
        last_ms=rows[0].occurred_at_ms if rows else None,
        modes=dict(Counter(row.mode for row in made)),
        model=_version(scored, "model"),
        challengers=_challengers(scored),
        rules=_version(scored, "rules"),
    )


def _newest(connection: sa.Connection) -> Sequence[sa.Row[Any]]:
    """The newest decisions of every set of definitions there is, and of none: each is a place in one index."""
    columns = [_DECISIONS[name] for name in ("occurred_at_ms", "mode", "model", "rules", "scores")]
    rows: list[sa.Row[Any]] = []
    for definitions in (None, *_definitions(connection)):
        query = sa.select(*columns).where(_DECISIONS.definitions == definitions)
        rows += connection.execute(query.order_by(_DECISIONS.occurred_at_ms.desc()).limit(NEWEST)).all()
    return sorted(rows, key=lambda row: -row.occurred_at_ms)[:NEWEST]


def _definitions(connection: sa.Connection) -> list[str]:
    """One step of the index a value: counting all decisions by it would take as long as there are decisions."""
    found: list[str] = []
    first = sa.select(sa.func.min(_DECISIONS.definitions))
    while (
        value := connection.scalar(first if not found else first.where(_DECISIONS.definitions > found[-1]))
    ) is not None:
        found.append(value)
    return found


def _version(rows: Sequence[sa.Row[Any]], column: Literal["model", "rules"]) -> Version | None:
    """What the newest was decided by, and how far back that goes; `rows` are the newest first."""
    known = [(getattr(row, column), row.occurred_at_ms) for row in rows if getattr(row, column) is not None]
    if not known:
        return None
    current, since_ms = known[0]
    for version, at_ms in known:
        if version != current:
            return Version(current, since_ms, longer=False)
        since_ms = at_ms
    return Version(current, since_ms, longer=True)


def _challengers(rows: Sequence[sa.Row[Any]]) -> tuple[str, ...]:
    """Of the newest decision; the champion's score stands first."""
    scores = msgspec.json.decode(rows[0].scores or "[]") if rows else []
    return tuple(score[0] for score in scores[1:])


def _deliveries(connection: sa.Connection, partners: Collection[str]) -> tuple[Delivery, ...]:
    values: defaultdict[str, dict[str, int | None]] = defaultdict(dict)
    told = sharing.disclosures.c
    query = sa.select(told.partner, told.state, sa.func.count(), sa.func.min(told.made_at_ms))
    waits = told.state.in_(WAITS), told.partner.in_(partners)
    for partner, state, number, oldest_ms in connection.execute(query.where(*waits).group_by(told.partner, told.state)):
        values[partner][state] = number
        if state == "pending":
            values[partner]["oldest_ms"] = oldest_ms
    left = sharing.outbox.c
    dead = sa.select(left.partner, sa.func.count()).where(left.dead.is_not(None), left.partner.in_(partners))
    for partner, number in connection.execute(dead.group_by(left.partner)):
        values[partner]["dead"] = number
    for partner, pause in paused(connection).items():
        values[partner]["paused_since_ms"] = pause.since_ms
    return tuple(Delivery(partner=name, **values[name]) for name in sorted(partners))  # type: ignore[arg-type]
