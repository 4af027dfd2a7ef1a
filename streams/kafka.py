"""The workers' Kafka clients: sending a chunk's output as one batch, reading the facts log apart from the group."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from events.facts import Coordinates
from events.security import kafka_configs
from streams.log import Bounds, LogRecord

Message = tuple[bytes | None, bytes]  # key, value
Headers = Sequence[tuple[str, bytes]]

T = TypeVar("T")
log = structlog.get_logger()

RETRY_S = 0.5
FETCH_BYTES = 4 * 1024 * 1024
FETCH_WAIT_MS = 1000


class Sender:
    """An idempotent producer with acks=all that sends what came of one chunk in as few requests as will hold it."""

    def __init__(self, brokers: str, client_id: str) -> None:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=brokers,
            client_id=client_id,
            acks="all",
            enable_idempotence=True,
            max_batch_size=512 * 1024,
            request_timeout_ms=20_000,
            **kafka_configs(brokers),
        )

    async def start(self) -> None:
        await self._producer.start()

    async def stop(self) -> None:
        await self._producer.stop()

    async def partitions(self, topic: str) -> int:
        """How many a topic has."""
        return len(await self._producer.partitions_for(topic))

    async def send(self, topic: str, partition: int, messages: Iterable[Message], headers: Headers = ()) -> None:
        """Append messages to one partition, in order; returns when the broker has all of them.

        Each of them gets the same `headers`.

        Batches go one after another: the order holds even where a batch is retried. Raises the client's errors: what
        the broker will not take, or could not take in time.
        """
        batch, count = self._producer.create_batch(), 0
        for key, value in messages:
            if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                await self._deliver(batch, topic, partition)
                batch = self._producer.create_batch()
                batch.append(
                    key=key, value=value, timestamp=None, headers=headers
                )  # an empty batch takes a message of any size
            count += 1
        if count:
            await self._deliver(batch, topic, partition)

    async def _deliver(self, batch: object, topic: str, partition: int) -> None:
        await (await self._producer.send_batch(batch, topic, partition=partition))


class KafkaLog:
    """The facts topic, read without a group: for rebuilding, and for judging what is committed."""

    def __init__(self, brokers: str, topic: str, group: str) -> None:
        self._brokers = brokers
        self._topic = topic
        self._group = group
        self._admin = AIOKafkaAdminClient(bootstrap_servers=brokers, **kafka_configs(brokers))
        self._reader = reader(brokers)

    async def start(self) -> None:
        await self._admin.start()
        await self._reader.start()

    async def stop(self) -> None:
        await self._reader.stop()
        await self._admin.close()

    async def committed(self) -> Mapping[int, int]:
        offsets = await patiently(lambda: self._admin.list_consumer_group_offsets(self._group))
        return {tp.partition: at.offset for tp, at in offsets.items() if tp.topic == self._topic and at.offset >= 0}

    async def bounds(self) -> Mapping[int, Bounds]:
        tps = await patiently(lambda: partitions(self._reader, self._topic))
        starts = await patiently(lambda: self._reader.beginning_offsets(tps))
        ends = await patiently(lambda: self._reader.end_offsets(tps))
        return {tp.partition: Bounds(starts[tp], ends[tp]) for tp in tps}

    async def members(self) -> int:
        """How many members the group has; one that died counts until its session has timed out."""
        (answer,) = await patiently(lambda: self._admin.describe_consumer_groups([self._group]))
        return sum(len(group[5]) for group in answer.groups)

    async def since(self, partition: int, ms: int) -> int:
        """The first offset that was appended at that time or later; the log's end where there is none."""
        tp = TopicPartition(self._topic, partition)
        found = (await patiently(lambda: self._reader.offsets_for_times({tp: max(0, ms)})))[tp]
        return found.offset if found is not None else (await self.bounds())[partition].end

    async def read(self, partition: int, first: int, until: int) -> AsyncIterator[Sequence[LogRecord]]:
        """Chunks of [first, until), by a consumer of its own, so that partitions can be read side by side."""
        if first >= until:
            return  # its consumer can't be stopped before it has run
        tp = TopicPartition(self._topic, partition)
        consumer = reader(self._brokers)
        await consumer.start()
        try:
            consumer.assign([tp])
            consumer.seek(tp, first)
            while first < until:
                records = (await consumer.getmany(tp, timeout_ms=FETCH_WAIT_MS, max_records=500)).get(tp, [])
                wanted = [LogRecord(r.offset, r.value) for r in records if r.offset < until]
                if wanted:
                    yield wanted
                    first = wanted[-1].offset + 1
        finally:
            await consumer.stop()


class RawRecords:
    """Fetches single raw records by their coordinates, for the case opener."""

    def __init__(self, brokers: str) -> None:
        self._consumer = reader(brokers)
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        await self._consumer.start()

    async def stop(self) -> None:
        await self._consumer.stop()

    async def fetch(self, at: Coordinates) -> ConsumerRecord | None:
        """The record, or None where the log no longer has it."""
        tp = TopicPartition(at.topic, at.partition)
        async with self._lock:
            self._consumer.assign([tp])
            start = (await self._consumer.beginning_offsets([tp]))[tp]
            end = (await self._consumer.end_offsets([tp]))[tp]
            if not start <= at.offset < end:
                return None
            self._consumer.seek(tp, at.offset)
            record = await self._consumer.getone(tp)
        return record if record.offset == at.offset else None


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask the brokers again while none can answer: screening waits and loses nothing."""
    while True:
        try:
            return await ask()
        except KafkaError as error:
            if not error.retriable:
                raise
            log.warning("broker.unreachable", error=type(error).__name__)
            await asyncio.sleep(RETRY_S)


def reader(brokers: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=brokers,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=FETCH_BYTES,
        **kafka_configs(brokers),
    )


def member(brokers: str, group: str) -> AIOKafkaConsumer:
    """A member of a consumer group that commits what it was told to, from the log's start if it never did."""
    return AIOKafkaConsumer(
        bootstrap_servers=brokers,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **kafka_configs(brokers),
    )


async def partitions(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    await consumer._client._wait_on_metadata(topic)
    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
