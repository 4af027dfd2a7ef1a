"""How far each disclosure has come, in the database. Every function is part of its caller's transaction.

Locks are taken in one order everywhere: the ledger's first, then disclosures. So states are read without a lock, the
leaves are appended, and a row changes only where it is still as it was read.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol

import msgspec
import sqlalchemy as sa

from sharing.delivery import outbox
from sharing.delivery.lifecycle import SUPERSEDED, SUPERSEDES, Kind, State, moved, urgent
from sharing.delivery.schedule import Schedule
from sharing.errors import DeliveryError
from sharing.ledger.leaves import Answered, Leaf, hash_of
from sharing.tables import disclosures

# All that the deliverer's role in the database lets it see: never whose case it is.
_DELIVERED = [disclosures.c[name] for name in ("jti", "partner", "state", "place", "answered_at_ms")]
# What a deliverer reads of a disclosure; whose case it is of, its role may not (streams/roles.py).
_COLUMNS = ("jti", "partner", "place", "state", "answered_at_ms")
_READ = tuple(disclosures.c[name] for name in _COLUMNS)
_DEPTH = 64  # of corrections of corrections: more is no chain that a case makes


class Ledger(Protocol):
    """What delivery needs of the ledger, both inside the caller's transaction (sharing/ledger/store.py)."""

    def holds(self, connection: sa.Connection, sealed_hash: bytes) -> bool: ...

    def append(self, connection: sa.Connection, leaves: Sequence[Leaf]) -> list[int]: ...

    def checkpoint(self, connection: sa.Connection, now_ms: int) -> bytes: ...


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A message as the projector made it: sealed, and at `place` in the ledger. It is not sent before `leaves_ms`."""

    jti: str
    partner: str
    contract: bytes
    case_id: str | None
    kind: Kind
    supersedes: str | None = None
    place: int
    sealed: bytes
    leaves_ms: int = 0


class Answer(NamedTuple):
    """`error`: the code by which the partner refuses the message (RFC 8935, 2.4); None acknowledges it."""

    jti: str
    error: str | None = None


class Taken(NamedTuple):
    acknowledged: int
    refused: int
    unknown: int  # no message of this partner's by that id
    repeated: int  # answered before


def made(connection: sa.Connection, message: Made, schedule: Schedule, now_ms: int) -> None:
    """Record a message and put it into the outbox, both with its ledger leaf; what it supersedes is sent no more.

    Raises TransitionRefused where what it supersedes may not become so, DeliveryError where there is none.
    """
    hurried, supersedes = urgent(message.kind), message.kind in SUPERSEDES
    if supersedes != (message.supersedes is not None):
        raise DeliveryError(f"a {message.kind} {'names' if supersedes else 'does not name'} what it supersedes")
    if message.supersedes is not None:
        _supersede(connection, message.supersedes, message.partner, message.kind, now_ms)
    row = {name: value for name, value in msgspec.structs.asdict(message).items() if name in disclosures.c}
    leaves_ms = max(now_ms, message.leaves_ms)
    due_ms = schedule.due_ms(True, leaves_ms) if hurried else None
    times = {"made_at_ms": now_ms, "changed_at_ms": now_ms, "due_at_ms": due_ms}
    connection.execute(sa.insert(disclosures).values(**row, **times, state="pending"))
    outbox.put(connection, message.jti, message.partner, message.sealed, hurried, now_ms, leaves_ms)


def _supersede(connection: sa.Connection, jti: str, partner: str, kind: Kind, now_ms: int) -> None:
    query = sa.select(disclosures.c.state).where(disclosures.c.jti == jti, disclosures.c.partner == partner)
    state: State | None = connection.scalar(query.with_for_update())
    if state is None:
        raise DeliveryError(f"a {kind} supersedes a message that this partner was never told")
    _change(connection, [jti], state=moved(state, SUPERSEDES[kind]), changed_at_ms=now_ms)
    outbox.drop(connection, [jti])


def delivered(connection: sa.Connection, jtis: Sequence[str], schedule: Schedule, now_ms: int) -> None:
    """Those that were pending are; what is overdue or superseded by now stays so."""
    pending = sa.and_(disclosures.c.jti.in_(jtis), disclosures.c.state == "pending")
    due_ms = sa.func.coalesce(disclosures.c.due_at_ms, schedule.due_ms(False, now_ms))
    changed = {"state": moved("pending", "delivered"), "changed_at_ms": now_ms, "due_at_ms": due_ms}
    connection.execute(sa.update(disclosures).where(pending).values(changed))


def answer(
    connection: sa.Connection,
    ledger: Ledger,
    partner: str,
    answers: Sequence[Answer],
    statement: bytes,
    now_ms: int,
) -> Taken:
    """Take in what a partner says of its messages: a leaf and a state for each, in this one transaction.

    `statement` is what was said, as it was said. Ids that are not this partner's, or were answered, change nothing.
    Raises DeliveryError where a row changed meanwhile: the caller rolls back and asks again.
    """
    rows = _rows(connection, partner, [each.jti for each in answers])
    fresh = {each.jti: each for each in answers if each.jti in rows and rows[each.jti].answered_at_ms is None}
    said = hash_of(statement)
    leaves = [
        Answered(at_ms=now_ms, partner=partner, place=rows[jti].place, answer=_said(fresh[jti]), statement=said)
        for jti in sorted(fresh)
    ]
    ledger.append(connection, leaves)
    for jti, each in sorted(fresh.items()):
        _answered(connection, rows[jti], each, now_ms)
    refused = [jti for jti, each in fresh.items() if each.error is not None]
    outbox.drop(connection, [jti for jti in fresh if jti not in refused])
    outbox.bury(connection, refused, outbox.REFUSED)
    unknown = len({each.jti for each in answers} - set(rows))
    return Taken(len(fresh) - len(refused), len(refused), unknown, len(rows) - len(fresh))


def _said(each: Answer) -> Literal["acknowledged", "refused"]:
    return "refused" if each.error is not None else "acknowledged"


def was_told(connection: sa.Connection, partner: str, jti: str) -> bool:
    return bool(_rows(connection, partner, [jti]))


def _rows(connection: sa.Connection, partner: str, jtis: Sequence[str]) -> dict[str, sa.Row[Any]]:
    query = sa.select(*_DELIVERED).where(disclosures.c.partner == partner, disclosures.c.jti.in_(jtis))
    return {row.jti: row for row in connection.execute(query)}


def _answered(connection: sa.Connection, row: sa.Row[Any], each: Answer, now_ms: int) -> None:
    """A pending one was sent by a deliverer that died before it could say so. A superseded one stays that."""
    state: State = row.state
    if state == "pending":
        state = moved(state, "delivered")
    if state not in SUPERSEDED:
        state = moved(state, _said(each))
    changed = {"state": state, "changed_at_ms": now_ms, "answered_at_ms": now_ms}
    as_read = (disclosures.c.jti == row.jti, disclosures.c.state == row.state, disclosures.c.answered_at_ms.is_(None))
    if connection.execute(sa.update(disclosures).where(*as_read).values(changed)).rowcount != 1:
        raise DeliveryError("a disclosure changed while its answer was taken in; expected it as it was read")


def escalate(connection: sa.Connection, ledger: Ledger, now_ms: int, at_most: int = 1000) -> dict[str, int]:
    """Mark as overdue what was not answered by its deadline, with a leaf each; how many became so, by partner."""
    late = sa.and_(disclosures.c.state.in_(("pending", "delivered")), disclosures.c.due_at_ms <= now_ms)
    rows = list(connection.execute(sa.select(*_DELIVERED).where(late).order_by(disclosures.c.jti).limit(at_most)))
    nothing = hash_of(b"")
    leaves = [
        Answered(at_ms=now_ms, partner=row.partner, place=row.place, answer="overdue", statement=nothing)
        for row in rows
    ]
    ledger.append(connection, leaves)
    for row in rows:
        as_read = (disclosures.c.jti == row.jti, disclosures.c.state == row.state)
        changed = {"state": moved(row.state, "overdue"), "changed_at_ms": now_ms}
        if connection.execute(sa.update(disclosures).where(*as_read).values(changed)).rowcount != 1:
            raise DeliveryError("a disclosure changed while it became overdue; expected it as it was read")
    found = [row.partner for row in rows]
    return {partner: found.count(partner) for partner in sorted(set(found))}


def states(connection: sa.Connection) -> dict[tuple[str, State], int]:
    """How many disclosures each partner has in each state."""
    columns = (disclosures.c.partner, disclosures.c.state)
    query = sa.select(*columns, sa.func.count()).group_by(*columns)
    return {(partner, state): count for partner, state, count in connection.execute(query)}


def root(connection: sa.Connection, jti: str) -> str:
    """The first message of the chain that this one ends: all of a chain go to one partition, in order."""
    for _ in range(_DEPTH):
        before = connection.scalar(sa.select(disclosures.c.supersedes).where(disclosures.c.jti == jti))
        if before is None:
            return jti
        jti = before
    return jti


def _change(connection: sa.Connection, jtis: Sequence[str], **changed: Any) -> None:
    connection.execute(sa.update(disclosures).where(disclosures.c.jti.in_(jtis)).values(**changed))
