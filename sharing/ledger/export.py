"""The whole ledger as a file for an auditor: no personal data, no salts.

A line a leaf, in the order of their places: exactly the bytes that are hashed, JSON without line breaks. Then an empty
line, and the signed checkpoint over them all.
"""

from collections.abc import Iterator

import msgspec
import sqlalchemy as sa

from sharing import tables
from sharing.errors import LedgerBroken

PAGE = 8192


class Page(msgspec.Struct, frozen=True):
    """Some of the file's bytes, and how many entries they are."""

    data: bytes
    entries: int


def exported(connection: sa.Connection, size: int, checkpoint: bytes) -> Iterator[Page]:
    """The file, page by page. Raises LedgerBroken where an entry is missing or breaks the line."""
    columns = tables.leaves.c
    for start in range(0, size, PAGE):
        end = min(start + PAGE, size)
        query = sa.select(columns.body).where(columns.place >= start, columns.place < end).order_by(columns.place)
        bodies = [bytes(body) for body in connection.scalars(query)]
        if len(bodies) != end - start or any(b"\n" in body for body in bodies):
            raise LedgerBroken(f"entries {start} to {end - 1} are not all there: run `amana ledger verify`")
        yield Page(b"".join(body + b"\n" for body in bodies), end - start)
    yield Page(b"\n" + checkpoint, 0)
