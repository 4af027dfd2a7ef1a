import uuid
from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient

from events import admin, topics
from tests.harness import Kafka


@pytest.fixture
def client(kafka: Kafka) -> Iterator[KafkaAdminClient]:
    with_client = admin.connect(kafka.brokers)
    yield with_client
    with_client.close()


@pytest.fixture
def name() -> str:
    """The name of a topic that no other test has."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def raw_topics(client: KafkaAdminClient) -> None:
    """All topics of the design, with two partitions."""
    admin.create_topics(client, 2)
    assert {spec.name for spec in topics.SPECS} <= {state.name for state in admin.describe(client)}
