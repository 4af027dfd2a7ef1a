"""Answers orders that screening has not decided by their deadline: revision 0, on the fact alone (models/fallback.py).

It belongs to no group and commits nothing. All that it must know is in the topics: after a start it reads facts from
what screening has committed, and decisions from the time of the first fact that may lack one. Before any answer it
looks where `decisions` ends and reads up to there, so that it never answers what was decided before it looked; what is
decided while it answers gets a revision 0 too many, which nobody keeps.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple, Protocol

import msgspec
import structlog

from events import topics
from events.facts import OrderFact, RefusedOrder
from models.decisions import Decision
from streams.metrics import Metrics
from streams.screening import decode_records
from streams.undecided import Heard, Order, Undecided, Waiting

log = structlog.get_logger()

TICK_S = 0.05  # between looks; a deadline is kept to this, a fetch, and a request to the broker
QUIET_MS = 5_000  # without an overdue order: what held screening up is over

_decode_heard = msgspec.json.Decoder(Heard).decode


class Batch(NamedTuple):
    """Records of one partition in offset order: offset, value and the broker's `timestamp` (ms)."""

    topic: str
    partition: int
    records: Sequence[Any]


class Topics(Protocol):
    async def begin(self) -> Mapping[int, int]:
        """Go where undecided orders may begin; by partition the first offset of `facts` that may lack a decision."""

    async def arrived(self) -> Sequence[Batch]:
        """What came of both topics; does not wait for any."""

    def decisions(self) -> AsyncIterator[Batch]:
        """Of `decisions`, all that is not read yet and was there when this was called."""


Conclude = Callable[[Order], Decision]
Publish = Callable[[int, list[Decision]], Awaitable[None]]  # to that partition; returns when the broker has them


class Fallback:
    """`now_ms` must be in step with the brokers' clocks, whose time a fact's deadline counts from."""

    def __init__(
        self,
        source: Topics,
        conclude: Conclude,
        publish: Publish,
        deadline_ms: int,
        now_ms: Callable[[], int],
        metrics: Metrics,
    ) -> None:
        self._source = source
        self._conclude = conclude
        self._publish = publish
        self._now_ms = now_ms
        self._deadline_ms = deadline_ms
        self._metrics = metrics
        self._undecided = Undecided(deadline_ms)
        self._first: Mapping[int, int] = {}
        self._answered, self._last_ms = 0, 0  # since screening was last in time; when the last of them was
        self.ready = False

    async def run(self) -> None:
        """For ever. Raises what the brokers' clients do; a successor begins where this one was."""
        await self.begin()
        while True:
            await self.step()
            await asyncio.sleep(TICK_S)

    async def begin(self) -> None:
        self._first = await self._source.begin()
        await self._catch_up()
        self.ready = True
        log.info("fallback.began", partitions=len(self._first))

    async def step(self) -> None:
        """Take in what came, and answer what is overdue then."""
        while batches := await self._source.arrived():
            for batch in batches:
                self._take(batch)
            if self._undecided.is_overdue(self._now_ms()):
                break
        if self._undecided.is_overdue(self._now_ms()):
            await self._catch_up()
            await self._answer(self._undecided.overdue(self._now_ms()))
        self._metrics.undecided.set(len(self._undecided))
        self._tell(self._now_ms())

    async def _catch_up(self) -> None:
        async for batch in self._source.decisions():
            self._take(batch)

    def _take(self, batch: Batch) -> None:
        if batch.topic == topics.FACTS:
            self._take_facts(batch)
            return
        for record in batch.records:
            try:
                self._undecided.hear(_decode_heard(record.value or b""))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                log.error("decision.undecodable", partition=batch.partition, offset=record.offset)

    def _take_facts(self, batch: Batch) -> None:
        first = self._first.get(batch.partition, 0)
        _, facts = decode_records(batch.partition, batch.records)
        for record, fact in zip(batch.records, facts, strict=True):
            if not isinstance(fact, OrderFact | RefusedOrder):
                continue
            if record.offset < first:
                self._undecided.pass_over(fact)
            else:
                self._undecided.place(Waiting(batch.partition, record.timestamp, fact))

    async def _answer(self, overdue: Sequence[Waiting]) -> None:
        by_partition = groupby(sorted(overdue, key=_partition), key=_partition)
        await asyncio.gather(*(self._answer_all(number, list(waiting)) for number, waiting in by_partition))
        if not self._answered:
            log.warning("fallback.answering", orders=len(overdue))
        self._answered, self._last_ms = self._answered + len(overdue), self._now_ms()

    async def _answer_all(self, partition: int, overdue: Sequence[Waiting]) -> None:
        decisions = [self._conclude(waiting.order) for waiting in overdue]
        await self._publish(partition, decisions)
        now_ms = self._now_ms()
        for waiting, decision in zip(overdue, decisions, strict=True):
            self._undecided.hear(Heard(decision.revision, decision.source))
            self._metrics.fallbacks.labels(decision.outcome).inc()
            self._metrics.overdue_s.observe(max(0, now_ms - waiting.appended_ms - self._deadline_ms) / 1000)

    def _tell(self, now_ms: int) -> None:
        if self._answered and now_ms - self._last_ms >= QUIET_MS:
            log.warning("fallback.quiet", orders=self._answered)
            self._answered = 0


def _partition(waiting: Waiting) -> int:
    return waiting.partition
