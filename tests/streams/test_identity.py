"""The same facts give the same decisions, embedded and full; and the same state, however the work is shared out."""

import asyncio
import os
from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
import pytest
from redis import Redis as Client

from events import topics
from events.facts import AnyFact, Coordinates, OrderFact
from events.facts import encode as encode_fact
from features.definitions import DEFINITIONS
from features.server import embedded
from features.store import Store, connect
from models import artifact
from models.decisions import Decision
from models.decisions import encode as encode_decision
from models.training import train
from simulator.settings import Settings as StoreSettings
from simulator.store import simulate
from streams.bootstrap.screen import concluder
from streams.intake import Intake, RawRecord
from streams.kafka import Sender
from streams.log import FileLog, batched
from streams.screening import Screening
from streams.settings import Settings
from tests.harness import Kafka, Redis, wait_until
from tests.streams import proof
from tests.streams.pipeline import Pipeline
from vault.keyring import Keyring
from vault.pseudonyms import Pseudonymiser

FACTS = 20_000
RULES = """\
rules:
- {name: night, code: order.night, when: order.at_night > 0 and event.amount_minor > 20_000, action: review,
   owner: risk, expiry: never}
- {name: points, code: some.points, when: customer.orders.count.24h / customer.orders.count.30d > 0.5, score: 0.02,
   action: add_score, owner: risk, expiry: never}
- {name: abroad, code: order.abroad, when: event.ip_country != event.shipping_country, action: block, shadow: true,
   owner: risk, expiry: never}
- {name: account, code: order.account, when: event.has_account and absent(entity.device), action: approve,
   owner: risk, expiry: never}
"""


def made_up_facts(folder: Path) -> tuple[list[AnyFact], set[str]]:
    """FACTS facts of a simulated store in order of time, and the ids of the fraudulent orders."""
    Keyring.create(folder / "made-up.json", os.urandom)
    intake = Intake(Pseudonymiser(Keyring.load(folder / "made-up.json")))
    simulated = list(islice(simulate(StoreSettings(days=10, orders_per_day=250)), FACTS + 500))
    frauds = {each.event.order_id for each in simulated if each.fraud and hasattr(each.event, "order_id")}
    raw = [
        RawRecord(Coordinates(topic, topic, 0, number), round(each.occurred_at.timestamp() * 1000), each.body)
        for number, each in enumerate(simulated)
        if (topic := topics.topic_of(type(each.event).__name__)) != topics.LABELS
    ]
    return intake.take(raw).facts[:FACTS], frauds


def screened(
    facts: Sequence[bytes], folder: Path, models: Path, chunk: int, rules: Path | None = None
) -> list[Decision]:
    """The decisions of the embedded screening on a log."""

    async def nowhere(_: int, __: list[Decision]) -> None:
        pass

    async def screen(url: str) -> list[Decision]:
        async with connect(url) as client:
            store = Store(client)
            log = FileLog(folder / f"facts-{chunk}.jsonl")
            screening = Screening(store, log, "facts", concluder(Settings(models=models, rules=rules)), nowhere)
            decisions = []
            for part in batched(facts, chunk):
                decisions += await screening.handle(0, log.append(part))
            log.close()
        return decisions

    with embedded() as url:
        return asyncio.run(screen(url))


def learn(decisions: Sequence[Decision], frauds: set[str], models: Path) -> None:
    """A model from logged vectors, so that scores and reasons take part in the comparison."""
    matrix = np.array([np.frombuffer(decision.vector or b"", "<f8") for decision in decisions])
    rest = pd.DataFrame(
        {
            "decision_id": [decision.decision_id for decision in decisions],
            "order_id": [decision.order_id for decision in decisions],
            "occurred_at_ms": [decision.occurred_at_ms for decision in decisions],
            "amount_minor": [decision.amount_minor for decision in decisions],
            "currency": [decision.currency for decision in decisions],
            "label": [int(decision.order_id in frauds) for decision in decisions],
        }
    )
    table = pd.concat([pd.DataFrame(matrix, columns=list(DEFINITIONS.names)), rest], axis=1)
    artifact.save(models, train(table, DEFINITIONS.names, definitions=DEFINITIONS.hash, seed=1))


async def write(brokers: str, by_partition: dict[int, list[bytes]]) -> None:
    sender = Sender(brokers, "test")
    await sender.start()
    for partition, facts in by_partition.items():
        await sender.send(topics.FACTS, partition, [(None, fact) for fact in facts])
    await sender.stop()


@pytest.mark.timeout(300)
def test_screening_one_log_embedded_and_full_gives_the_same_bytes(tmp_path: Path) -> None:
    made_up, frauds = made_up_facts(tmp_path)
    facts = [encode_fact(fact) for fact in made_up]
    learn(screened(facts, tmp_path, tmp_path / "none", 500), frauds, tmp_path / "models")
    (rules := tmp_path / "rules.yaml").write_text(RULES)
    decisions = screened(facts, tmp_path, tmp_path / "models", 137, rules)
    expected = [encode_decision(decision) for decision in decisions]
    assert len({decision.outcome for decision in decisions}) == 3
    assert {decision.mode for decision in decisions} >= {"model", "rules"}
    assert {code for decision in decisions for code in decision.shadow} == {"order.abroad"}
    assert any(decision.points for decision in decisions)
    with Kafka() as kafka, Redis() as redis, Pipeline(kafka.brokers, redis.url, tmp_path, partitions=1) as full:
        asyncio.run(write(kafka.brokers, {0: facts}))
        full.start("screen", AMANA_RULES=str(rules))
        found = full.wait_for(topics.DECISIONS, len(expected))
    assert [record.value for record in found] == expected


@pytest.mark.slow
def test_four_partitions_two_shards_and_two_processes_end_in_the_embedded_state(tmp_path: Path) -> None:
    made_up, _ = made_up_facts(tmp_path)
    by_partition: dict[int, list[bytes]] = defaultdict(list)
    for fact in made_up:
        by_partition[crc32((fact.entities.customer or fact.entities.ip or "").encode()) % 4].append(encode_fact(fact))
    with Kafka() as kafka, Redis() as redis, Pipeline(kafka.brokers, redis.url, tmp_path, shards=2) as full:
        full.start("screen", "0")
        full.start("screen", "1")
        asyncio.run(write(kafka.brokers, by_partition))
        orders = {fact.order_id for fact in made_up if isinstance(fact, OrderFact)}
        wait_until(lambda: proof.decided_orders(full.read(topics.DECISIONS)) == orders, 60, "every decision")
        expected = untagged(proof.undisturbed(made_up, shards=1).state)
        with Client.from_url(redis.url) as client:
            wait_until(lambda: untagged(proof.state_of(client)) == expected, 20, "the embedded state")


def untagged(state: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Without the shard in the keys."""
    return {key.partition(b"}")[2]: value for key, value in state.items()}
