"""The outbox: sealed messages that wait to be sent, and those that were given up. Every function is part of its
caller's transaction.

A claimed row is leased, not locked: no transaction stays open while a partner is talked to. A deliverer that dies
leaves rows that are due again when their lease is over; the partner gets the same bytes with the same `jti`.
"""

import hashlib
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from sharing.delivery import allowances
from sharing.delivery.limits import Limits, room, spent
from sharing.delivery.schedule import Schedule
from sharing.errors import DeliveryError
from sharing.tables import disclosures, outbox

Holds = Callable[[sa.Connection, bytes], bool]  # whether the ledger has a leaf for sealed bytes with that SHA-256

SENT = 1 << 62  # as `next_at_ms`: sent, kept until it is acknowledged
UNLEDGERED, GAVE_UP, REFUSED = "unledgered", "gave_up", "refused"


class Parcel(NamedTuple):
    """`attempts` counts the one that it is claimed for."""

    place: int
    jti: str
    partner: str
    sealed: bytes
    urgent: bool
    attempts: int
    made_at_ms: int


class Claimed(NamedTuple):
    parcels: tuple[Parcel, ...]
    unledgered: tuple[str, ...]  # ids of rows that nobody may send: somebody wrote them past the ledger


class Dead(NamedTuple):
    jti: str
    partner: str
    reason: str
    attempts: int
    made_at_ms: int


def put(
    connection: sa.Connection,
    jti: str,
    partner: str,
    sealed: bytes,
    urgent: bool,
    now_ms: int,
    leaves_ms: int | None = None,
) -> None:
    """In the transaction that appends the ledger's leaf: what is told and what is recorded are one.

    It is not due before `leaves_ms`: now, where that is not said.
    """
    row = {"jti": jti, "partner": partner, "sealed": sealed, "urgent": urgent, "made_at_ms": now_ms}
    next_at_ms = now_ms if leaves_ms is None else leaves_ms
    connection.execute(sa.insert(outbox).values(**row, attempts=0, next_at_ms=next_at_ms))


def waits(connection: sa.Connection, case_id: str) -> dict[str, int]:
    """By partner until when the last of the case's messages waits that nobody has tried to send."""
    untried = (disclosures.c.case_id == case_id, outbox.c.attempts == 0)
    last = sa.func.max(outbox.c.next_at_ms)
    query = sa.select(outbox.c.partner, last).join(disclosures, disclosures.c.jti == outbox.c.jti)
    return {row[0]: row[1] for row in connection.execute(query.where(*untried).group_by(outbox.c.partner))}


def due(connection: sa.Connection, now_ms: int) -> frozenset[str]:
    """The partners for whom something may be due; no lock is taken."""
    query = sa.select(outbox.c.partner).where(*_due(now_ms)).distinct()
    return frozenset(connection.scalars(query))


def claim(
    connection: sa.Connection,
    partner: str,
    at_most: int,
    *,
    holds: Holds,
    limits: Limits,
    schedule: Schedule,
    now_ms: int,
    silent: Collection[bytes] = (),
) -> Claimed:
    """Lease what is due to a partner: urgent ones first, whatever the limits; others as limits and the pause allow.

    `silent`: the hashes of contracts that are not in force; what they told waits, unless it is urgent.
    """
    own_limits, used = allowances.locked(connection, partner, limits)
    rows = _select(connection, partner, now_ms, at_most, outbox.c.urgent)
    if len(rows) < at_most and not allowances.paused(connection, partner):
        free = room(own_limits, used, now_ms)
        wanted = [~outbox.c.urgent] if free.first else [~outbox.c.urgent, outbox.c.attempts > 0]
        wanted += _but(silent)
        found = _select(connection, partner, now_ms, min(at_most - len(rows), free.attempts), *wanted)
        ordinary = _within(found, free.first)
        first = sum(row.attempts == 0 for row in ordinary)
        allowances.keep(connection, partner, spent(own_limits, used, len(ordinary), first, now_ms))
        rows = [*rows, *ordinary]
    good = [row for row in rows if holds(connection, hashlib.sha256(row.sealed).digest())]
    bad = [row for row in rows if row not in good]
    _change(connection, good, next_at_ms=now_ms + schedule.lease_ms, attempts=outbox.c.attempts + 1)
    _change(connection, bad, dead=UNLEDGERED)
    return Claimed(tuple(_parcel(row) for row in good), tuple(row.jti for row in bad))


def _within(rows: Sequence[sa.Row[Any]], first: int) -> list[sa.Row[Any]]:
    """The rows, without those never tried beyond the first so many."""
    kept = []
    for row in rows:
        first -= row.attempts == 0
        if row.attempts or first >= 0:
            kept.append(row)
    return kept


def _select(connection: sa.Connection, partner: str, now_ms: int, limit: int, *wanted: Any) -> list[sa.Row[Any]]:
    if limit <= 0:
        return []
    query = sa.select(outbox).where(outbox.c.partner == partner, *_due(now_ms), *wanted)
    query = query.order_by(outbox.c.place).limit(limit).with_for_update(skip_locked=True)
    return list(connection.execute(query))


