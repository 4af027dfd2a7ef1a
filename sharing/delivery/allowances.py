"""Limits, what is used of them, and the pause switch, in the database: shared by all who deliver."""

from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from sharing.delivery.limits import Limits, Used
from sharing.tables import allowances, pauses

INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
UNUSED = {"next_us": 0, "day": 0, "sent_today": 0}


class Pause(NamedTuple):
    partner: str
    since_ms: int
    actor: str


def insert_new(connection: sa.Connection, table: sa.Table, row: dict[str, Any]) -> bool:
    """Whether the row was new: one that is there stays as it is."""
    statement = INSERTS[connection.dialect.name](table).values(row).on_conflict_do_nothing()
    # Not `rowcount`: psycopg's is -1 for an insert, which would make every repeat look new.
    return connection.execute(statement.returning(sa.literal(1))).first() is not None


def locked(connection: sa.Connection, partner: str, defaults: Limits) -> tuple[Limits, Used]:
    """A partner's limits and what is used of them, held for this transaction alone until it ends."""
    insert_new(connection, allowances, {"partner": partner} | UNUSED)
    query = sa.select(allowances).where(allowances.c.partner == partner).with_for_update()
    row = connection.execute(query).mappings().one()
    return _limits(row, defaults), Used(row["next_us"], row["day"], row["sent_today"])


def keep(connection: sa.Connection, partner: str, used: Used) -> None:
    changed = msgspec.structs.asdict(used)
    connection.execute(sa.update(allowances).where(allowances.c.partner == partner).values(changed))


def limit(connection: sa.Connection, partner: str, per_minute: int | None, per_day: int | None) -> None:
    """A partner's own limits; None: the deliverer's."""
    insert_new(connection, allowances, {"partner": partner} | UNUSED)
    own = {"per_minute": per_minute, "per_day": per_day}
    connection.execute(sa.update(allowances).where(allowances.c.partner == partner).values(own))


def limits_of(connection: sa.Connection, partner: str, defaults: Limits) -> Limits:
    row = connection.execute(sa.select(allowances).where(allowances.c.partner == partner)).mappings().one_or_none()
    return _limits(row, defaults) if row is not None else defaults


def _limits(row: sa.RowMapping, defaults: Limits) -> Limits:
    return Limits(row["per_minute"] or defaults.per_minute, row["per_day"] or defaults.per_day)


def pause(connection: sa.Connection, partner: str, actor: str, now_ms: int) -> bool:
    """Hold all but urgent messages; whether the partner was not paused before."""
    return insert_new(connection, pauses, {"partner": partner, "since_ms": now_ms, "actor": actor})


def resume(connection: sa.Connection, partner: str) -> bool:
    """Whether the partner was paused."""
    return bool(connection.execute(sa.delete(pauses).where(pauses.c.partner == partner)).rowcount)


def paused(connection: sa.Connection, partner: str | None = None) -> dict[str, Pause]:
    query = sa.select(pauses) if partner is None else sa.select(pauses).where(pauses.c.partner == partner)
    return {row.partner: Pause(row.partner, row.since_ms, row.actor) for row in connection.execute(query)}
