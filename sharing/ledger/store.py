"""The ledger in SQL (sharing/tables.py): every method works within the caller's transaction.

Appending writes `sharing_head` first: that row's lock (SQLite: the database's) lets one transaction after another
append, over all processes, each until it commits or rolls back. So append late, and keep the transaction short.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from sharing import tables
from sharing.errors import LedgerBroken, LedgerError
from sharing.ledger.checkpoints import Signer
from sharing.ledger.leaves import Leaf, body_of, leaf_of, sealed_of
from sharing.ledger.tree import Node, Span, consistency, cover, folded, grown, included, inclusion, leaf_hash, merged

_head, _leaves, _nodes = tables.head.c, tables.leaves.c, tables.nodes.c
_checkpoints, _lookup = tables.checkpoints.c, tables.lookup.c
_INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_SLOTS, _NOWHERE = 8, (-1, -1)
_APPENDED = "sharing.ledger.appended"  # in a connection's `info`: the transaction that appended last


class Ledger:
    """Only `checkpoint` needs a signer: the projector appends without one."""

    def __init__(self, signer: Signer | None = None) -> None:
        self._signer = signer

    def append(self, connection: sa.Connection, leaves: Sequence[Leaf]) -> list[int]:
        """Add leaves at the end; their places. Costs the same however many there are.

        Raises LedgerError for an ill-formed leaf, LedgerBroken where the tree's edge is not there any more; the
        database refuses a sealed message that has a leaf already (sqlalchemy.exc.IntegrityError).
        """
        bodies = [body_of(leaf) for leaf in leaves]
        if not bodies:
            return []
        size = _taken(connection, len(bodies))
        connection.info[_APPENDED] = connection.get_transaction()
        hashes = [leaf_hash(body) for body in bodies]
        edge = merged(size, len(hashes))
        peaks = {level: value for (level, _), value in _hashes(connection, edge).items()}
        whole = list(grown(size, peaks, hashes))
        rows = zip(range(size, size + len(leaves)), leaves, bodies, hashes, strict=True)
        connection.execute(
            sa.insert(tables.leaves),
            [
                {"place": place, "hash": hashed, "body": body, "sealed": sealed_of(leaf)}
                for place, leaf, body, hashed in rows
            ],
        )
        if whole:
            connection.execute(
                sa.insert(tables.nodes),
                [{"level": level, "place": place, "hash": hashed} for (level, place), hashed in whole],
            )
        return list(range(size, size + len(leaves)))

    def remember(self, connection: sa.Connection, place: int, case_id: str, jti: str, salt: bytes) -> None:
        """Keep what opens a leaf's commitment, in the side table that an erasure deletes from."""
        row = {"place": place, "case_id": case_id, "jti": jti, "salt": salt}
        connection.execute(sa.insert(tables.lookup), row)

    def forget(self, connection: sa.Connection, case_id: str) -> int:
        """Delete what opens the commitments of a case, for good; of how many. The tree stays as it is."""
        return connection.execute(sa.delete(tables.lookup).where(_lookup.case_id == case_id)).rowcount

    def size(self, connection: sa.Connection) -> int:
        """How many leaves it has."""
        return _headed(connection.scalar(sa.select(_head.size).where(_head.id == 1)))

    def leaf(self, connection: sa.Connection, place: int) -> Leaf:
        """Raises LedgerError where there is none."""
        return leaf_of(self.body(connection, place))

    def body(self, connection: sa.Connection, place: int) -> bytes:
        """A leaf's bytes. Raises LedgerError where there is none."""
        found = connection.scalar(sa.select(_leaves.body).where(_leaves.place == place))
        if found is None:
            raise LedgerError(f"the ledger has no entry {place}")
        return bytes(found)

    def places(self, connection: sa.Connection, *, jti: str) -> list[int]:
        """Of the entries about a message; none once its case is erased."""
        return list(connection.scalars(sa.select(_lookup.place).where(_lookup.jti == jti).order_by(_lookup.place)))

    def opening(self, connection: sa.Connection, place: int) -> dict[str, Any] | None:
        """What opens a leaf's commitment, by name; None once its case is erased."""
        query = sa.select(_lookup.case_id, _lookup.jti, _lookup.salt).where(_lookup.place == place)
        row = connection.execute(query).mappings().one_or_none()
        return None if row is None else {**row, "salt": bytes(row["salt"])}

    def place_of(self, connection: sa.Connection, sealed: bytes) -> int | None:
        """Where sealed bytes of that SHA-256 are on the ledger: only if the tree really includes the leaf that says so.

        A row that somebody put into the table, or whose column was changed, is none. Raises LedgerBroken where the
        tree itself has a hole on the way: then nothing may leave.
        """
        query = sa.select(_leaves.place, _leaves.body).where(_leaves.sealed == sealed)
        found = connection.execute(query).one_or_none()
        if found is None:
            return None
        body, size = bytes(found.body), self.size(connection)
        if not 0 <= found.place < size or not _about(body, sealed):
            return None
        proof = self.inclusion(connection, found.place, size)
        return found.place if included(found.place, size, leaf_hash(body), proof, self.root(connection, size)) else None

    def holds(self, connection: sa.Connection, sealed_hash: bytes) -> bool:
        """Whether bytes of that SHA-256 may leave. See `place_of`."""
        return self.place_of(connection, sealed_hash) is not None

    def root(self, connection: sa.Connection, size: int) -> bytes:
        """Of the first `size` leaves. Raises LedgerBroken where a subtree is missing."""
        return self._over(connection, [(0, size)])[0]

    def inclusion(self, connection: sa.Connection, place: int, size: int) -> list[bytes]:
        """The proof that the leaf at `place` is in the tree of the first `size` leaves. Raises LedgerError."""
        return self._over(connection, _asked(inclusion, place, size))

    def consistency(self, connection: sa.Connection, old: int, new: int) -> list[bytes]:
        """The proof that the tree of `new` leaves begins with that of `old`. Raises LedgerError."""
        return self._over(connection, _asked(consistency, old, new))

    def checkpoint(self, connection: sa.Connection, now_ms: int) -> bytes:
        """The ledger as it is now, signed: made once for a size, and kept. Commit before it is sent to anybody.

        Raises LedgerBroken rather than sign a tree that does not begin with the one signed last; LedgerError in a
        transaction that has appended: were it rolled back, leaves that are not there would have been signed.
        """
        if self._signer is None:
            raise LedgerError("a checkpoint needs the ledger's key")
        if connection.in_transaction() and connection.info.get(_APPENDED) is connection.get_transaction():
            raise LedgerError("a checkpoint is made after what was appended is committed, in another transaction")
        size = self.size(connection)
        last = self.last_checkpoint(connection)
        if last is not None:
            before = self._signer.trusted().opened(last)
            if before.size > size or self.root(connection, before.size) != before.root:
                raise LedgerBroken(f"the ledger is not as it was signed at {before.size} entries: nothing is signed")
            if before.size == size:
                return last
        signed = self._signer.sign(size, self.root(connection, size))
        row = {"size": size, "signed": signed, "made_at_ms": now_ms}
        connection.execute(_INSERTS[connection.dialect.name](tables.checkpoints).on_conflict_do_nothing(), row)
        return signed

    def last_checkpoint(self, connection: sa.Connection) -> bytes | None:
        query = sa.select(_checkpoints.signed).order_by(_checkpoints.size.desc()).limit(1)
        found = connection.scalar(query)
        return None if found is None else bytes(found)

    def _over(self, connection: sa.Connection, spans: Sequence[Span]) -> list[bytes]:
        """The hashes over spans, of whole subtrees that are read at once."""
        hashes = _hashes(connection, {node for span in spans for node in cover(span)})
        return [folded(span, hashes) for span in spans]


