"""A migration on real servers, while events go on: an earlier version screens, this one takes over."""

import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from redis import Redis as Client

from events import topics
from events.types import OrderPlaced
from features.batches import fences_key
from features.definitions import DEFINITIONS
from models.decisions import decode as decode_decision
from tests.harness import Kafka, Redis, wait_until
from tests.streams import proof
from tests.streams.earlier import EARLIER
from tests.streams.load import published, store_events
from tests.streams.pipeline import Pipeline, consumer, watermarks

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SHARDS = 2  # of the new store; the old one has one


def test_every_order_is_decided_once_by_the_earlier_version_or_by_this_one(tmp_path: Path) -> None:
    store = store_events(seed=5, orders=6_600)
    before = store[: len(store) // 11]
    # Orders alone, since only a decision that was published and not committed is there to settle.
    coming = [event for event in store[len(before) :] if isinstance(event, OrderPlaced)]
    events = [*before, *coming]
    with Kafka() as kafka, Redis() as redis, Pipeline(kafka.brokers, redis.url, tmp_path) as pipeline:
        new = redis.url.replace("/0", "/1")
        pipeline.start("intake")
        screen_as_before(pipeline)
        pipeline.publish(before)
        pipeline.wait_for(topics.DECISIONS, len(proof.orders_in(before)))
        with Client.from_url(new) as client:
            with published(pipeline, coming, per_second=40):  # goes on beyond the switch
                assert migrated(pipeline, redis.url, new) == "built: --switch puts it in the old store's place\n"
                early = pipeline.start("screen", "early", ["--shards", str(SHARDS)], AMANA_REDIS=new)
                assert ends(pipeline, early) == 1
                assert "being built there" in pipeline.log(early).read_text()
                assert pipeline.runs("screen-0")
                switched = migrated(pipeline, redis.url, new, "--switch")
            assert switched == "switched: start screening with --redis set to the new store\n"
            assert ends(pipeline, "screen-0") == 1
            screen_as_before(pipeline)
            assert ends(pipeline, "screen-0") == 1
            assert f"migrated to {DEFINITIONS.hash} there" in pipeline.log("screen-0").read_text()
            assert settled(pipeline, client) > 0
            assert migrated(pipeline, redis.url, new, "--switch") == (
                "switched before: screen with --redis set to the new store\n"
            )
            pipeline.start("screen", "0", ["--shards", str(SHARDS)], AMANA_REDIS=new)
            proof.assert_sound(pipeline, client, SHARDS, events, 120)
        decisions = pipeline.read(topics.DECISIONS)
    assert {decode_decision(record.value).definitions for record in decisions} == {EARLIER.hash, DEFINITIONS.hash}


def screen_as_before(pipeline: Pipeline) -> None:
    pipeline.launch("screen-0", [sys.executable, "-m", "tests.streams.earlier", "screen", "--instance", "0"], {})


def migrated(pipeline: Pipeline, old: str, new: str, *arguments: str) -> str:
    """What the command says; it must succeed."""
    command = [sys.executable, "-m", "streams.cli", "features", "migrate", "--from", old, "--to", new]
    done = subprocess.run(
        [*command, "--shards", str(SHARDS), *arguments],
        env=pipeline.env,
        cwd=pipeline.folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{done.stderr}\n{pipeline.logs()[-3000:]}"
    return done.stdout


def ends(pipeline: Pipeline, name: str) -> int:
    process = pipeline.processes[name]
    wait_until(lambda: process.poll() is not None, 60, f"{name} to end")
    assert process.returncode is not None
    return process.returncode


def settled(pipeline: Pipeline, client: Client) -> int:
    """How many facts the new store has beyond what the group has committed."""
    member = consumer(pipeline.brokers, "amana.screen")
    try:
        ends_of = watermarks(pipeline.reader, topics.FACTS)
        committed = member.committed([TopicPartition(topics.FACTS, number) for number in ends_of], timeout=10)
    finally:
        member.close()
    fences = client.hgetall(fences_key(0))
    return sum(int(fences.get(str(at.partition).encode(), -1)) + 1 - max(0, at.offset) for at in committed)
