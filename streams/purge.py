"""Deletes what an alarm was raised about: a card number that somebody put into a raw topic.

The quarantine is the list of what is to be done: an entry that is an alarm says that the records of its raw partition,
up to its own, are to go. It is written after their facts, so a crash forgets none; it is read from its beginning after
every start, and what is gone already is passed over. Every process of a stage does this: deleting twice does no harm.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import KafkaError

from events import topics
from events.security import kafka_configs
from streams.intake import Quarantined
from streams.kafka import partitions, reader

log = structlog.get_logger()

POLL_MS = 1000
RETRY_S = 5.0

_decode = msgspec.json.Decoder(Quarantined).decode


class Alarm(msgspec.Struct, frozen=True):
    """The records of `tp` up to and including `offset` are deleted from `due_ms` on."""

    tp: TopicPartition
    offset: int
    due_ms: int


class Purge:
    """`topic_ids`: of the raw topics that `group` takes in; `after_s` is for whoever still fetches from them."""

    def __init__(
        self, brokers: str, group: str, topic_ids: Mapping[str, str], after_s: float, now_ms: Callable[[], int]
    ) -> None:
        self._brokers = brokers
        self._group = group
        self._topic_ids = topic_ids
        self._after_ms = round(after_s * 1000)
        self._now_ms = now_ms

    async def run(self) -> None:
        """Follow the quarantine for ever. A broker that does not answer is asked again."""
        while True:
            consumer = reader(self._brokers)
            admin = AIOKafkaAdminClient(bootstrap_servers=self._brokers, **kafka_configs(self._brokers))
            try:
                await consumer.start()
                await admin.start()
                await self._follow(consumer, admin)
            except KafkaError as error:
                log.warning("purge.interrupted", error=type(error).__name__)
                await asyncio.sleep(RETRY_S)
            finally:
                await consumer.stop()
                await admin.close()

    async def _follow(self, consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient) -> None:
        tps = await partitions(consumer, topics.QUARANTINE)
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        alarms: list[Alarm] = []
        while True:
            for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                alarms += self._alarms(records)
            due = [alarm for alarm in alarms if alarm.due_ms <= self._now_ms()]
            if due:
                done = await self._delete(due, consumer, admin)
                alarms = [alarm for alarm in alarms if alarm not in done]

    def _alarms(self, records: Iterable[ConsumerRecord]) -> list[Alarm]:
        alarms = []
        for record in records:
            try:
                entry = _decode(record.value or b"")
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            source = entry.source
            if entry.alarm and self._topic_ids.get(source.topic) == source.topic_id:
                tp = TopicPartition(source.topic, source.partition)
                alarms.append(Alarm(tp, source.offset, record.timestamp + self._after_ms))
        return alarms

    async def _delete(
        self, due: Iterable[Alarm], consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient
    ) -> frozenset[Alarm]:
        """Delete what the group has committed; gives the alarms that need nothing more."""
        committed = await admin.list_consumer_group_offsets(self._group)
        done = frozenset(alarm for alarm in due if alarm.tp in committed and alarm.offset < committed[alarm.tp].offset)
        starts = await consumer.beginning_offsets([alarm.tp for alarm in done])
        before = {tp: max(alarm.offset for alarm in done if alarm.tp == tp) + 1 for tp in starts}
        before = {tp: offset for tp, offset in before.items() if starts[tp] < offset}
        if before:
            await admin.delete_records({tp: RecordsToDelete(before_offset=offset) for tp, offset in before.items()})
        for tp, offset in before.items():
            log.warning("raw.purged", topic=tp.topic, partition=tp.partition, before=offset)
        return done
