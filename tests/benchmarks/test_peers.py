"""The peers that our feature store is measured beside count what it counts, to the bit."""

import asyncio
import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from benchmarks.peers.buckets import Buckets
from benchmarks.peers.pipelined import Pipelined
from benchmarks.peers.zset import Zset, ZsetBare, ZsetOnce
from benchmarks.velocity import FAMILY, NINE, Contender, Ours, lanes, orders
from events.facts import Coordinates, Entities, OrderFact
from features.store import connect
from streams.log import batched

DAY_S = 86_400
PEERS: list[Callable[..., Pipelined]] = [Zset, ZsetOnce, ZsetBare, Buckets]


def stream(count: int, days: int, seed: int = 1) -> list[OrderFact]:
    """Orders in order of time, of few entities, some named by no more than one kind."""
    rng = random.Random(seed)
    any_time = [rng.randrange(days * DAY_S) for _ in range(count // 2)]
    seconds = sorted([*any_time, *(days * DAY_S - rng.randrange(5_000) for _ in range(count - count // 2))])
    return [order(number, 1_800_000_000 + second, rng) for number, second in enumerate(seconds)]


def order(number: int, second: int, rng: random.Random) -> OrderFact:
    kinds = NINE if rng.random() < 0.8 else ("seller",)
    return OrderFact(
        source=Coordinates("orders", "t", 0, number),
        event_id=f"e{number}",
        occurred_at_ms=second * 1000,
        recorded_at_ms=second * 1000,
        entities=Entities(**{kind: f"{kind}-{rng.randrange(3)}" for kind in kinds}),
        order_id=f"o{number}",
        amount_minor=rng.randrange(100_000),
        currency=rng.choice(("USD", "AED", "KWD", "XXX")),
        method="card",
    )


def vectors(
    contender: Callable[..., Contender],
    url: str,
    chunks: Sequence[Sequence[OrderFact]],
    learnt: Sequence[Sequence[OrderFact]] = (),
) -> np.ndarray:
    """From an empty server that learnt some chunks before."""

    async def all_of_them() -> np.ndarray:
        async with connect(url) as client:
            await client.flushall()
            made = contender(client)
            for chunk in learnt:
                await made.learn(chunk)
            return np.concatenate([await made.apply(0, chunk) for chunk in chunks])

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_gives_the_same_counts_and_sums_as_the_store(peer: Callable[..., Pipelined], embedded_redis) -> None:
    chunks = list(batched(stream(300, days=70), 40))
    ours = vectors(Ours, embedded_redis.url, chunks)
    assert ours.shape == (300, len(FAMILY.names))
    assert np.nanmax(ours) > 50
    np.testing.assert_array_equal(vectors(peer, embedded_redis.url, chunks), ours)


@pytest.mark.parametrize("contender", [Ours, *PEERS])
def test_learnt_history_is_read_as_if_it_had_been_applied(contender: Callable[..., Contender], embedded_redis) -> None:
    past, now = stream(300, days=40)[:-20], stream(300, days=40)[-20:]
    chunks = list(batched(past, 50))
    applied = vectors(contender, embedded_redis.url, [*chunks, now])[-20:]
    assert np.nanmax(applied) > 50
    np.testing.assert_array_equal(vectors(contender, embedded_redis.url, [now], learnt=chunks), applied)


def test_every_order_of_the_workload_names_nine_entities() -> None:
    made = orders(120)
    assert all(getattr(fact.entities, kind) for fact in made for kind in NINE)
    assert len({fact.event_id for fact in made}) == 120


def test_lanes_keep_a_customers_orders_in_one_partition_and_in_order() -> None:
    made = orders(120)
    lane_of = [[fact for chunk in lane for fact in chunk] for lane in lanes(made, 7)]
    customers = [{fact.entities.customer for fact in lane} for lane in lane_of]
    assert sum(map(len, lane_of)) == 120
    assert sum(map(len, customers)) == len(set().union(*customers))
    assert all(lane == sorted(lane, key=lambda fact: fact.source.offset) for lane in lane_of)
