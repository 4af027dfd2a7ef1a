"""A what-if over a day of traffic on the real servers: nothing of what they hold is touched."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient
from redis import Redis as Client

from events import topics
from events.types import Label, OrderPlaced
from simulator.settings import Settings as StoreSettings
from simulator.store import simulate
from streams import logs
from streams.cli import main
from tests.harness import Kafka, Postgres, Redis, wait_until
from tests.streams.judged import learnt
from tests.streams.pipeline import Pipeline, consumer, watermarks

RULES = """\
set: other
rules:
- {name: dear, code: order.amount, when: order.amount_usd >= 100, action: block, owner: risk, expiry: never}
"""
SESSION_S = 10  # of a member of a group
STAGES = {"intake": topics.ORDERS, "screen": topics.FACTS, "history": topics.DECISIONS, "opener": topics.DECISIONS}


def offsets(brokers: str) -> dict[str, Any]:
    """Every topic's first and last offsets, the groups' own topic among them."""
    reader = consumer(brokers, "reader")
    try:
        return {name: watermarks(reader, name) for name in sorted(reader.list_topics(timeout=10).topics)}
    finally:
        reader.close()


def groups(brokers: str) -> dict[str, Any]:
    """Every group with what it has committed."""
    client = AdminClient({"bootstrap.servers": brokers})
    names = sorted(each.group_id for each in client.list_consumer_groups().result(10).valid)
    committed = {}
    for name in names:
        (answer,) = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(name)]).values()
        places = answer.result(10).topic_partitions
        committed[name] = sorted((place.topic, place.partition, place.offset) for place in places)
    return committed


def wait_for_rest(brokers: str) -> None:
    """Until nothing is written for longer than a session: that a member has gone is noticed, and noted, only then."""
    before: object = None
    while before != (before := (offsets(brokers), groups(brokers))):
        time.sleep(SESSION_S + 5)


def keys(redis: str) -> dict[bytes, Any]:
    with Client.from_url(redis) as client:
        return {key: client.dump(key) for key in client.scan_iter(count=10_000)}


def rows(database: str) -> dict[str, list[str]]:
    engine = sa.create_engine(database)
    try:
        metadata = sa.MetaData()
        metadata.reflect(engine)
        with engine.connect() as connection:
            return {
                name: sorted(str(tuple(row)) for row in connection.execute(sa.select(table)))
                for name, table in metadata.tables.items()
            }
    finally:
        engine.dispose()


def files(folder: Path) -> Mapping[str, bytes]:
    """The keyring and the models; logs of the stages, which have stopped."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.timeout(600)
def test_a_what_if_over_a_day_leaves_every_store_and_topic_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: Postgres
) -> None:
    monkeypatch.setattr(logs, "configure", lambda *_: None)
    events = [each.event for each in simulate(StoreSettings(days=1, orders_per_day=150, customers=300))]
    events = [event for event in events if not isinstance(event, Label)]
    orders = sum(isinstance(event, OrderPlaced) for event in events)
    day = min(event.occurred_at for event in events).date()
    (rules := tmp_path / "rules.yaml").write_text(RULES)
    scorer = learnt(tmp_path / "models")
    database = postgres.create_database("whatif")
    with Kafka() as kafka, Redis() as redis:
        with Pipeline(kafka.brokers, redis.url, tmp_path, database=database, partitions=2) as pipeline:
            for stage in STAGES:
                pipeline.start(stage)
            pipeline.publish(events)
            pipeline.wait_for(topics.DECISIONS, orders, 120)
            for stage, topic in STAGES.items():
                wait_until(lambda s=stage, t=topic: pipeline.caught_up(s, t), 60, f"{stage} has caught up")
            assert [pipeline.stop(f"{stage}-0") for stage in STAGES] == [0] * len(STAGES)
        wait_for_rest(kafka.brokers)

        def everything() -> list[Any]:
            return [offsets(kafka.brokers), groups(kafka.brokers), keys(redis.url), rows(database), files(tmp_path)]

        before = everything()
        found = CliRunner().invoke(
            main,
            ["whatif", "--brokers", kafka.brokers, "--rules", str(rules), "--model", scorer.version, "--models",
             str(tmp_path / "models"), "--from", f"{day}", "--until", "2027-01-01", "--json"],
        )  # fmt: skip
        after = everything()
    assert found.exit_code == 0, found.stderr
    report = json.loads(found.stdout)
    assert report["compared"]["orders"] == orders
    assert report["compared"]["changed"] > 0
    assert report["partners"][0]["more"] > 0
    assert [len(part) > 0 for part in before] == [True] * 5
    assert sum(len(table) for table in before[3].values()) >= orders
    for was, is_ in zip(before, after, strict=True):
        assert is_ == was
