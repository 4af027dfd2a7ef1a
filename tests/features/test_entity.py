"""One entity's numbers, read from a copy of its state by the engine itself."""

import random

import pytest

from events.facts import Entities
from features.definitions import DEFINITIONS
from features.entity import numbers, state
from features.errors import ForeignStore
from features.server import embedded
from features.store import Chunk, Store, connect
from tests.features.oracle import Oracle
from tests.features.streams import Settings, random_facts
from tests.features.test_audit import order


@pytest.mark.parametrize("shards", [1, 3])
def test_an_entitys_numbers_are_those_that_the_next_order_would_see(run, shards):
    facts = random_facts(random.Random(5), Settings(facts=300, repeats=0))
    oracle = Oracle(DEFINITIONS)
    for fact in facts:
        oracle.apply(fact)
    at_ms = max(fact.occurred_at_ms for fact in facts) + 90_000
    expected = oracle._vector(order(0, (at_ms - 1_767_225_600_000) / 60_000, entities=Entities(customer="cu1")))

    async def body(client):
        store = Store(client, shards=shards)
        await store.prepare("topic")
        await store.apply(Chunk(0, -1, 0, range(len(facts)), facts))
        before = await client.keys()
        packed = await state(client, DEFINITIONS, "customer", "cu1")
        assert sorted(await client.keys()) == sorted(before)
        with embedded() as url:
            async with connect(url) as scratch:
                return await numbers(Store(scratch), scratch, "customer", "cu1", packed, at_ms)

    found = {name: value for name, _, value in run(body)}
    wanted = dict(zip(DEFINITIONS.names, expected, strict=True))
    of_customer = {name for name in DEFINITIONS.names if name.startswith("customer.") and ".amount." not in name}
    assert found == pytest.approx({name: wanted[name] for name in of_customer}, rel=0, abs=0, nan_ok=True)
    assert found["customer.orders.count.30d"] > 0


def test_what_the_store_has_not_seen_has_no_state(run):
    async def body(client):
        await Store(client).prepare("topic")
        return await state(client, DEFINITIONS, "card", "nobody")

    assert run(body) is None


def test_a_store_of_other_definitions_or_of_none_is_not_read(run):
    async def body(client):
        with pytest.raises(ForeignStore, match="is of definitions none, expected"):
            await state(client, DEFINITIONS, "card", "nobody")
        await client.hset("{s00}fences", "definitions", "older")
        with pytest.raises(ForeignStore, match="is of definitions older, expected"):
            await state(client, DEFINITIONS, "card", "nobody")

    run(body)
