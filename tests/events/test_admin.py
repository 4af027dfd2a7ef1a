"""Topics on a real broker."""

import threading

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import InvalidReplicationFactorError, KafkaError

from events import admin
from events.admin import Changes
from events.errors import TopicMismatch
from events.topics import TopicSpec
from tests.harness import Kafka
from tests.harness.waiting import free_port, wait_until


def settings(client: KafkaAdminClient, name: str) -> dict[str, str]:
    resource = ConfigResource(ConfigResourceType.TOPIC, name)
    found = client.describe_configs([resource], config_filter="all")["topic"][name]
    return {key: setting["value"] for key, setting in found.items()}


def test_topics_are_created_as_specified_and_a_second_time_changes_nothing(client: KafkaAdminClient, name: str) -> None:
    spec = TopicSpec(name, retention_ms=7_200_000, segment_ms=3_600_000)
    assert admin.create_topics(client, 3, specs=[spec]) == Changes((name,), {})
    (state,) = admin.describe(client, [name])
    assert (state.name, state.partitions, state.replication) == (name, 3, 1)
    assert spec.configs(1).items() <= settings(client, name).items()
    assert admin.create_topics(client, 3, specs=[spec]) == Changes((), {})


def test_changed_settings_are_corrected_and_others_left_alone(client: KafkaAdminClient, name: str) -> None:
    admin.create_topics(client, 1, specs=[TopicSpec(name, 7_200_000)])
    client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {"max.message.bytes": "200000"})])
    changes = admin.create_topics(client, 1, specs=[TopicSpec(name, 3_600_000, 600_000)])
    assert changes == Changes((), {name: ("retention.ms", "segment.ms")})
    wanted = {"retention.ms": "3600000", "segment.ms": "600000", "max.message.bytes": "200000"}
    wait_until(lambda: wanted.items() <= settings(client, name).items(), 10, "the broker to know its new settings")


def test_another_number_of_partitions_is_refused_before_anything_is_done(client: KafkaAdminClient, name: str) -> None:
    admin.create_topics(client, 2, specs=[TopicSpec(name, 7_200_000)])
    with pytest.raises(TopicMismatch, match=f"topic {name} has 2 partitions, expected 4"):
        admin.create_topics(client, 4, specs=[TopicSpec(f"{name}-new", 1), TopicSpec(name, 3_600_000)])
    assert admin.describe(client, [f"{name}-new"]) == []
    assert settings(client, name)["retention.ms"] == "7200000"


def test_fewer_copies_than_asked_for_are_not_passed_over(client: KafkaAdminClient, name: str) -> None:
    admin.create_topics(client, 1, specs=[TopicSpec(name, 7_200_000)])
    with pytest.raises(TopicMismatch, match=f"topic {name} has 1 copies of each partition, expected 3"):
        admin.create_topics(client, 1, replication=3, specs=[TopicSpec(name, 7_200_000)])


def test_more_copies_in_sync_than_there_are_would_let_nobody_write(client: KafkaAdminClient, name: str) -> None:
    admin.create_topics(client, 1, specs=[TopicSpec(name, 7_200_000)])
    with pytest.raises(TopicMismatch, match="2 copies must have a record, of 1: nothing could be written"):
        admin.create_topics(client, 1, min_isr=2, specs=[TopicSpec(name, 7_200_000)])
    assert settings(client, name)["min.insync.replicas"] == "1"


def test_more_copies_than_brokers_are_an_error(client: KafkaAdminClient, name: str) -> None:
    with pytest.raises(InvalidReplicationFactorError):
        admin.create_topics(client, 1, replication=3, specs=[TopicSpec(name, 7_200_000)])


def test_a_topics_id_stays_until_it_is_made_anew(kafka: Kafka, client: KafkaAdminClient, name: str) -> None:
    spec = TopicSpec(name, 7_200_000)
    admin.create_topics(client, 1, specs=[spec])
    (first,) = admin.topic_ids(kafka.brokers, [name, f"{name}-absent"]).items()
    assert first[0] == name
    assert len(first[1]) == 22
    assert admin.topic_ids(kafka.brokers, [name]) == dict([first])
    client.delete_topics([name])
    while admin.describe(client, [name]):
        pass
    admin.create_topics(client, 1, specs=[spec])
    assert admin.topic_ids(kafka.brokers, [name])[name] != first[1]


@pytest.mark.usefixtures("failed_connections")
def test_no_broker_is_an_error_after_the_time_that_was_given_and_leaves_no_thread() -> None:
    before = threading.active_count()
    with pytest.raises(KafkaError):
        admin.connect(f"127.0.0.1:{free_port()}", timeout_s=0.5)
    assert threading.active_count() == before
