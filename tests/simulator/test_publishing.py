from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from kafka import KafkaConsumer

from events import admin, topics
from simulator.cli import simulate
from simulator.settings import Settings
from simulator.store import simulate as simulated
from tests.harness import Kafka

TINY = ["--seed", "4", "--days", "1", "--customers", "40", "--orders-per-day", "8"]


@pytest.fixture
def kafka() -> Iterator[Kafka]:
    """A broker of our own: the topics' names are the store's."""
    with Kafka() as server:
        yield server


def test_publishing_puts_every_event_on_the_topic_of_its_type(kafka: Kafka, tmp_path: Path) -> None:
    client = admin.connect(kafka.brokers)
    try:
        admin.create_topics(client, partitions=1)
    finally:
        client.close()
    truth = tmp_path / "truth.jsonl"
    done = CliRunner().invoke(
        simulate, [*TINY, "--brokers", kafka.brokers, "--rate", "1000", "--truth", str(truth)], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    told = list(simulated(Settings(seed=4, days=1, customers=40, orders_per_day=8)))
    bodies = {one.body: topics.topic_of(type(one.event).__name__) for one in told}
    consumer = KafkaConsumer(
        *topics.UNIONS, bootstrap_servers=kafka.brokers, auto_offset_reset="earliest", consumer_timeout_ms=5_000
    )
    found = Counter((record.value, record.topic) for record in consumer if record.value in bodies)
    consumer.close()
    assert found == Counter(bodies.items())
    assert truth.read_bytes().count(b"\n") == sum(topic == topics.ORDERS for topic in bodies.values())
