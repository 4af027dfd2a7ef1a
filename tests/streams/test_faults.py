"""Faults under load, in minutes: after each, the same proof as for a crash, or the stated stop."""

import json
import random
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from redis import Redis as Client

from events import admin, topics
from events.types import AnyEvent
from tests.harness import Kafka, Redis, wait_until
from tests.streams import proof
from tests.streams.load import published, store_events, supervised
from tests.streams.pipeline import ROOT, Pipeline

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    # A filter of warnings would not reach those of sockets that outlive the test, kept by its log.
    pytest.mark.usefixtures("failed_connections"),
]

SHARDS = 2
KILLS = 200
RECORD = ROOT / "var" / "faults.json"


class Servers(NamedTuple):
    kafka: Kafka
    redis: Redis
    pipeline: Pipeline


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    with (
        Kafka() as kafka,
        Redis() as redis,
        Pipeline(kafka.brokers, redis.url, tmp_path, shards=SHARDS) as pipeline,
    ):
        pipeline.start("intake")
        pipeline.start("screen")
        yield Servers(kafka, redis, pipeline)


def assert_sound(servers: Servers, events: Sequence[AnyEvent], timeout_s: float = 120) -> None:
    with Client.from_url(servers.redis.url) as client:
        proof.assert_sound(servers.pipeline, client, SHARDS, events, timeout_s)


def seconds_to_next_decision(pipeline: Pipeline, timeout_s: float = 60) -> float:
    """How long until the `decisions` topic grows."""
    started, before = time.monotonic(), pipeline.count(topics.DECISIONS)
    wait_until(lambda: pipeline.count(topics.DECISIONS) > before, timeout_s, "a decision")
    return time.monotonic() - started


def test_two_hundred_kills_under_load(servers: Servers) -> None:
    events = store_events(seed=11, orders=4_000)
    rng = random.Random(11)
    pauses = []
    with supervised(servers.pipeline), published(servers.pipeline, events, per_second=60) as load:
        wait_until(lambda: servers.pipeline.count(topics.DECISIONS) > 0, 60, "the first decision")
        for kill in range(KILLS):
            name = rng.choice(["intake-0", "screen-0"])
            servers.pipeline.signal(name, signal.SIGKILL)
            if kill % 10 == 0 and load.is_alive():
                pauses.append(seconds_to_next_decision(servers.pipeline))
            time.sleep(rng.uniform(0.2, 4.0))
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps({"kills": KILLS, "seconds_to_first_decision": [round(pause, 2) for pause in pauses]}))
    assert_sound(servers, events)


def test_a_screening_process_stopped_past_its_session(servers: Servers) -> None:
    events = store_events(seed=12, orders=2_000)
    with supervised(servers.pipeline), published(servers.pipeline, events, per_second=400):
        servers.pipeline.start("screen", "1")
        time.sleep(10)
        servers.pipeline.signal("screen-0", signal.SIGSTOP)
        time.sleep(20)
        servers.pipeline.signal("screen-0", signal.SIGCONT)
    assert_sound(servers, events)


def test_workers_joining_and_leaving(servers: Servers) -> None:
    events = store_events(seed=13, orders=3_000)
    with supervised(servers.pipeline), published(servers.pipeline, events, per_second=400):
        for instance in ("1", "2"):
            time.sleep(5)
            servers.pipeline.start("screen", instance)
            servers.pipeline.start("intake", instance)
        for name in ("screen-1", "intake-0", "intake-2", "screen-0"):
            time.sleep(8)
            servers.pipeline.stop(name)
    assert_sound(servers, events)


def test_a_broker_restarted(servers: Servers) -> None:
    events = store_events(seed=14, orders=2_000)
    with supervised(servers.pipeline), published(servers.pipeline, events, per_second=400):
        time.sleep(10)
        servers.kafka.kill()
        time.sleep(3)
        servers.kafka.start()
    assert_sound(servers, events)


def test_redis_stopped_for_a_minute(servers: Servers) -> None:
    events = store_events(seed=15, orders=2_000)
    with supervised(servers.pipeline), published(servers.pipeline, events, per_second=400):
        time.sleep(8)
        servers.redis.stop()
        time.sleep(60)
        assert servers.pipeline.runs("screen-0")
        servers.redis.start()
    assert_sound(servers, events)


def test_redis_restored_from_an_older_copy(servers: Servers, tmp_path: Path) -> None:
    events = store_events(seed=16, orders=2_000)
    copy = tmp_path / "copy"
    with supervised(servers.pipeline), published(servers.pipeline, events, per_second=400):
        time.sleep(8)
        servers.redis.stop()
        shutil.copytree(servers.redis.data, copy)
        servers.redis.start()
        time.sleep(10)
        servers.redis.kill()
        shutil.rmtree(servers.redis.data)
        shutil.copytree(copy, servers.redis.data)
        servers.redis.start()
    assert_sound(servers, events)


def test_redis_emptied(servers: Servers) -> None:
    events = store_events(seed=17, orders=2_000)
    with supervised(servers.pipeline), published(servers.pipeline, events, per_second=400):
        time.sleep(12)
        servers.redis.kill()
        shutil.rmtree(servers.redis.data)
        servers.redis.data.mkdir()
        servers.redis.start()
    assert_sound(servers, events)


def test_a_facts_topic_recreated_stops_screening_and_names_it(servers: Servers) -> None:
    events = store_events(seed=18, orders=500)
    servers.pipeline.publish(events)
    assert_sound(servers, events)
    client = admin.connect(servers.kafka.brokers)
    client.delete_topics([topics.FACTS])
    wait_until(lambda: topics.FACTS not in {s.name for s in admin.describe(client)}, 20, "the topic to be gone")
    admin.create_topics(client, 4, specs=[spec for spec in topics.SPECS if spec.name == topics.FACTS])
    client.close()
    screen = servers.pipeline.processes["screen-0"]
    wait_until(lambda: screen.poll() is not None, 60, "screening to stop")
    assert screen.returncode == 1
    assert "topic facts was" in servers.pipeline.log("screen-0").read_text()
    servers.pipeline.start("screen")
    again = servers.pipeline.processes["screen-0"]
    wait_until(lambda: again.poll() is not None, 60, "a restart to stop too")
    assert again.returncode == 1
    assert "facts_topic_id" in servers.pipeline.log("screen-0").read_text()
