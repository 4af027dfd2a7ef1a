"""`facts` and `decisions` as the fallback follows them: every partition, without a group."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from events import topics
from streams.fallback import Batch
from streams.kafka import KafkaLog, partitions, patiently, reader

HORIZON_MS = 24 * 3_600_000  # nobody waits any more for an order of the day before
# Intake may have written orders again just before the committed offset; among so many facts before it is the latest.
BACK = 5_000
SKEW_MS = 5_000  # by which brokers' clocks may differ
READ = 2_000  # records at a time
WAIT_MS = 20


class Tail:
    """`log` is the facts topic with screening's commits; reading either topic never waits for the other."""

    def __init__(self, brokers: str, group: str, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._logs = {name: KafkaLog(brokers, name, group) for name in (topics.FACTS, topics.DECISIONS)}
        self._readers = {name: reader(brokers) for name in self._logs}

    async def start(self) -> None:
        for client in (*self._logs.values(), *self._readers.values()):
            await client.start()

    async def stop(self) -> None:
        for client in (*self._readers.values(), *self._logs.values()):
            await client.stop()

    async def begin(self) -> Mapping[int, int]:
        facts, decisions = self._logs[topics.FACTS], self._logs[topics.DECISIONS]
        # Decisions' end first: what is decided of facts that this does not see yet comes after it.
        ends = {number: bounds.end for number, bounds in (await decisions.bounds()).items()}
        committed, bounds = await facts.committed(), await facts.bounds()
        first = {
            number: max(
                at.start,
                min(committed.get(number, at.start), at.end),
                await facts.since(number, self._now_ms() - HORIZON_MS),
            )
            for number, at in bounds.items()
        }
        since = {
            number: await decisions.since(number, await self._time_of(number, offset) - SKEW_MS)
            if offset < bounds[number].end
            else ends[number]
            for number, offset in first.items()
        }
        self._seek(topics.FACTS, {number: max(bounds[number].start, at - BACK) for number, at in first.items()})
        self._seek(topics.DECISIONS, since)
        return first

    async def arrived(self) -> Sequence[Batch]:
        return [batch for name in self._readers for batch in await self._read(name, 0)]

    async def decisions(self) -> AsyncIterator[Batch]:
        consumer = self._readers[topics.DECISIONS]
        tps = await patiently(lambda: partitions(consumer, topics.DECISIONS))
        ends = await patiently(lambda: consumer.end_offsets(tps))
        while [tp for tp in tps if await consumer.position(tp) < ends[tp]]:
            for batch in await self._read(topics.DECISIONS, WAIT_MS):
                yield batch

    async def _read(self, topic: str, wait_ms: int) -> list[Batch]:
        found = await self._readers[topic].getmany(timeout_ms=wait_ms, max_records=READ)
        return [Batch(topic, tp.partition, records) for tp, records in found.items()]

    async def _time_of(self, partition: int, offset: int) -> int:
        """The broker's time of a fact that is there."""
        consumer: AIOKafkaConsumer = self._readers[topics.FACTS]
        self._seek(topics.FACTS, {partition: offset})
        return int((await consumer.getone()).timestamp)

    def _seek(self, topic: str, offsets: Mapping[int, int]) -> None:
        consumer = self._readers[topic]
        consumer.assign([TopicPartition(topic, number) for number in offsets])
        for number, offset in offsets.items():
            consumer.seek(TopicPartition(topic, number), offset)
