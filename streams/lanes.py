"""One task per partition, so that while one partition's chunk waits for a server another's can use the processor.

A lane handles what waits for it together, up to a chunk's records, and acknowledges that before it takes the next: what
came singly while it was busy costs the servers one call. A revoked partition's lane
is cancelled and its queue emptied: what it had not acknowledged comes again, to whoever owns the partition then. A lane
that fails ends the process through `fail`, so that nothing after the failed chunk can be acknowledged.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, Protocol

from faust.types import TP


class Stage(Protocol):
    """What a worker does with its records; partitions are independent, a partition's calls come one at a time."""

    async def open(self, tp: TP) -> None:
        """The partition was assigned: make ready; called before its first chunk."""

    async def handle(self, tp: TP, records: Sequence[Any]) -> None:
        """Handle one chunk; returning means that all that came of it is durable."""

    async def idle(self, tp: TP) -> None:
        """Nothing came for a while."""


class Chunk(Protocol):
    value: list[Any]

    def ack(self) -> bool: ...


class Missing(Exception):
    """A chunk does not follow the one before it; nothing after it may be acknowledged."""


class Waiting:
    """Chunks in the order in which they came."""

    def __init__(self, records: int) -> None:
        self._full_at = records
        self._chunks: deque[Chunk] = deque()
        self._records = 0
        self._some, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()

    @property
    def has_room(self) -> bool:
        return self._room.is_set()

    async def put(self, chunk: Chunk) -> None:
        """Waits while it is full."""
        await self._room.wait()
        self.add(chunk)

    def add(self, chunk: Chunk) -> None:
        self._chunks.append(chunk)
        self._count(len(chunk.value))

    async def take(self, most: int) -> list[Chunk]:
        """Waits for a chunk; more come with it while all have at most `most` records."""
        await self._some.wait()
        taken = [self._chunks.popleft()]
        records = len(taken[0].value)
        while self._chunks and records + len(self._chunks[0].value) <= most:
            taken.append(self._chunks.popleft())
            records += len(taken[-1].value)
        self._count(-records)
        return taken

    def close(self) -> None:
        """Frees a `put` that waits for a place."""
        self._room.set()

    def _count(self, records: int) -> None:
        self._records += records
        (self._some.set if self._chunks else self._some.clear)()
        (self._room.set if self._records < self._full_at else self._room.clear)()


class Lanes:
    """Up to `records` are handled together and twice as many wait in a lane; idle after `idle_s` without any.

    `committed` says where a partition is read from after its assignment, None where it begins with the log.
    """

    def __init__(
        self,
        stage: Stage,
        fail: Callable[[BaseException], None],
        committed: Callable[[TP], int | None] = lambda _: None,
        records: int = 500,
        idle_s: float = 1.0,
    ) -> None:
        self._stage = stage
        self._fail = fail
        self._committed = committed
        self._records = records
        self._idle_s = idle_s
        self._lanes: dict[TP, tuple[Waiting, asyncio.Task[None]]] = {}
        self._early: dict[TP, list[Chunk]] = {}  # Faust may deliver before it says that a partition is assigned
        self.positions: dict[TP, int] = {}  # the next offset of each partition that has handled something

    @property
    def partitions(self) -> set[TP]:
        return set(self._lanes)

    def has_room(self, tp: TP) -> bool:
        return tp not in self._lanes or self._lanes[tp][0].has_room

    def assign(self, tps: Iterable[TP]) -> None:
        """Start a lane for each partition; a lane that runs already is replaced, since its chunks come again."""
        for tp in tps:
            early = self._early_of(tp)
            self.revoke([tp])
            waiting = Waiting(2 * self._records)
            for chunk in early:
                waiting.add(chunk)
            task = asyncio.ensure_future(self._run(tp, waiting))
            task.add_done_callback(heard_by(self._fail))
            self._lanes[tp] = (waiting, task)

    def revoke(self, tps: Iterable[TP]) -> None:
        for tp in tps:
            self._early.pop(tp, None)
            if (lane := self._lanes.pop(tp, None)) is not None:
                waiting, task = lane
                task.cancel()
                self.positions.pop(tp, None)
                waiting.close()

    async def put(self, tp: TP, chunk: Chunk) -> None:
        """Queue a chunk; waits while the lane is full. One whose partition is not ours yet waits for that."""
        if (lane := self._lanes.get(tp)) is not None:
            await lane[0].put(chunk)
        else:
            self._early.setdefault(tp, []).append(chunk)

    def _early_of(self, tp: TP) -> list[Chunk]:
        """What came before the partition was known to be ours; left-overs of an earlier assignment begin further on."""
        committed = self._committed(tp)
        early = self._early.get(tp, [])
        return early if committed is None or (early and early[0].value[0].offset <= committed) else []

    async def _run(self, tp: TP, waiting: Waiting) -> None:
        await self._stage.open(tp)
        expected: int | None = None
        while True:
            try:
                async with asyncio.timeout(self._idle_s):
                    chunks = await waiting.take(self._records)
            except TimeoutError:
                await self._stage.idle(tp)
                continue
            end = _end(tp, chunks, expected)
            await self._stage.handle(tp, list(chain.from_iterable(chunk.value for chunk in chunks)))
            for chunk in chunks:
                chunk.ack()
            expected = self.positions[tp] = end


def _end(tp: TP, chunks: Sequence[Chunk], expected: int | None) -> int:
    """The offset behind the last chunk; raises Missing if one begins after the offset expected."""
    for chunk in chunks:
        first = chunk.value[0].offset
        if expected is not None and first > expected:
            raise Missing(f"{tp.topic}/{tp.partition}: expected offset {expected}, got {first}")
        expected = chunk.value[-1].offset + 1
    assert expected is not None
    return expected


def heard_by(fail: Callable[[BaseException], None]) -> Callable[[asyncio.Task[None]], None]:
    """For a task's end: tell `fail` of its error, unless it was cancelled."""

    def hear(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            fail(error)

    return hear
