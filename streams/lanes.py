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


class Lanes:
    """`depth` chunks wait in a lane; after `idle_s` without one the stage's `idle` is called."""

    def __init__(
        self, stage: Stage, fail: Callable[[BaseException], None], depth: int = 2, idle_s: float = 1.0
    ) -> None:
        self._stage = stage
        self._fail = fail
        self._depth = depth
        self._idle_s = idle_s
        self._lanes: dict[TP, tuple[asyncio.Queue[Chunk], asyncio.Task[None]]] = {}

        self.positions: dict[TP, int] = {}  # the next offset of each partition that has handled something

    @property
    def partitions(self) -> set[TP]:
        return set(self._lanes)

    def assign(self, tps: Iterable[TP]) -> None:
        """Start a lane for each partition; a lane that runs already is replaced, since its chunks come again."""
        for tp in tps:
            self.revoke([tp])
            queue: asyncio.Queue[Chunk] = asyncio.Queue(self._depth)
            task = asyncio.ensure_future(self._run(tp, queue))
            task.add_done_callback(self._ended)
            self._lanes[tp] = (queue, task)

    def revoke(self, tps: Iterable[TP]) -> None:
        for tp in tps:
            if (lane := self._lanes.pop(tp, None)) is not None:
                queue, task = lane
                task.cancel()
                self.positions.pop(tp, None)
                while not queue.empty():  # also frees a `put` that waits for a place
                    queue.get_nowait()

    async def put(self, tp: TP, chunk: Chunk) -> None:
        """Queue a chunk; waits while the lane is full. One for a partition not ours is dropped: it comes again."""
        if (lane := self._lanes.get(tp)) is not None:
            await lane[0].put(chunk)

    async def _run(self, tp: TP, queue: asyncio.Queue[Chunk]) -> None:
        await self._stage.open(tp)
        while True:
            try:
                chunk = await asyncio.wait_for(queue.get(), self._idle_s)
            except TimeoutError:
                await self._stage.idle(tp)
                continue
            await self._stage.handle(tp, chunk.value)
            chunk.ack()
            self.positions[tp] = chunk.value[-1].offset + 1

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)
