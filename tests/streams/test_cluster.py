"""Screening while its cluster changes under load: a shard's slot moves, a shard's server dies."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from events import topics
from events.types import AnyEvent
from features.batches import tag
from tests.harness import Kafka, RedisCluster, wait_until
from tests.streams import proof
from tests.streams.load import published, store_events
from tests.streams.pipeline import Pipeline

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    # A filter of warnings would not reach those of sockets that outlive the test, kept by its log.
    pytest.mark.usefixtures("failed_connections"),
]

SHARDS = 3  # each on a node of its own
SHARD = tag(0)
FAILOVER_AFTER_MS = 2_000


class Servers(NamedTuple):
    cluster: RedisCluster
    pipeline: Pipeline


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    with (
        Kafka() as kafka,
        RedisCluster(replicas=1, timeout_ms=FAILOVER_AFTER_MS) as cluster,
        Pipeline(kafka.brokers, cluster.url, tmp_path, shards=SHARDS) as pipeline,
    ):
        pipeline.start("intake")
        pipeline.start("screen")
        yield Servers(cluster, pipeline)


def assert_sound(servers: Servers, events: Sequence[AnyEvent]) -> None:
    """The proof of every fault, and that the process that met this one lived through it."""
    with servers.cluster.client() as client:
        proof.assert_sound(servers.pipeline, client, SHARDS, events, timeout_s=120)
    assert servers.pipeline.runs("screen-0"), servers.pipeline.logs()


def await_decisions(servers: Servers, more: int) -> None:
    wanted = servers.pipeline.count(topics.DECISIONS) + more
    wait_until(lambda: servers.pipeline.count(topics.DECISIONS) >= wanted, 90, f"{more} more decisions")


def test_a_shards_slot_moved_there_and_back(servers: Servers) -> None:
    events = store_events(seed=21, orders=1_000)
    with published(servers.pipeline, events, per_second=300):
        await_decisions(servers, 200)
        source = servers.cluster.owner(SHARD)
        target = next(node for node in servers.cluster.masters() if node is not source)
        for node in (target, source):
            for _ in servers.cluster.moving(SHARD, node, keys_at_a_time=50):
                time.sleep(0.05)
            assert servers.cluster.owner(SHARD) is node
            await_decisions(servers, 100)
    assert_sound(servers, events)


def test_a_shards_server_killed_and_its_replica_in_its_place(servers: Servers) -> None:
    events = store_events(seed=22, orders=1_000)
    with published(servers.pipeline, events, per_second=300):
        await_decisions(servers, 200)
        servers.cluster.fail_over(servers.cluster.owner(SHARD))
        await_decisions(servers, 100)
    assert_sound(servers, events)


def test_a_replica_in_its_servers_place_that_lacks_the_last_five_seconds(servers: Servers) -> None:
    events = store_events(seed=23, orders=1_000)
    with published(servers.pipeline, events, per_second=300):
        await_decisions(servers, 200)
        master = servers.cluster.owner(SHARD)
        servers.cluster.cut_off_replicas(master)
        time.sleep(5)
        servers.cluster.fail_over(master)
        await_decisions(servers, 100)
    assert_sound(servers, events)
    assert "store.rebuilt" in servers.pipeline.log("screen-0").read_text()
