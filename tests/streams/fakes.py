"""A feature store and a facts log that keep the protocol in a dictionary, for tests of the screening stage."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

import numpy as np

from events.facts import AnyFact, Coordinates, OrderFact, encode
from features.errors import Gap, Restarted
from features.formulas import Floats
from features.store import Applied, Chunk, Seen
from models.decisions import Decision
from models.screening import Decided
from streams.log import Bounds, LogRecord


def order_fact(offset: int, partition: int = 0) -> OrderFact:
    source = Coordinates("orders", "orders-id", partition, offset)
    return OrderFact(
        source=source,
        event_id=f"e-{offset}",
        occurred_at_ms=1000 + offset,
        recorded_at_ms=1000 + offset,
        order_id=f"o-{offset}",
        amount_minor=offset,
        currency="USD",
        method="card",
    )


def records(first: int, until: int, partition: int = 0) -> list[LogRecord]:
    return [LogRecord(offset, encode(order_fact(offset, partition))) for offset in range(first, until)]


def conclude(facts: Sequence[Decided], matrix: Floats, flags: tuple[str, ...]) -> list[Decision]:
    """An approval whose score is the only number of its vector."""
    return [
        Decision(
            decision_id=fact.source.text(),
            revision=1,
            order_id=fact.order_id,
            source=fact.source,
            occurred_at_ms=fact.occurred_at_ms,
            outcome="approve",
            mode="model",
            score=float(row[0]),
            flags=flags,
        )
        for fact, row in zip(facts, matrix, strict=True)
    ]


class FakeStore:
    """One shard: a fence and the applied facts of each partition, and an outbox of rows.

    A row is the number of facts of all partitions that were applied before. `troubles` are raised by the next calls of
    `apply`, one each; a trouble may be a function, which is called and may change the store.
    """

    def __init__(self, fences: Mapping[int, int] | None = None) -> None:
        self.server = 1
        self.fence = dict(fences or {})
        self.applied: dict[int, list[int]] = {}
        self.holes: list[int] = []
        self.troubles: list[BaseException] = []
        self.down = False
        self._outbox: dict[tuple[int, int], float] = {}

    async def prepare(self, facts_topic_id: str) -> None:  # noqa: ARG002
        await self._answer()

    async def look(self) -> Seen:
        await self._answer()
        return Seen((str(self.server),), dict(self.fence))

    async def _answer(self) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise ConnectionError("down")

    async def apply(self, chunk: Chunk) -> Applied:
        await self._answer()
        if self.troubles:
            raise self.troubles.pop(0)
        if chunk.servers not in {(), (str(self.server),)}:
            raise Restarted("another server")
        fence = self.fence.get(chunk.partition, -1)
        if fence < chunk.previous:
            raise Gap(0, chunk.partition, fence, chunk.previous)
        decided, rows = [], []
        for place, (offset, fact) in enumerate(zip(chunk.offsets, chunk.facts, strict=True)):
            row = self._read_and_update(chunk, offset, fact) if offset > fence else self._outbox.get((0, offset))
            if row is not None:
                decided.append(place)
                rows.append([row])
        self.fence[chunk.partition] = max(fence, chunk.offsets[-1])
        return Applied(decided, np.array(rows, dtype=np.float64).reshape(len(rows), 1), len(rows), 0)

    def lose(self, partition: int, down_to: int) -> None:
        """Come back as a new server, from an older copy."""
        self.server += 1
        self.fence[partition] = down_to
        self.applied[partition] = [offset for offset in self.applied.get(partition, []) if offset <= down_to]

    def _read_and_update(self, chunk: Chunk, offset: int, fact: AnyFact | None) -> float | None:
        if fact is None:
            self.holes.append(offset)
            return None
        row = float(sum(map(len, self.applied.values())))
        self.applied.setdefault(chunk.partition, []).append(offset)
        if offset < chunk.committed:
            return None
        self._outbox[chunk.partition, offset] = row
        return row


class FakeLog:
    """Some partitions' records; `commits` are the group's offsets."""

    def __init__(self, partitions: Mapping[int, Sequence[LogRecord]], commits: Mapping[int, int] | None = None) -> None:
        self.partitions = partitions
        self.commits = dict(commits or {})
        self.reads: list[tuple[int, int, int]] = []

    async def committed(self) -> Mapping[int, int]:
        return dict(self.commits)

    async def bounds(self) -> Mapping[int, Bounds]:
        return {
            number: Bounds(held[0].offset, held[-1].offset + 1) if held else Bounds(0, 0)
            for number, held in self.partitions.items()
        }

    async def read(self, partition: int, first: int, until: int) -> AsyncIterator[Sequence[LogRecord]]:
        self.reads.append((partition, first, until))
        wanted = [record for record in self.partitions[partition] if first <= record.offset < until]
        for place in range(0, len(wanted), 3):
            yield wanted[place : place + 3]