def _but(silent: Collection[bytes]) -> list[sa.ColumnElement[bool]]:
    of_message = sa.select(disclosures.c.jti).where(disclosures.c.jti == outbox.c.jti)
    return [~of_message.where(disclosures.c.contract.in_(sorted(silent))).exists()] if silent else []


def _due(now_ms: int) -> tuple[Any, ...]:
    return (outbox.c.next_at_ms <= now_ms, outbox.c.dead.is_(None))


def _change(connection: sa.Connection, rows: Sequence[sa.Row[Any]], **changed: Any) -> None:
    if rows:
        places = [row.place for row in rows]
        connection.execute(sa.update(outbox).where(outbox.c.place.in_(places)).values(**changed))


def _parcel(row: sa.Row[Any]) -> Parcel:
    return Parcel(row.place, row.jti, row.partner, row.sealed, row.urgent, row.attempts + 1, row.made_at_ms)


def sent(connection: sa.Connection, jtis: Sequence[str]) -> None:
    """Keep them until they are acknowledged, and send them no more."""
    waiting = sa.update(outbox).where(outbox.c.jti.in_(jtis), outbox.c.dead.is_(None))
    connection.execute(waiting.values(next_at_ms=SENT))


def failed(
    connection: sa.Connection, parcel: Parcel, schedule: Schedule, now_ms: int, random: Callable[[], float]
) -> bool:
    """Try again later, or give up; whether it is a dead letter now. One that somebody else claimed since stays his."""
    dead = schedule.is_over(parcel.attempts, parcel.made_at_ms, now_ms)
    next_ms = schedule.next_ms(parcel.attempts, parcel.urgent, now_ms, random)
    ours = (outbox.c.jti == parcel.jti, outbox.c.attempts == parcel.attempts, outbox.c.dead.is_(None))
    changed: dict[str, Any] = {"dead": GAVE_UP} if dead else {"next_at_ms": next_ms}
    return bool(connection.execute(sa.update(outbox).where(*ours).values(**changed)).rowcount) and dead


def drop(connection: sa.Connection, jtis: Sequence[str]) -> None:
    """Forget sealed bytes: they are acknowledged, or something supersedes them."""
    connection.execute(sa.delete(outbox).where(outbox.c.jti.in_(jtis)))


def bury(connection: sa.Connection, jtis: Sequence[str], reason: str) -> None:
    connection.execute(sa.update(outbox).where(outbox.c.jti.in_(jtis)).values(dead=reason))


def dead_letters(connection: sa.Connection, partner: str | None = None, limit: int = 100) -> list[Dead]:
    """Oldest first. Their sealed bytes stay where they are."""
    columns = (outbox.c.jti, outbox.c.partner, outbox.c.dead, outbox.c.attempts, outbox.c.made_at_ms)
    query = sa.select(*columns).where(outbox.c.dead.is_not(None)).order_by(outbox.c.place).limit(limit)
    if partner is not None:
        query = query.where(outbox.c.partner == partner)
    return [Dead(*row) for row in connection.execute(query)]


def retry(connection: sa.Connection, jti: str, now_ms: int) -> None:
    """Send a dead letter again, from its first attempt. Raises DeliveryError for one that is none, or is unledgered."""
    named = outbox.c.jti == jti
    reason = connection.scalar(sa.select(outbox.c.dead).where(named).with_for_update())
    if reason is None:
        raise DeliveryError("no dead letter by that id; `amana delivery dead` lists them")
    if reason == UNLEDGERED:
        raise DeliveryError("the ledger does not hold this message: it is never sent; find out who wrote it")
    changed = {"dead": None, "attempts": 0, "next_at_ms": now_ms, "made_at_ms": now_ms}
    connection.execute(sa.update(outbox).where(named).values(changed))
    refused = sa.update(disclosures).where(disclosures.c.jti == jti, disclosures.c.state == "refused")
    connection.execute(refused.values(state="pending", changed_at_ms=now_ms, answered_at_ms=None, due_at_ms=None))


def expire(connection: sa.Connection, before_ms: int) -> int:
    """Forget what was made before: sent and never answered, or dead. How many that were."""
    over = sa.or_(outbox.c.dead.is_not(None), outbox.c.next_at_ms == SENT)
    return connection.execute(sa.delete(outbox).where(outbox.c.made_at_ms < before_ms, over)).rowcount


def waiting(connection: sa.Connection) -> dict[str, tuple[int, int, int]]:
    """By partner: how many wait to be sent, wait for an answer, are dead."""
    dead, answer = outbox.c.dead.is_not(None), outbox.c.next_at_ms == SENT
    counts = [sa.func.sum(sa.case((which, 1), else_=0)) for which in (~dead & ~answer, ~dead & answer, dead)]
    query = sa.select(outbox.c.partner, *counts).group_by(outbox.c.partner).order_by(outbox.c.partner)
    return {row[0]: (int(row[1]), int(row[2]), int(row[3])) for row in connection.execute(query)}
