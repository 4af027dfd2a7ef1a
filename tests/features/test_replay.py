"""Facts in replay order through the store, held against the naive twin."""

import asyncio
import random

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.facts import Coordinates, OrderFact, encode
from features.definitions import DEFINITIONS
from features.errors import FeatureError, Gap
from features.replay import Placed, Repeats, Spool, decoded, vectors
from features.store import Applied, Store, connect
from tests.features.oracle import Oracle
from tests.features.streams import Settings, random_facts

PLACES = st.tuples(st.integers(-(10**12), 10**13), st.integers(0, 3), st.integers(0, 10**6))


def restated(facts):
    return [msgspec.structs.replace(fact, source=Coordinates("t", "t", 0, offset)) for offset, fact in enumerate(facts)]


@given(st.lists(PLACES, unique=True, max_size=50), st.integers(1, 10**9))
def test_records_come_back_in_order_whatever_the_buckets(tmp_path_factory, places, width):
    spool = Spool(tmp_path_factory.mktemp("spool"), width)
    for place in places:
        spool.add(Placed(*place, b'{"a":\n1}'))
    assert [record[:3] for record in spool] == sorted(places)
    assert spool.count == len(places)
    assert all(msgspec.json.decode(record.body) == {"a": 1} for record in spool)


def test_records_added_after_a_reading_are_read_with_the_others(tmp_path):
    spool = Spool(tmp_path, 10)
    for rank in (3, 1):
        spool.add(Placed(rank, 0, 0, b"{}"))
        assert rank in [record.rank for record in spool]
    assert [record.rank for record in spool] == [1, 3]


def test_a_fact_is_a_repeat_at_or_below_the_highest_offset_of_its_source_in_its_facts_partition():
    repeats = Repeats()
    offsets = [(0, 5), (0, 6), (0, 5), (0, 6), (0, 7), (1, 5)]
    met = [repeats.met(partition, Coordinates("orders", "id", 0, offset)) for partition, offset in offsets]
    assert met == [False, False, True, True, False, False]


def test_what_is_no_fact_is_told_by_its_place_and_passed_over():
    (fact,) = random_facts(random.Random(4), Settings(facts=1))[:1]
    told = []
    records = [Placed(0, 3, 7, b'{"fact":"order"}'), Placed(0, 3, 8, encode(fact)), Placed(0, 3, 9, b"\xff")]
    assert list(decoded(records, lambda *place: told.append(place))) == [(records[1], fact)]
    assert told == [(3, 7), (3, 9)]


@pytest.mark.parametrize("seed", range(3))
def test_vectors_are_those_of_the_naive_twin_for_facts_put_in_order(embedded_redis, seed):
    facts = random_facts(random.Random(seed), Settings(facts=1_300, entities=6, step_min=30))
    repeats = Repeats()
    kept = [fact for fact in facts if not repeats.met(0, fact.source)]
    ordered = sorted(kept, key=lambda fact: fact.occurred_at_ms)
    oracle = Oracle(DEFINITIONS)
    from_ms = ordered[len(ordered) // 3].occurred_at_ms
    expected = [
        (order, vector)
        for fact, order in zip(restated(ordered), ordered, strict=True)
        if (vector := oracle.apply(fact)) is not None
        and isinstance(order, OrderFact)
        and order.occurred_at_ms >= from_ms
    ]
    counts, orders, matrix = asyncio.run(replayed(embedded_redis.url, ordered, from_ms))
    assert sum(counts) == len(ordered)
    assert orders == [order for order, _ in expected]
    assert matrix.tobytes() == np.array([vector for _, vector in expected]).tobytes()


async def replayed(url, facts, from_ms):
    async with connect(url) as client:
        await client.flushall()
        parts = [part async for part in vectors(Store(client), facts, from_ms)]
    return (
        [count for count, _, _ in parts],
        [order for _, orders, _ in parts for order in orders],
        np.concatenate([matrix for _, _, matrix in parts]),
    )


class Overtaken:
    """A store whose second chunk arrives before the first, once."""

    def __init__(self, failing=False):
        self.applied, self.failing = [], failing

    async def prepare(self, _):
        """Nothing to prepare."""

    async def apply(self, chunk):
        if chunk.previous < 0:
            await asyncio.sleep(0.01)
            if self.failing:
                raise FeatureError("full")
        elif 0 not in self.applied:
            raise Gap(0, 0, -1, chunk.previous)
        self.applied.append(chunk.offsets[0])
        return Applied([], np.empty((0, 1)), len(chunk.facts), 0)


async def counts(store, facts):
    return [count async for count, _, _ in vectors(store, facts, 0)]


def test_a_chunk_that_overtook_the_one_before_it_is_sent_again():
    facts = random_facts(random.Random(1), Settings(facts=600, repeats=0))
    store = Overtaken()
    assert asyncio.run(counts(store, facts)) == [500, 100]
    assert store.applied == [0, 500]


def test_a_store_that_fails_ends_the_replay():
    facts = random_facts(random.Random(1), Settings(facts=600, repeats=0))
    with pytest.raises(FeatureError, match="full"):
        asyncio.run(counts(Overtaken(failing=True), facts))
