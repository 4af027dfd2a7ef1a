"""Delivery over a real broker and a real PostgreSQL."""

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from events import admin
from events.topics import share_ack_topic, share_specs, share_topic
from history.database import make_engine, migrate
from sharing.database import LOCK, MIGRATIONS
from sharing.delivery.answers import Answers
from sharing.delivery.deliverer import Deliverer, Way
from sharing.delivery.statements import refused
from sharing.ledger.checkpoints import Signer
from sharing.ledger.store import Ledger
from streams.deliveries import Acknowledgements, ByKafka
from streams.delivery_metrics import DeliveryMetrics
from streams.kafka import Sender
from streams.metrics import Metrics
from tests.harness import Kafka
from tests.sharing.delivery.fakes import NOW_MS, Desktop, jti
from tests.sharing.delivery.partners import ISSUER, Partner

PARTITIONS = 3


class Store:
    """A deliverer's parts on real servers, with one partner whose name is the test's own."""

    def __init__(self, brokers: str, database: str) -> None:
        self.brokers = brokers
        self.engine = make_engine(database)
        migrate(self.engine, MIGRATIONS, LOCK)
        self.desktop = Desktop(self.engine)
        self.partner = Partner(f"p{uuid.uuid4().hex[:12]}")
        self.signer = Signer([b"s" * 32])
        self.metrics = DeliveryMetrics(Metrics())
        client = admin.connect(brokers)
        try:
            admin.create_topics(client, PARTITIONS, specs=share_specs(self.partner.name))
        finally:
            client.close()

    async def deliver(self, until_answered: int = 0) -> None:
        """Send what is due; then read acknowledgements until so many were taken or refused."""
        desk = self.desktop.desk(ledger=Ledger(self.signer))
        sender = Sender(self.brokers, "test")
        told: list[str] = []
        answers = Answers(desk, ISSUER, {self.partner.name: self.partner.keys}.get, lambda: NOW_MS)
        name = self.partner.name
        enough = asyncio.Event()

        def heard(_: str, what: str) -> None:
            told.append(what)
            if len(told) >= until_answered:
                enough.set()

        reader = Acknowledgements(self.brokers, name, lambda: [name], answers, heard)
        await sender.start()
        await reader.start()
        by_kafka = Way(ByKafka(sender, desk.roots, desk.checkpoint).send)
        deliverer = Deliverer(desk, lambda _: by_kafka, self.metrics)
        try:
            await deliverer.look()
            await deliverer.idle()
            reading = asyncio.ensure_future(reader.run())
            if until_answered:
                await enough.wait()
            await asyncio.sleep(1)  # for the commit, and for what should not come
            reading.cancel()
        finally:
            await reader.stop()
            await sender.stop()
        self.told = told

    def records(self) -> list[Any]:
        topic = share_topic(self.partner.name)
        tps = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer: Any = KafkaConsumer(bootstrap_servers=self.brokers, auto_offset_reset="earliest")
        found: list[Any] = []
        try:
            consumer.assign(tps)
            ends = sum(consumer.end_offsets(tps).values())
            while len(found) < ends:
                found += [record for some in consumer.poll(timeout_ms=500).values() for record in some]
        finally:
            consumer.close()
        return found

    def say(self, *values: bytes, to: str | None = None) -> None:
        producer: Any = KafkaProducer(bootstrap_servers=self.brokers)
        try:
            for value in values:
                producer.send(share_ack_topic(to or self.partner.name), value, partition=0).get(30)
        finally:
            producer.close()


@pytest.fixture
def store(kafka: Kafka, database: str) -> Iterator[Store]:
    made = Store(kafka.brokers, database)
    yield made
    made.engine.dispose()


def test_a_record_has_its_id_as_key_the_sealed_bytes_and_a_checkpoint_that_holds_them(store: Store) -> None:
    for number in (1, 2):
        store.desktop.tell(number, partner=store.partner.name)
    asyncio.run(store.deliver())
    records = sorted(store.records(), key=lambda record: record.key)
    assert [(record.key, record.value) for record in records] == [
        (jti(1).encode(), b"sealed-1"), (jti(2).encode(), b"sealed-2"),
    ]  # fmt: skip
    for record in records:
        ((name, note),) = record.headers
        assert (name, store.signer.trusted().opened(note).size) == ("checkpoint", 2)
    assert [store.desktop.state(number) for number in (1, 2)] == ["delivered", "delivered"]


def test_a_chain_is_read_in_its_order(store: Store) -> None:
    name = store.partner.name
    for number in range(10):
        store.desktop.tell(number, partner=name)
    asyncio.run(store.deliver())
    for number in range(10):
        store.desktop.tell(10 + number, partner=name, kind="correction", supersedes=number)
    asyncio.run(store.deliver())
    at = {record.key.decode(): (record.partition, record.offset) for record in store.records()}
    assert len({partition for partition, _ in at.values()}) > 1
    for number in range(10):
        first, then = at[jti(number)], at[jti(10 + number)]
        assert first[0] == then[0]
        assert first[1] < then[1]


def test_acknowledgements_are_taken_in_once_and_forgeries_are_noted(store: Store) -> None:
    store.desktop.tell(1, partner=store.partner.name)
    good = store.partner.acknowledges(jti(1), own="acknowledgement-0001", now_ms=NOW_MS)
    store.say(good, Partner(store.partner.name).acknowledges(jti(1), own="acknowledgement-0002", now_ms=NOW_MS), good)
    asyncio.run(store.deliver(until_answered=3))
    assert store.told == ["taken", "unknown_key", "replayed"]
    assert store.desktop.state(1) == "acknowledged"
    asyncio.run(store.deliver())
    assert store.told == []
    with store.engine.connect() as connection:
        assert refused(connection, store.partner.name) == [(0, 1, "unknown_key"), (0, 2, "replayed")]
    assert len(store.desktop.answers()) == 1
