"""What must hold after any crash: one decision an order, equal repeats, the state that the facts alone would give."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from redis import Redis, RedisCluster

from events import topics
from events.facts import AnyFact, Coordinates
from events.facts import decode as decode_fact
from events.types import AnyEvent, OrderPlaced
from features.server import embedded
from features.store import Chunk, Store, connect
from models.decisions import decode as decode_decision
from tests.harness import wait_until
from tests.streams.pipeline import Pipeline, Read

RAW = (topics.ORDERS, topics.VISITS, topics.ACTIVITY)


def orders_in(events: Iterable[AnyEvent]) -> set[str]:
    return {event.order_id for event in events if isinstance(event, OrderPlaced)}


def decisions_of(records: Sequence[Read]) -> dict[str, bytes]:
    """The bytes of each decision id's decision; fails where a repeat's differ, or where an order has two ids."""
    by_id: dict[str, bytes] = {}
    orders: dict[str, str] = {}
    for record in records:
        decision = decode_decision(record.value)
        first = by_id.setdefault(decision.decision_id, record.value)
        assert first == record.value, f"a repeat has other bytes: {differing(first, record.value)}"
        assert orders.setdefault(decision.order_id, decision.decision_id) == decision.decision_id, "two ids"
    return by_id


def differing(one: bytes, other: bytes) -> dict[str, tuple[object, object]]:
    """The fields of two decisions that differ, and how."""
    left, right = (msgspec.structs.asdict(decode_decision(body)) for body in (one, other))
    return {name: (left[name], right[name]) for name in left if left[name] != right[name]}


def decided_orders(records: Sequence[Read]) -> set[str]:
    return {decode_decision(record.value).order_id for record in records}


def repeated(records: Sequence[Read]) -> int:
    """How many records repeat an earlier decision."""
    return len(records) - len(decisions_of(records))


def facts_of(records: Sequence[Read]) -> tuple[dict[Coordinates, AnyFact], int]:
    """Facts by their source, and how many records repeat one."""
    facts = {fact.source: fact for fact in (decode_fact(record.value) for record in records)}
    return facts, len(records) - len(facts)


def state_of(client: Redis | RedisCluster) -> dict[bytes, bytes]:
    """Every entity's bytes; fences and outboxes left out."""
    return {key: client.get(key) for key in client.scan_iter(count=10_000, _type="string")}


def assert_sound(
    pipeline: Pipeline, client: Redis | RedisCluster, shards: int, events: Iterable[AnyEvent], timeout_s: float
) -> None:
    """Once all is handled: everything decided once, equal repeats, and the state that the facts alone give."""
    caught_up = lambda: (  # noqa: E731
        all(pipeline.caught_up("intake", topic) for topic in RAW) and pipeline.caught_up("screen", topics.FACTS)
    )
    wait_until(caught_up, timeout_s, f"everything to be handled\n{pipeline.logs()[-3000:]}")
    decisions = pipeline.read(topics.DECISIONS)
    decisions_of(decisions)
    assert orders_in(events) == decided_orders(decisions)
    facts, _ = facts_of(pipeline.read(topics.FACTS))
    assert state_of(client) == undisturbed(facts.values(), shards).state


class Undisturbed(NamedTuple):
    state: dict[bytes, bytes]
    vectors: dict[str, bytes]  # by the ids of decisions


def undisturbed(facts: Iterable[AnyFact], shards: int) -> Undisturbed:
    """What the facts give when each is applied once, in one partition, to a new store."""
    ordered = list(facts)

    async def build(url: str) -> dict[str, bytes]:
        vectors: dict[str, bytes] = {}
        async with connect(url) as client:
            store = Store(client, shards=shards)
            await store.prepare("undisturbed")
            for start in range(0, len(ordered), 500):
                part = ordered[start : start + 500]
                offsets = range(start, start + len(part))
                applied = await store.apply(Chunk(0, start - 1, start, list(offsets), part))
                ids = (part[place].source.text() for place in applied.decided)
                vectors.update(zip(ids, (row.tobytes() for row in applied.matrix), strict=True))
        return vectors

    with embedded() as url:
        vectors = asyncio.run(build(url))
        with Redis.from_url(url) as client:
            return Undisturbed(state_of(client), vectors)
