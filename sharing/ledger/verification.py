"""Reads the whole ledger and says which entries are not as they were appended, or not as they were signed.

Every leaf is hashed anew and every subtree is made anew, beside what is stored. Where the two part, what is stored is
carried on: so one changed entry is one finding, and what is above it still says whether the rest is whole. Somebody who
rewrites leaves and subtrees alike leaves nothing to find in here; the roots then differ from what was signed, and, if
they sign that anew, from the checkpoints and receipts that partners kept.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec
import sqlalchemy as sa

from sharing import tables
from sharing.errors import BadProof, LedgerError
from sharing.ledger.checkpoints import Checkpoint, Trusted
from sharing.ledger.leaves import Answered, Disclosed, Superseding, leaf_of, sealed_of
from sharing.ledger.store import Ledger
from sharing.ledger.tree import EMPTY_ROOT, HASH_BYTES, Node, leaf_hash, node_hash

PAGE = 8192
MAX_FINDINGS = 100
_DOUBTED = "?"  # instead of a partner's name, which cannot be this
Progress = Callable[[int], object]
_Row = tuple[bytes, bytes, bytes | None]
_Stored = dict[Node, bytes]

_leaves, _nodes, _checkpoints = tables.leaves.c, tables.nodes.c, tables.checkpoints.c


class Finding(msgspec.Struct, frozen=True):
    """What is wrong with the entries from `first` to `last`."""

    first: int
    last: int
    what: str

    def __str__(self) -> str:
        places = f"entry {self.first}" if self.first == self.last else f"entries {self.first} to {self.last}"
        return f"{places}: {self.what}"


class Kept(msgspec.Struct, frozen=True):
    """A checkpoint whose signature has been checked, and whose it is; of a receipt, also place and leaf.

    `ours` is one of our own table: who rewrites the ledger can have signed it anew.
    """

    name: str
    checkpoint: Checkpoint
    place: int | None = None
    body: bytes | None = None
    ours: bool = False


class Verification(msgspec.Struct, frozen=True):
    """`agreeing` is how many checkpoints have the root that the ledger has at their size.

    `findings` are the first 100, in the order of places; `found` is how many there are.
    """

    size: int
    root: bytes
    agreeing: int
    found: int
    findings: tuple[Finding, ...]


def verify(
    connection: sa.Connection, trusted: Trusted, kept: Sequence[Kept] = (), progress: Progress = lambda _: None
) -> Verification:
    """Read everything, in a transaction that sees one state (`store.snapshot`); `progress` gets how many were read."""
    report = _Report()
    size = Ledger().size(connection)
    _strays(connection, size, report)
    marks, beyond = _marks([*_stored(connection, trusted, report), *kept], size, report)
    receipts = defaultdict(list)
    for each in kept:
        if each.place is not None:
            receipts[each.place].append(each)
    walk = _Walk(report, marks, receipts)
    walk.passed(0)
    for start in range(0, size, PAGE):
        end = min(start + PAGE, size)
        walk.page(start, end, _rows(connection, start, end), _subtrees(connection, start, end))
        progress(end - start)
    for each in beyond:
        walk.shorter(each, size)
    return Verification(size, walk.root(), walk.agreeing, report.found, report.sorted())


class _Report:
    def __init__(self) -> None:
        self.found = 0
        self._findings: list[Finding] = []

    def add(self, start: int, end: int, what: str) -> None:
        self.found += 1
        if len(self._findings) < MAX_FINDINGS:
            self._findings.append(Finding(start, max(start, end - 1), what))

    def sorted(self) -> tuple[Finding, ...]:
        return tuple(sorted(self._findings, key=lambda finding: (finding.first, finding.last)))


class _Walk:
    """Goes over the leaves once, from the first to the last."""

    def __init__(self, report: _Report, marks: dict[int, list[Kept]], receipts: dict[int, list[Kept]]) -> None:
        self._report = report
        self._marks = marks
        self._receipts = receipts
        self._peaks: dict[int, tuple[bytes, bool]] = {}
        self._told: list[str | None] = []  # the partner of each entry that is a message
        self._agreed = {True: 0, False: 0}  # the last size with which a checkpoint agreed: ours, and others'
        self.agreeing = 0

    def page(self, start: int, end: int, rows: dict[int, _Row], stored: _Stored) -> None:
        for place in range(start, end):
            row = rows.get(place)
            if row is None:
                self._report.add(place, place + 1, "is not there any more")
                self._told.append(_DOUBTED)
                hashed, doubted = bytes(HASH_BYTES), True
            else:
                hashed, doubted = self._leaf(place, *row)
            self._grow(place, hashed, doubted, stored)
            if place + 1 in self._marks:
                self.passed(place + 1)

    def root(self) -> bytes:
        value = None
        for level in sorted(self._peaks):
            hashed = self._peaks[level][0]
            value = hashed if value is None else node_hash(hashed, value)
        return EMPTY_ROOT if value is None else value

    def passed(self, size: int) -> None:
        """Compare with the checkpoints of that size."""
        root = self.root() if size in self._marks else b""
        before = dict(self._agreed)
        for kept in self._marks.get(size, []):
            if kept.checkpoint.root == root:
                self.agreeing += 1
                self._agreed[kept.ours] = size
            else:
                self._report.add(before[kept.ours], size, f"not what was signed in {kept.name}")

    def shorter(self, kept: Kept, size: int) -> None:
        """Say that the ledger has fewer entries than were signed; what agrees before it narrows which are gone."""
        signed, agreed = kept.checkpoint.size, self._agreed[kept.ours]
        what = f"{kept.name} was signed over {signed} entries; the ledger has {size}"
        if agreed < size:
            gone = "one of these entries was" if signed - size == 1 else f"{signed - size} of these entries were"
            what += f": {gone} removed, or more and others added; a kept receipt tells which"
        self._report.add(agreed, signed, what)

    def _leaf(self, place: int, hashed: bytes, body: bytes, sealed: bytes | None) -> tuple[bytes, bool]:
        told, wrong = self._judged(hashed, body, sealed)
        self._told.append(told)
        for receipt in self._receipts.get(place, []):
            if receipt.body != body:
                self._report.add(place, place + 1, f"not what {receipt.name} is for")
        if wrong:
            self._report.add(place, place + 1, wrong)
        return (hashed if len(hashed) == HASH_BYTES else bytes(HASH_BYTES)), wrong is not None

    def _judged(self, hashed: bytes, body: bytes, sealed: bytes | None) -> tuple[str | None, str | None]:
        """The partner that the entry is a message to, and what is wrong with its row beside the rows before it."""
        if leaf_hash(body) != hashed:
            return _DOUBTED, "its bytes are not what was appended, or its hash is not"
        try:
            leaf = leaf_of(body)
        except LedgerError:
            return _DOUBTED, "its bytes are no leaf of this ledger"
        if sealed_of(leaf) != sealed:
            return _DOUBTED, "it is looked up by another message's hash than its own"
        told = leaf.partner if isinstance(leaf, Disclosed | Superseding) else None
        if isinstance(leaf, Superseding):
            return told, self._astray(leaf.supersedes, leaf.partner)
        return told, self._astray(leaf.place, leaf.partner) if isinstance(leaf, Answered) else None

    def _astray(self, about: int, partner: str) -> str | None:
        """What is wrong with an entry of a partner's that is about an earlier one."""
        if about >= len(self._told):
            return "it is about an entry that was not there yet"
        if self._told[about] not in {partner, _DOUBTED}:
            return f"it is about entry {about}, which is no message to its partner"
        return None

    def _grow(self, place: int, value: bytes, doubted: bool, stored: _Stored) -> None:
        level = 0
        while place >> level & 1:
            left, left_doubted = self._peaks.pop(level)
            value, doubted = node_hash(left, value), doubted or left_doubted
            level += 1
            kept = stored.get((level, place >> level))
            if kept == value:
                doubted = False
                continue
            if not doubted:
                over = place >> level << level
                what = "the hash over them is missing" if kept is None else "one or more are not what was appended"
                self._report.add(over, place + 1, what)
            value, doubted = (kept if kept is not None and len(kept) == HASH_BYTES else value), True
        self._peaks[level] = value, doubted


