"""The whole ledger as a file for an auditor: no personal data, no salts.

A line a leaf, in the order of their places: exactly the bytes that are hashed, JSON without line breaks. Then an empty
line, and the signed checkpoint over them all.
"""

from collections.abc import Iterator, Mapping

import msgspec
import sqlalchemy as sa

from sharing import tables
from sharing.errors import LedgerBroken
from sharing.ledger.checkpoints import Checkpoint
from sharing.ledger.tree import folded, grown, leaf_hash

PAGE = 8192


class Page(msgspec.Struct, frozen=True):
    """Some of the file's bytes, and how many entries they are."""

    data: bytes
    entries: int


def exported(connection: sa.Connection, over: Checkpoint, signed: bytes) -> Iterator[Page]:
    """The file, page by page; `signed` is the checkpoint itself, `over` what it says.

    Raises LedgerBroken where an entry is missing or breaks the line; at the end, where they are not what was signed.
    """
    columns = tables.leaves.c
    peaks: dict[int, bytes] = {}
    for start in range(0, over.size, PAGE):
        end = min(start + PAGE, over.size)
        query = sa.select(columns.body).where(columns.place >= start, columns.place < end).order_by(columns.place)
        bodies = [bytes(body) for body in connection.scalars(query)]
        if len(bodies) != end - start or any(b"\n" in body for body in bodies):
            raise LedgerBroken(f"entries {start} to {end - 1} are not all there: run `amana ledger verify`")
        for _ in grown(start, peaks, map(leaf_hash, bodies)):
            pass
        yield Page(b"".join(body + b"\n" for body in bodies), end - start)
    if _root(over.size, peaks) != over.root:
        raise LedgerBroken(f"entries 0 to {over.size - 1} are not what was signed: run `amana ledger verify`")
    yield Page(b"\n" + signed, 0)


def _root(size: int, peaks: Mapping[int, bytes]) -> bytes:
    """The hash over all, by those of the rightmost whole subtrees."""
    return folded((0, size), {(level, (size >> level) - 1): hashed for level, hashed in peaks.items()})
