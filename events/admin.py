"""Topics on a broker: made as `events.topics` describes them, and looked up by id."""

import base64
import logging
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import for_code

from events.clients import made
from events.errors import TopicMismatch
from events.topics import SPECS, TopicSpec

# It cannot read what Faust's members tell of themselves, and would print the whole group because of it.
logging.getLogger("kafka.admin._groups").setLevel(logging.ERROR)

UNKNOWN_TOPIC = 3  # Kafka's error code


class TopicState(msgspec.Struct, frozen=True):
    """A topic as the broker has it; `topic_id` is in Kafka's own text form."""

    name: str
    topic_id: str
    partitions: int
    replication: int


class Changes(msgspec.Struct, frozen=True):
    """What `create_topics` did: new topics, and the names of settings that it changed on older ones."""

    created: tuple[str, ...]
    updated: dict[str, tuple[str, ...]]


def connect(brokers: str, timeout_s: float = 10.0, **security: Any) -> KafkaAdminClient:
    """An admin client, to be closed; `security` are kafka-python's own TLS and SASL settings.

    Raises kafka.errors.KafkaError when no broker answers in time.
    """
    return made(KafkaAdminClient, brokers, timeout_s, request_timeout_ms=round(timeout_s * 1000), **security)


def describe(admin: KafkaAdminClient, names: Sequence[str] | None = None) -> list[TopicState]:
    """The topics of those names that exist, in name order; all that are not Kafka's own without names."""
    found = admin.describe_topics(None if names is None else list(names))
    for topic in found:
        if topic["error_code"] not in {0, UNKNOWN_TOPIC}:
            raise for_code(topic["error_code"])(f"while describing topic {topic['name']}")
    states = [_state(topic) for topic in found if topic["error_code"] == 0 and not topic["is_internal"]]
    return sorted(states, key=lambda state: state.name)


def create_topics(
    admin: KafkaAdminClient, partitions: int, replication: int = 1, min_isr: int = 1, specs: Sequence[TopicSpec] = SPECS
) -> Changes:
    """Make the topics what they should be; doing it twice changes nothing the second time.

    Raises TopicMismatch, before anything is changed, if one exists with another number of partitions, with fewer
    copies, or if nothing could be written with so high a `min_isr`; KafkaError.
    """
    states = {state.name: state for state in describe(admin, [spec.name for spec in specs])}
    if min_isr > replication:
        raise TopicMismatch(
            f"{min_isr} copies must have a record, of {replication}: nothing could be written; expected at most as many"
        )
    for state in states.values():
        _check(state, partitions, replication)
    missing = [spec for spec in specs if spec.name not in states]
    if missing:
        admin.create_topics(
            {
                spec.name: {
                    "num_partitions": partitions,
                    "replication_factor": replication,
                    "configs": spec.configs(min_isr),
                }
                for spec in missing
            },
            wait_for_metadata=True,
        )
    updated = _update(admin, [spec for spec in specs if spec.name in states], min_isr)
    return Changes(tuple(spec.name for spec in missing), updated)


def _check(state: TopicState, partitions: int, replication: int) -> None:
    if state.partitions != partitions:
        raise TopicMismatch(
            f"topic {state.name} has {state.partitions} partitions, expected {partitions}: their number cannot be "
            "changed, since keys would move between them"
        )
    if state.replication < replication:
        raise TopicMismatch(
            f"topic {state.name} has {state.replication} copies of each partition, expected {replication}: Kafka's "
            "own kafka-reassign-partitions.sh adds them"
        )


def topic_ids(brokers: str, names: Sequence[str], **security: Any) -> dict[str, str]:
    """The ids of the topics that exist among `names`: 22 characters, as Kafka's own tools print them."""
    with connect(brokers, **security) as admin:
        return {state.name: state.topic_id for state in describe(admin, names)}


def members(brokers: str, group: str, **security: Any) -> dict[str, str]:
    """The ids of a group's members of lasting names (`group.instance.id`), by name."""
    with connect(brokers, **security) as admin:
        found = admin.describe_groups([group])[group]["members"]
    return {member["group_instance_id"]: member["member_id"] for member in found if member["group_instance_id"]}


def _state(topic: dict[str, Any]) -> TopicState:
    partitions = topic["partitions"]
    replication = len(partitions[0]["replica_nodes"])
    return TopicState(topic["name"], _id_text(topic["topic_id"]), len(partitions), replication)


def _id_text(topic_id: uuid.UUID | str) -> str:
    return base64.urlsafe_b64encode(uuid.UUID(str(topic_id)).bytes).rstrip(b"=").decode()


def _update(admin: KafkaAdminClient, specs: Sequence[TopicSpec], min_isr: int) -> dict[str, tuple[str, ...]]:
    """Set what differs; gives the changed settings' names by topic."""
    if not specs:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, spec.name) for spec in specs]
    current = admin.describe_configs(resources, config_filter="all")["topic"]
    wrong: dict[str, dict[str, str]] = {}
    for spec in specs:
        has = {name: setting["value"] for name, setting in current[spec.name].items()}
        if differing := {name: value for name, value in spec.configs(min_isr).items() if has.get(name) != value}:
            wrong[spec.name] = differing
    if wrong:
        answers = admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name, configs) for name, configs in wrong.items()]
        )["topic"]
        for name, answer in answers.items():
            if answer != "OK":
                raise TopicMismatch(f"topic {name}: the broker refused {', '.join(wrong[name])}: {answer}")
    return {name: tuple(sorted(configs)) for name, configs in wrong.items()}