def _rows(connection: sa.Connection, start: int, end: int) -> dict[int, _Row]:
    columns = (_leaves.place, _leaves.hash, _leaves.body, _leaves.sealed)
    query = sa.select(*columns).where(_leaves.place >= start, _leaves.place < end)
    return {row[0]: row[1:] for row in connection.execute(query).all()}


def _subtrees(connection: sa.Connection, start: int, end: int) -> _Stored:
    """Those whose last leaf is among the leaves from `start` to `end`."""
    each = [
        sa.and_(_nodes.level == level, _nodes.place >= start >> level, _nodes.place < end >> level)
        for level in range(1, end.bit_length())
    ]
    if not each:
        return {}
    query = sa.select(_nodes.level, _nodes.place, _nodes.hash).where(sa.or_(*each))
    return {row[:2]: row[2] for row in connection.execute(query).all()}


def _strays(connection: sa.Connection, size: int, report: _Report) -> None:
    """Rows that belong to no entry: beyond the size that the ledger's head says, or hashes over what is not there."""
    query = sa.select(_leaves.place).where((_leaves.place < 0) | (_leaves.place >= size)).order_by(_leaves.place)
    for place in connection.scalars(query.limit(MAX_FINDINGS)):
        report.add(place, place + 1, f"beyond the ledger's end: its head says {size} entries")
    beyond = [sa.and_(_nodes.level == level, _nodes.place >= size >> level) for level in range(64)]
    outside = sa.or_((_nodes.level < 1) | (_nodes.level > 63) | (_nodes.place < 0), *beyond)
    for row in connection.execute(sa.select(_nodes.level, _nodes.place).where(outside).limit(MAX_FINDINGS)):
        level = min(max(row.level, 0), 63)
        report.add(row.place << level, (row.place + 1) << level, "a hash over entries that are not there")


def _stored(connection: sa.Connection, trusted: Trusted, report: _Report) -> Iterator[Kept]:
    query = sa.select(_checkpoints.size, _checkpoints.signed).order_by(_checkpoints.size)
    for row in connection.execute(query):
        size, signed = row.size, bytes(row.signed)
        name = f"our own checkpoint of {size} entries"
        try:
            checkpoint = trusted.opened(signed)
        except BadProof:
            report.add(0, size, f"{name} is signed by nobody who is trusted")
            continue
        if checkpoint.size != size:
            report.add(0, size, f"{name} is one of {checkpoint.size}")
        yield Kept(name, checkpoint, ours=True)


def _marks(kept: Iterable[Kept], size: int, report: _Report) -> tuple[dict[int, list[Kept]], list[Kept]]:
    """Checkpoints by their size; apart those larger than the ledger, which say that entries are gone."""
    marks: dict[int, list[Kept]] = defaultdict(list)
    beyond: list[Kept] = []
    for each in kept:
        if each.checkpoint.size > size:
            beyond.append(each)
        else:
            marks[each.checkpoint.size].append(each)
        if each.place is not None and each.place >= size:
            report.add(each.place, each.place + 1, f"is not there any more; {each.name} is for it")
    return marks, beyond
