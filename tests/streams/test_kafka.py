"""The workers' Kafka clients on a real broker."""

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError, MessageSizeTooLargeError
from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from events import admin
from events.facts import Coordinates
from events.topics import TopicSpec
from streams import kafka as kafka_clients
from streams.kafka import KafkaLog, RawRecords, Sender, patiently
from streams.log import Bounds
from tests.harness import Kafka

PARTITIONS = 2


class Broker:
    def __init__(self, brokers: str) -> None:
        self.brokers = brokers
        self.topic = f"kafka-{uuid.uuid4().hex}"
        client = admin.connect(brokers)
        try:
            admin.create_topics(client, PARTITIONS, specs=[TopicSpec(self.topic, -1)])
        finally:
            client.close()

    async def send(self, partition: int, *values: bytes) -> None:
        sender = Sender(self.brokers, "test")
        await sender.start()
        try:
            await sender.send(self.topic, partition, [(None, value) for value in values])
        finally:
            await sender.stop()

    def held(self, partition: int) -> list[bytes]:
        return [record.value for record in self.records(partition)]

    def records(self, partition: int) -> list[Any]:
        tp = TopicPartition(self.topic, partition)
        consumer: Any = KafkaConsumer(bootstrap_servers=self.brokers, auto_offset_reset="earliest")
        found: list[Any] = []
        try:
            consumer.assign([tp])
            end = consumer.end_offsets([tp])[tp]
            while len(found) < end:
                found += consumer.poll(timeout_ms=500).get(tp, [])
        finally:
            consumer.close()
        return found

    def expire(self, partition: int, before: int) -> None:
        client = admin.connect(self.brokers)
        try:
            client.delete_records({TopicPartition(self.topic, partition): before})
        finally:
            client.close()

    def commit(self, group: str, offset: int) -> None:
        consumer: Any = KafkaConsumer(bootstrap_servers=self.brokers, group_id=group, enable_auto_commit=False)
        try:
            consumer.assign([TopicPartition(self.topic, 0)])
            consumer.commit({TopicPartition(self.topic, 0): OffsetAndMetadata(offset, "", -1)})
        finally:
            consumer.close()


@pytest.fixture
def broker(kafka: Kafka) -> Iterator[Broker]:
    return Broker(kafka.brokers)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 30))


def test_messages_arrive_in_order_however_many_batches_they_need(broker: Broker) -> None:
    values = [b"%06d" % number + b"x" * 10_000 for number in range(150)]  # three batches
    run(broker.send(1, *values))
    assert broker.held(1) == values
    assert broker.held(0) == []


def test_keys_arrive_with_their_values(broker: Broker) -> None:
    async def work() -> None:
        sender = Sender(broker.brokers, "test")
        await sender.start()
        await sender.send(broker.topic, 0, [(b"k", b"1"), (None, b"2")])
        await sender.stop()

    run(work())
    assert [(record.key, record.value) for record in broker.records(0)] == [(b"k", b"1"), (None, b"2")]


def test_nothing_to_send_is_no_request(broker: Broker) -> None:
    run(broker.send(0))
    assert broker.held(0) == []


def test_a_message_larger_than_a_batch_keeps_its_place(broker: Broker) -> None:
    values = [b"before", b"x" * 900_000, b"after"]
    run(broker.send(0, *values))
    assert broker.held(0) == values


def test_a_message_that_the_broker_refuses_is_an_error_and_nothing_after_it_is_sent(broker: Broker) -> None:
    with pytest.raises(MessageSizeTooLargeError):
        run(broker.send(0, b"before", b"x" * 2_000_000, b"after"))
    assert broker.held(0) == [b"before"]


def with_log(broker: Broker, work: Callable[[KafkaLog], Coroutine[Any, Any, Any]]) -> Any:
    async def opened() -> Any:
        log = KafkaLog(broker.brokers, broker.topic, f"group-{broker.topic}")
        await log.start()
        try:
            return await work(log)
        finally:
            await log.stop()

    return run(opened())


def test_the_log_tells_its_bounds_and_what_the_group_committed(broker: Broker) -> None:
    async def work(log: KafkaLog) -> Any:
        return await log.committed(), await log.bounds()

    assert with_log(broker, work) == ({}, {0: Bounds(0, 0), 1: Bounds(0, 0)})
    run(broker.send(0, *[b"x"] * 9))
    broker.commit(f"group-{broker.topic}", 5)
    broker.expire(0, 3)
    assert with_log(broker, work) == ({0: 5}, {0: Bounds(3, 9), 1: Bounds(0, 0)})


def test_a_time_is_found_in_the_log_and_nothing_is_read_where_there_is_nothing(broker: Broker) -> None:
    async def work(log: KafkaLog) -> Any:
        found = [await log.since(0, ms) for ms in (-1, 2**61)]
        return found, [chunk async for chunk in log.read(0, 9, 9)]

    run(broker.send(0, *[b"x"] * 9))
    assert with_log(broker, work) == ([0, 9], [])


def test_the_groups_members_are_counted(broker: Broker) -> None:
    async def work(log: KafkaLog) -> list[int]:
        before = await log.members()
        member = AIOKafkaConsumer(broker.topic, bootstrap_servers=broker.brokers, group_id=f"group-{broker.topic}")
        await member.start()
        try:
            during = await log.members()
        finally:
            await member.stop()
        return [before, during, await log.members()]

    assert with_log(broker, work) == [0, 1, 0]


def test_a_stretch_of_the_log_is_read_exactly(broker: Broker) -> None:
    run(broker.send(0, *[b"%d" % number for number in range(1200)]))

    async def work(log: KafkaLog) -> list[tuple[int, bytes]]:
        return [(record.offset, record.value) async for chunk in log.read(0, 7, 1100) for record in chunk]

    assert with_log(broker, work) == [(number, b"%d" % number) for number in range(7, 1100)]


def test_stretches_of_two_partitions_are_read_side_by_side(broker: Broker) -> None:
    async def count(log: KafkaLog, partition: int) -> int:
        return sum([len(chunk) async for chunk in log.read(partition, 0, 700)])

    async def work(log: KafkaLog) -> list[int]:
        return await asyncio.gather(count(log, 0), count(log, 1))

    run(broker.send(0, *[b"x"] * 700))
    run(broker.send(1, *[b"x"] * 700))
    assert with_log(broker, work) == [700, 700]


def test_a_raw_record_is_fetched_while_the_log_has_it(broker: Broker) -> None:
    run(broker.send(1, b"zero", b"one", b"two"))
    broker.expire(1, 1)

    async def work() -> list[bytes | None]:
        orders = RawRecords(broker.brokers)
        await orders.start()
        try:
            places = [Coordinates(broker.topic, "", 1, offset) for offset in (2, 1, 0, 3)]
            found = await asyncio.gather(*map(orders.fetch, places))
        finally:
            await orders.stop()
        return [record and record.value for record in found]

    assert run(work()) == [b"two", b"one", None, None]


def test_a_broker_that_cannot_answer_yet_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_clients, "RETRY_S", 0.001)
    answers: list[Any] = [GroupCoordinatorNotAvailableError(), GroupCoordinatorNotAvailableError(), 7]

    async def ask() -> int:
        answer = answers.pop(0)
        if isinstance(answer, KafkaError):
            raise answer
        return int(answer)

    assert run(patiently(ask)) == 7
    answers[:] = [MessageSizeTooLargeError()]
    with pytest.raises(MessageSizeTooLargeError):
        run(patiently(ask))
