"""The publisher against a real broker, alive, dead, and without the topic."""

import logging
import time
from threading import Thread

import msgspec
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

from events import admin, topics, types
from events.errors import NotAccepted, RefusedEvent, Unreachable
from events.publisher import Publisher, Receipt
from tests.events.examples import CARD, RECORDED_AT_MS, order
from tests.harness import Kafka, wait_until
from tests.harness.waiting import free_port


def event(number: int = 1, **changes: object) -> types.OrderPlaced:
    return msgspec.convert(
        order(event_id=f"e-{number}", order_id=f"o-{number}", customer_id=f"c-{number % 7}", **changes),
        types.OrderPlaced,
    )


def read(kafka: Kafka, receipt: Receipt) -> tuple[bytes, types.OrderPlaced]:
    with KafkaConsumer(bootstrap_servers=kafka.brokers, consumer_timeout_ms=10_000) as consumer:
        consumer.assign([TopicPartition(receipt.topic, receipt.partition)])
        consumer.seek(TopicPartition(receipt.topic, receipt.partition), receipt.offset)
        record = next(consumer)
        return record.key, msgspec.json.decode(record.value, type=types.OrderPlaced)


@pytest.mark.usefixtures("raw_topics")
def test_a_published_event_is_in_the_log_where_its_receipt_says(kafka: Kafka) -> None:
    with Publisher(kafka.brokers) as publisher:
        receipt = publisher.publish(event())
    assert receipt.topic == topics.ORDERS
    assert read(kafka, receipt) == (b"c-1", event())


@pytest.mark.usefixtures("raw_topics")
def test_many_events_have_receipts_in_their_order_and_one_key_one_partition(kafka: Kafka) -> None:
    events = [event(number) for number in range(500)]
    with Publisher(kafka.brokers, buffer_events=50) as publisher:
        receipts = publisher.publish_many(events)
    partitions: dict[str, set[int]] = {}
    for published, receipt in zip(events, receipts, strict=True):
        partitions.setdefault(published.customer_id, set()).add(receipt.partition)
    assert all(len(found) == 1 for found in partitions.values())
    for partition in {receipt.partition for receipt in receipts}:
        offsets = [receipt.offset for receipt in receipts if receipt.partition == partition]
        assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))
    assert read(kafka, receipts[321])[1] == events[321]


@pytest.mark.usefixtures("raw_topics")
def test_a_refused_event_keeps_all_that_were_given_with_it_from_being_sent(kafka: Kafka) -> None:
    with Publisher(kafka.brokers) as publisher:
        before = publisher.publish(event(1))
        with pytest.raises(RefusedEvent) as refused:
            publisher.publish_many([event(1), event(2, promo_code="x", user_agent=CARD)])
        after = publisher.publish(event(1))
    assert str(refused.value) == "not accepted: e-2: refused.card_number in user_agent"
    assert refused.value.event_ids == ("e-2",)
    assert after.offset == before.offset + 1


@pytest.mark.usefixtures("raw_topics")
def test_an_event_of_the_future_is_refused_by_the_publishers_own_clock(kafka: Kafka) -> None:
    refused = pytest.raises(RefusedEvent, match=r"refused\.future_time in occurred_at")
    with Publisher(kafka.brokers, now_ms=lambda: RECORDED_AT_MS - 300_001) as publisher, refused:
        publisher.publish(event())


@pytest.mark.usefixtures("raw_topics")
def test_an_id_that_must_not_be_shown_is_not(kafka: Kafka) -> None:
    with Publisher(kafka.brokers) as publisher, pytest.raises(RefusedEvent) as refused:
        publisher.publish(msgspec.structs.replace(event(), event_id="layla@example.com"))
    assert "layla" not in str(refused.value)


@pytest.mark.usefixtures("failed_connections")
def test_no_broker_is_an_error_after_the_time_that_was_given() -> None:
    started = time.monotonic()
    with pytest.raises(Unreachable, match=r"no broker at 127\.0\.0\.1:\d+ answered in 1 s"):
        Publisher(f"127.0.0.1:{free_port()}", timeout_s=1)
    assert time.monotonic() - started < 5


def test_a_missing_topic_is_an_error_that_says_so(kafka: Kafka, client: KafkaAdminClient) -> None:
    if topics.LABELS in client.list_topics():
        client.delete_topics([topics.LABELS])
    label = types.FraudConfirmed(
        event_id="e-9", occurred_at=event().occurred_at, order_id="o-9", labelled_at=event().occurred_at
    )
    with Publisher(kafka.brokers, timeout_s=2) as publisher, pytest.raises(NotAccepted) as lost:
        publisher.publish(label)
    assert lost.value.event_ids == ("e-9",)
    assert lost.value.why == "no broker knows topic labels; `amana topics create` makes it"


@pytest.mark.usefixtures("failed_connections")
def test_a_broker_that_dies_leaves_every_event_named_in_bounded_time() -> None:
    with Kafka() as own:
        with admin.connect(own.brokers) as client:
            admin.create_topics(client, 1)
        publisher = Publisher(own.brokers, timeout_s=1.5, buffer_events=4)
        publisher.publish(event(1))
        own.stop()
        started = time.monotonic()
        with pytest.raises(NotAccepted) as lost:
            publisher.publish_many([event(number) for number in range(10, 60)])
        assert time.monotonic() - started < 8
        assert sorted(lost.value.event_ids) == [f"e-{number}" for number in range(10, 60)]
        assert "no acknowledgement in time" in lost.value.why
        publisher.close()
        assert time.monotonic() - started < 20


@pytest.mark.usefixtures("raw_topics")
def test_closing_ends_what_never_comes_to_an_end(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(timeout: float | None = None) -> None:
        raise KafkaTimeoutError(f"still on its way after {timeout} s")

    publisher = Publisher(kafka.brokers, timeout_s=1)
    publisher.publish(event(1))
    monkeypatch.setattr(publisher._producer, "flush", never)
    publisher.close()
    wait_until(lambda: not publisher._producer._sender.is_alive(), 5, "the sender's end")


@pytest.mark.usefixtures("raw_topics")
def test_threads_may_share_a_publisher(kafka: Kafka) -> None:
    receipts: list[Receipt] = []
    with Publisher(kafka.brokers) as publisher:
        threads = [
            Thread(target=lambda number=number: receipts.append(publisher.publish(event(number))))
            for number in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len({(receipt.partition, receipt.offset) for receipt in receipts}) == 20


@pytest.mark.usefixtures("raw_topics")
def test_nothing_personal_is_logged_at_any_level(kafka: Kafka, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Publisher(kafka.brokers) as publisher:
        publisher.publish(event())
    assert "Layla" not in caplog.text