@contextmanager
def snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that sees one state of the database throughout, whoever appends meanwhile; nothing is written."""
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        else:
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection
        connection.rollback()


def _about(body: bytes, sealed: bytes) -> bool:
    try:
        return sealed_of(leaf_of(body)) == sealed
    except LedgerError:
        return False


def _taken(connection: sa.Connection, count: int) -> int:
    """The size before; from here on nobody else appends until the transaction ends."""
    more = sa.update(tables.head).where(_head.id == 1).values(size=_head.size + count).returning(_head.size)
    return _headed(connection.execute(more).scalar()) - count


def _headed(size: int | None) -> int:
    if size is None:
        raise LedgerBroken("the ledger's head is missing: a row with id 1 in sharing_head")
    return size


def _hashes(connection: sa.Connection, nodes: Collection[Node]) -> dict[Node, bytes]:
    """Raises LedgerBroken, naming the entries, where one is missing."""
    found: dict[Node, bytes] = {}
    singles = [place for level, place in nodes if level == 0]
    if singles:
        query = sa.select(_leaves.place, _leaves.hash).where(_leaves.place.in_(singles))
        found |= {(0, row.place): bytes(row.hash) for row in connection.execute(query)}
    whole = [node for node in nodes if node[0]]
    if whole:
        slots = max(_SLOTS, 1 << (len(whole) - 1).bit_length())
        padded = [*whole, *[_NOWHERE] * (slots - len(whole))]
        values = {
            f"{name}{at}": value for at, node in enumerate(padded) for name, value in zip("lp", node, strict=True)
        }
        rows = connection.execute(_subtrees(slots), values)
        found |= {(row.level, row.place): bytes(row.hash) for row in rows}
    for level, place in nodes:
        if (level, place) not in found:
            raise LedgerBroken(f"the ledger has no hash of {entries(place << level, place + 1 << level)}")
    return found


@lru_cache  # powers of two, so a few statements: to make one anew costs many times what reading its rows does
def _subtrees(slots: int) -> sa.Select[Any]:
    """Finds subtrees of levels l0, l1, ... and places p0, p1, ...; SQLite would read the whole table for `IN`."""
    each = [
        sa.and_(_nodes.level == sa.bindparam(f"l{at}"), _nodes.place == sa.bindparam(f"p{at}")) for at in range(slots)
    ]
    return sa.select(_nodes.level, _nodes.place, _nodes.hash).where(sa.or_(*each))


def entries(start: int, end: int) -> str:
    """Places in words: the half-open range as people name it."""
    return f"entry {start}" if end - start == 1 else f"entries {start} to {end - 1}"


def _asked(spans: Callable[[int, int], list[Span]], one: int, other: int) -> list[Span]:
    try:
        return spans(one, other)
    except ValueError as error:
        raise LedgerError(str(error)) from None
