"""What is measured with: the simulated store's orders, a model trained on it, and topics filled beforehand."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast

import msgspec
import numpy as np
import pandas as pd
from confluent_kafka import Producer

from events import topics
from events.facts import AnyFact, Coordinates, OrderFact
from events.types import AnyEvent, OrderPlaced
from features.definitions import DEFINITIONS
from features.formulas import Floats
from features.server import embedded
from features.store import Chunk, Store, connect
from models import artifact
from models.training import train
from simulator.journal import Simulated
from simulator.settings import Settings
from simulator.store import simulate
from streams.intake import Intake, RawRecord
from streams.log import batched
from vault.keyring import Keyring
from vault.pseudonyms import Pseudonymiser

PARTITIONS = 4
DAYS = 28


class Message(msgspec.Struct, frozen=True):
    key: bytes
    value: bytes


class Ordered(msgspec.Struct, frozen=True):
    order_id: str


def store(orders: int, seed: int = 7, browsing: float = 0.6) -> Settings:
    """A store that has at least so many orders in four weeks, a third as many customers as orders."""
    a_day, customers = orders / DAYS * 1.1 + 20, max(200, orders // 3)
    return Settings(seed=seed, days=DAYS, orders_per_day=a_day, customers=customers, browsing=browsing)


def orders(count: int, seed: int = 7) -> list[Message]:
    """The first orders of a simulated store, as its order service would publish them; some 1.2 KB each."""
    found = [
        Message(topics.key_of(told.event).encode(), told.body)
        for told in simulate(store(count, seed, browsing=0.0))
        if isinstance(told.event, OrderPlaced)
    ]
    assert len(found) >= count, f"expected {count} orders, the store had {len(found)}"
    return found[:count]


def order_id(order: Message) -> bytes:
    """What its decision is keyed by."""
    return msgspec.json.decode(order.value, type=Ordered).order_id.encode()


def intake(keyring: Path) -> Intake:
    return Intake(Pseudonymiser(Keyring.load(keyring)))


def records(events: Iterable[Simulated], first: int = 0) -> Iterator[RawRecord]:
    """Events as they would be read from one-partition raw topics, numbered from `first`."""
    for offset, told in enumerate(events, first):
        topic = topics.topic_of(type(told.event).__name__)
        yield RawRecord(Coordinates(topic, f"bench-{topic}", 0, offset), milliseconds(told.event), told.body)


def milliseconds(event: AnyEvent) -> int:
    return round(event.occurred_at.timestamp() * 1000)


def save_model(models: Path, keyring: Path, orders_learned: int = 3_000) -> None:
    """Train on a small store of its own, its truth as labels, with vectors as screening would have logged them."""
    told = [one for one in simulate(store(orders_learned, seed=3)) if topic(one) != topics.LABELS]
    frauds = {one.event.order_id: one.fraud is not None for one in told if isinstance(one.event, OrderPlaced)}
    facts, matrix = with_vectors(told, keyring)
    table = pd.DataFrame(matrix, columns=list(DEFINITIONS.names))
    table["decision_id"] = [fact.source.text() for fact in facts]
    table["occurred_at_ms"] = [fact.occurred_at_ms for fact in facts]
    table["label"] = [int(frauds[fact.order_id]) for fact in facts]
    artifact.save(models, train(table, DEFINITIONS.names, definitions=DEFINITIONS.hash, seed=0))


def screened(keyring: Path, count: int, seed: int = 7) -> tuple[list[OrderFact], Floats]:
    """The last orders of a simulated store, with their vectors."""
    told = [one for one in simulate(store(count, seed)) if topic(one) != topics.LABELS]
    facts, matrix = with_vectors(told, keyring)
    return facts[-count:], matrix[-count:]


def topic(told: Simulated) -> str:
    return topics.topic_of(type(told.event).__name__)


def with_vectors(told: Sequence[Simulated], keyring: Path) -> tuple[list[OrderFact], Floats]:
    return vectors_of(intake(keyring).take(list(records(told))).facts)


def vectors_of(facts: Sequence[AnyFact]) -> tuple[list[OrderFact], Floats]:
    """The orders among the facts with their vectors, from a store of the run's own."""
    with embedded(None) as url:
        return asyncio.run(_vectors(url, facts))


async def _vectors(url: str, facts: Sequence[AnyFact]) -> tuple[list[OrderFact], Floats]:
    client = connect(url)
    vectors = Store(client)
    await vectors.prepare("bench")
    parts, decided = [], []
    first = 0
    for part in batched(facts, 500):
        offsets = range(first, first + len(part))
        applied = await vectors.apply(Chunk(0, first - 1, first, offsets, part))
        parts.append(applied.matrix)
        decided += [cast("OrderFact", part[place]) for place in applied.decided]
        first += len(part)
    await client.aclose()
    return decided, np.concatenate(parts)


def fill(brokers: str, topic: str, messages: Iterable[Message]) -> None:
    """Append messages to a topic, each to the partition that Kafka's own clients choose for its key."""
    producer = Producer({"bootstrap.servers": brokers, "partitioner": "murmur2_random", "linger.ms": 50})
    for number, message in enumerate(messages):
        producer.produce(topic, message.value, message.key)
        if number % 10_000 == 9_999:
            producer.flush()
    producer.flush()
