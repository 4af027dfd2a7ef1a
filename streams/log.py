"""The facts log as screening sees it: where it begins and ends, what is committed, and its records.

`Log` is the interface; `FileLog` serves the embedded runner, streams/kafka.py the full one.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

CHUNK = 500
T = TypeVar("T")


class Valued(Protocol):
    """A record with its offset: ours, or Kafka's client's."""

    @property
    def offset(self) -> int: ...
    @property
    def value(self) -> Any: ...


class LogRecord(msgspec.Struct, frozen=True):
    offset: int
    value: bytes


class Bounds(msgspec.Struct, frozen=True):
    start: int
    end: int


class Log(Protocol):
    async def committed(self) -> Mapping[int, int]:
        """The next offset that the screening group would read, a partition; absent where nothing was committed."""

    async def bounds(self) -> Mapping[int, Bounds]:
        """First offset and the one after the last, for every partition."""

    def read(self, partition: int, first: int, until: int) -> AsyncIterator[Sequence[LogRecord]]:
        """Chunks of the records in [first, until)."""


class FileLog:
    """A one-partition log in a file of JSON lines: the embedded runner's. An offset is a line number."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab")
        self._end = 0
        self._committed = 0

    def append(self, values: Sequence[bytes]) -> list[LogRecord]:
        self._file.writelines(value + b"\n" for value in values)
        first, self._end = self._end, self._end + len(values)
        return [LogRecord(offset, value) for offset, value in enumerate(values, first)]

    def commit(self, offset: int) -> None:
        self._committed = offset

    def close(self) -> None:
        self._file.close()

    async def committed(self) -> Mapping[int, int]:
        return {0: self._committed}

    async def bounds(self) -> Mapping[int, Bounds]:
        return {0: Bounds(0, self._end)}

    async def read(self, partition: int, first: int, until: int) -> AsyncIterator[Sequence[LogRecord]]:  # noqa: ARG002
        self._file.flush()
        with self._path.open("rb") as lines:
            for numbered in batched(islice(enumerate(lines), first, until), CHUNK):
                yield [LogRecord(offset, line.rstrip(b"\n")) for offset, line in numbered]


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of up to `size` items (itertools.batched, which Python 3.11 has not)."""
    remaining = iter(items)
    while chunk := list(islice(remaining, size)):
        yield chunk
