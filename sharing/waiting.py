"""What waits for a batch, and who was counted in one, in SQL. Every function is part of its caller's transaction."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from sharing import tables
from sharing.batches import Group, Waits, likeness, values_of
from sharing.projector import Told, Waiting

_waiting, _members, _groups, _disclosures = tables.waiting.c, tables.members.c, tables.groups.c, tables.disclosures.c
_INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Left(NamedTuple):
    """A released group that a case is counted in no more, with what stands of it now and how many people remain.

    `at_ms`: when the last one left.
    """

    group_jti: str
    head: Told
    payload: bytes
    cases: int
    people: int
    at_ms: int


def put(connection: sa.Connection, waiting: Sequence[Waiting], now_ms: int) -> None:
    """Have cases wait; one that waits already, or was counted in a group, is left as it is."""
    counted = set(connection.scalars(sa.select(_members.jti).where(_members.jti.in_([each.jti for each in waiting]))))
    rows = [_row(each, now_ms) for each in waiting if each.jti not in counted]
    if rows:
        connection.execute(_INSERTS[connection.dialect.name](tables.waiting).on_conflict_do_nothing(), rows)


def waits(connection: sa.Connection, partner: str, contract: bytes, before_ms: int) -> list[Waits]:
    """All that waited under the contract by then, ours until the transaction ends."""
    query = (
        sa.select(_waiting.jti, _waiting.case_id, _waiting.person, _waiting.payload, _waiting.since_ms)
        .where(_waiting.partner == partner, _waiting.contract == contract, _waiting.since_ms < before_ms)
        .order_by(_waiting.jti)
        .with_for_update()
    )
    return [Waits(*row) for row in connection.execute(query)]


def release(connection: sa.Connection, jti: str, payload: bytes, group: Group) -> None:
    """The group's message is `jti`: its members wait no more, and are known to be counted in it."""
    connection.execute(sa.insert(tables.groups).values(jti=jti, head=jti, payload=payload))
    rows = [
        {"jti": member.jti, "group_jti": jti, "case_id": member.case_id, "person": member.person}
        for member in group.members
    ]
    connection.execute(sa.insert(tables.members), rows)
    gone = sa.delete(tables.waiting).where(_waiting.jti.in_([member.jti for member in group.members]))
    connection.execute(gone)


def contracts_of(connection: sa.Connection, case_id: str) -> frozenset[bytes]:
    """The contracts, by their hash, under which the case waits."""
    found = connection.scalars(sa.select(_waiting.contract).where(_waiting.case_id == case_id))
    return frozenset(map(bytes, found))


def group_ids(case_id: str) -> sa.Select[tuple[str]]:
    """The released groups that the case is counted in, by their first message."""
    return sa.select(_members.group_jti).where(_members.case_id == case_id).order_by(_members.group_jti)


def leave(connection: sa.Connection, case_id: str, now_ms: int) -> None:
    """The case waits no more and is counted in no group; the groups that it leaves are marked."""
    wait_no_more(connection, case_id)
    groups = list(connection.scalars(group_ids(case_id)))
    connection.execute(sa.delete(tables.members).where(_members.case_id == case_id))
    connection.execute(sa.update(tables.groups).where(_groups.jti.in_(groups)).values(shrunk_at_ms=now_ms))


def wait_no_more(connection: sa.Connection, case_id: str) -> None:
    """The case leaves those that wait; what it is counted in already stays."""
    connection.execute(sa.delete(tables.waiting).where(_waiting.case_id == case_id))


def left(connection: sa.Connection) -> list[Left]:
    """Marked groups, ours until the transaction ends; one that somebody is leaving just now comes another time."""
    shrunk = sa.select(_groups.jti, _groups.shrunk_at_ms).where(_groups.shrunk_at_ms.is_not(None))
    rows = connection.execute(shrunk.order_by(_groups.jti).with_for_update(skip_locked=True)).all()
    return [_left(connection, jti, at_ms) for jti, at_ms in rows]


def settled(connection: sa.Connection, groups: Sequence[str]) -> None:
    connection.execute(sa.update(tables.groups).where(_groups.jti.in_(groups)).values(shrunk_at_ms=None))


def follow(connection: sa.Connection, head: str, successor: str) -> None:
    """What stood of a group is superseded by another message."""
    connection.execute(sa.update(tables.groups).where(_groups.head == head).values(head=successor))


def _left(connection: sa.Connection, group_jti: str, at_ms: int) -> Left:
    columns = (_disclosures.jti, _disclosures.partner, _disclosures.contract, _disclosures.kind)
    query = (
        sa.select(*columns, _disclosures.state, _disclosures.place, _groups.payload)
        .join(tables.groups, _groups.head == _disclosures.jti)
        .where(_groups.jti == group_jti)
    )
    row = connection.execute(query).one()
    counts = sa.select(sa.func.count(), sa.func.count(sa.distinct(_members.person)))
    cases, people = connection.execute(counts.where(_members.group_jti == group_jti)).one()
    return Left(group_jti, told(row), bytes(row.payload), cases, people, at_ms)


def told(row: Any) -> Told:
    return Told(
        jti=row.jti, partner=row.partner, contract=bytes(row.contract), kind=row.kind, state=row.state, place=row.place
    )


def _row(waiting: Waiting, now_ms: int) -> dict[str, Any]:
    return {
        "jti": waiting.jti,
        "partner": waiting.partner,
        "contract": waiting.contract,
        "case_id": waiting.case_id,
        "person": waiting.person,
        "likeness": _short(waiting.payload),
        "payload": waiting.payload,
        "since_ms": now_ms,
    }


def _short(payload: bytes) -> bytes:
    return sha256(likeness(values_of(payload))).digest()
