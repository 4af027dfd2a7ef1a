"""One task per partition, so that while one partition's chunk waits for a server another's can use the processor.

A lane handles its chunks one after another and acknowledges each before it takes the next. A revoked partition's lane
is cancelled and its queue emptied: what it had not acknowledged comes again, to whoever owns the partition then. A lane
that fails ends the process through `fail`, so that nothing after the failed chunk can be acknowledged.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
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


class Lanes:
    """`depth` chunks wait in a lane; after `idle_s` without one the stage's `idle` is called.

    `committed` says where a partition is read from after its assignment, None where it begins with the log.
    """

    def __init__(
        self,
        stage: Stage,
        fail: Callable[[BaseException], None],
        committed: Callable[[TP], int | None] = lambda _: None,
        depth: int = 2,
        idle_s: float = 1.0,
    ) -> None:
        self._stage = stage
        self._fail = fail
        self._committed = committed
        self._depth = depth
        self._idle_s = idle_s
        self._lanes: dict[TP, tuple[asyncio.Queue[Chunk], asyncio.Task[None]]] = {}
        self._early: dict[TP, list[Chunk]] = {}  # Faust may deliver before it says that a partition is assigned
        self.positions: dict[TP, int] = {}  # the next offset of each partition that has handled something

    @property
    def partitions(self) -> set[TP]:
        return set(self._lanes)

    def assign(self, tps: Iterable[TP]) -> None:
        """Start a lane for each partition; a lane that runs already is replaced, since its chunks come again."""
        for tp in tps:
            early = self._early_of(tp)
            self.revoke([tp])
            queue: asyncio.Queue[Chunk] = asyncio.Queue(self._depth + len(early))
            for chunk in early:
                queue.put_nowait(chunk)
            task = asyncio.ensure_future(self._run(tp, queue))
            task.add_done_callback(heard_by(self._fail))
            self._lanes[tp] = (queue, task)

    def revoke(self, tps: Iterable[TP]) -> None:
        for tp in tps:
            self._early.pop(tp, None)
            if (lane := self._lanes.pop(tp, None)) is not None:
                queue, task = lane
                task.cancel()
                self.positions.pop(tp, None)
                while not queue.empty():  # also frees a `put` that waits for a place
                    queue.get_nowait()

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

    async def _run(self, tp: TP, queue: asyncio.Queue[Chunk]) -> None:
        await self._stage.open(tp)
        expected: int | None = None
        while True:
            try:
                chunk = await asyncio.wait_for(queue.get(), self._idle_s)
            except TimeoutError:
                await self._stage.idle(tp)
                continue
            if expected is not None and chunk.value[0].offset > expected:
                raise Missing(f"{tp.topic}/{tp.partition}: expected offset {expected}, got {chunk.value[0].offset}")
            await self._stage.handle(tp, chunk.value)
            chunk.ack()
            expected = self.positions[tp] = chunk.value[-1].offset + 1


def heard_by(fail: Callable[[BaseException], None]) -> Callable[[asyncio.Task[None]], None]:
    """For a task's end: tell `fail` of its error, unless it was cancelled."""

    def hear(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            fail(error)

    return hear
