"""The engine against its naive twin on random streams; repeats and crashes; state apart from order."""

import random
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from events.facts import AnyFact, Coordinates
from features import DEFINITIONS
from features.declared import Definitions
from features.numbers import Age, Direct, Distinct, Earliest, First, Since, Window, Windowed
from features.store import Chunk, Store
from features.visit import Begun, Joined, Pace, Reached, Straight
from tests.features.conftest import runner
from tests.features.oracle import Oracle
from tests.features.streams import START_MS, Breaking, Run, Settings, random_facts, with_holes, work_off
from tests.harness import Redis as Server
from tests.harness import RedisCluster
from tests.servers import Embedded

SETTINGS = st.builds(
    Settings,
    facts=st.just(200),
    entities=st.sampled_from([1, 3, 30, 900]),
    step_min=st.sampled_from([0, 1, 20, 200, 2000]),
    late=st.sampled_from([0.0, 0.05, 0.4]),
    repeats=st.sampled_from([0.0, 0.1]),
    named=st.sampled_from([0.15, 0.8, 1.0]),
    words=st.sampled_from([2, 200]),
    whims=st.booleans(),
    unnamed=st.sampled_from([0.0, 0.1]),
    start_ms=st.sampled_from([START_MS, START_MS, -START_MS]),  # and in 1914
)
random_streams = settings(
    max_examples=12,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # a smaller seed is no simpler example
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


OTHER_WINDOWS = Definitions(
    (
        *(Windowed("ip", "orders", of, window) for of in ("count", "sum", "min", "max") for window in ("15m", "60d")),
        *(Distinct("ip", "visits", "route", window) for window in ("15m", "2h", "60d")),
        *(Begun("2h"), Reached("15m"), Reached("2h"), Straight("2h"), Pace("2h"), Joined("checkouts", "sum", "15m")),
        *(Windowed("ip", source, "units", window) for source in ("orders", "promotions") for window in ("2h", "60d")),
        *(First("ip", "verifications", "card"), Distinct("device", "verifications", "agency", "60d")),
        *(Since("ip", "visits"), Earliest("ip", "visits"), Age("ip"), First("ip", "orders", "card"), Age("customer")),
    ),
    windows=(Window("15m", 900, 180), Window("2h", 7_200, 360), Window("60d", 60 * 86_400, 43_200)),
)
# Kinds without columns, with rolls alone and with their age alone, and one window of coarse hops.
BARE = Definitions(
    (
        *(Distinct("customer", "orders", member, "2d") for member in ("card", "os", "browser")),
        *(First("customer", "visits", "browser"), First("device", "declines", "card"), Age("ip")),
        *(
            First("customer", "promotions", "address"),
            Since("card", "frauds"),
            Earliest("card", "frauds"),
            Windowed("card", "refunds", "min", "2d"),
        ),
    ),
    windows=(Window("2d", 172_800, 86_400),),
)
NO_ENTITY = Definitions((Direct("amount_usd", 1),))


def expected_vectors(
    facts: Sequence[AnyFact | None], definitions: Definitions = DEFINITIONS
) -> tuple[dict[int, bytes], dict[Coordinates, int]]:
    """Of each place the vector, of each late fact by how much."""
    oracle = Oracle(definitions)
    vectors = [(place, oracle.apply(fact)) for place, fact in enumerate(facts) if fact is not None]
    return {place: np.array(vector).tobytes() for place, vector in vectors if vector is not None}, oracle.late


def check_stream(run: Run, seed: int, stream: Settings, shards: int, definitions: Definitions = DEFINITIONS) -> None:
    rng = random.Random(seed)
    offsets, facts = with_holes(rng, random_facts(rng, stream))
    naive = expected_vectors(facts, definitions)
    check_facts(run, seed, facts, naive, shards, definitions=definitions, offsets=offsets)


def check_facts(
    run: Run,
    seed: int,
    facts: Sequence[AnyFact | None],
    naive: Any,
    shards: int,
    longest: int = 60,
    definitions: Definitions = DEFINITIONS,
    offsets: Sequence[int] | None = None,
) -> None:
    rng = random.Random(seed)

    async def work(client: Redis) -> Any:
        store = Store(Breaking(client, rng, share=0.1), definitions, shards)
        await store.prepare("facts-id")
        return await work_off(store, facts, rng, longest, offsets)

    decided, late = run(work)
    expected, expected_late = naive
    assert set(late) == set(expected_late.items())
    assert {place for place, _ in decided} == set(expected)
    for place, vector in decided:
        assert vector == expected[place], differences(definitions, facts[place], vector, expected[place])


def differences(definitions: Definitions, fact: AnyFact | None, found: bytes, expected: bytes) -> str:
    pairs = zip(definitions.names, np.frombuffer(found), np.frombuffer(expected), strict=True)
    wrong = [f"{name}: {f} for {e}" for name, f, e in pairs if f != e and not (np.isnan(f) and np.isnan(e))]
    return f"{fact}: {wrong}"


@random_streams
@given(seed=st.integers(0, 2**32), stream=SETTINGS, shards=st.sampled_from([1, 2, 3, 4]))
def test_every_vector_is_the_naive_twins_through_repeats_and_crashes(
    run: Run, seed: int, stream: Settings, shards: int
) -> None:
    check_stream(run, seed, stream, shards)


@random_streams
@given(seed=st.integers(0, 2**32), stream=SETTINGS, definitions=st.sampled_from([OTHER_WINDOWS, BARE, NO_ENTITY]))
def test_other_definitions_are_as_exact(run: Run, seed: int, stream: Settings, definitions: Definitions) -> None:
    check_stream(run, seed, stream, 2, definitions)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(20, 40))
def test_longer_streams_too(run: Run, seed: int) -> None:
    rng = random.Random(seed)
    stream = Settings(1500, rng.choice((1, 3, 30, 900)), rng.choice((0, 1, 20, 200)), rng.choice((0, 0.05, 0.4)))
    check_stream(run, seed, stream, rng.choice((1, 2, 3)))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_million_facts_on_three_servers(
    redis_server: Server, redis_cluster: RedisCluster, embedded_redis: Embedded
) -> None:
    """168 streams of 2,000 facts, each on a Redis, a cluster of three nodes and the embedded server: 1,008,000.

    One in 26 is an order, read against all definitions; late, repeated and out-of-order facts, broken calls,
    crashes and chunk borders at random.
    """
    total = 0
    for seed in range(1_000, 1_168):
        rng = random.Random(seed)
        late, entities, step = rng.choice((0, 0.05, 0.4)), rng.choice((3, 30, 900)), rng.choice((0, 1, 20, 200))
        facts = random_facts(rng, Settings(2_000, entities, step, late, orders=0.4))[:2_000]
        naive, shards, longest = expected_vectors(facts), rng.choice((1, 2, 3)), rng.choice((60, 500))
        for url in (redis_server.url, redis_cluster.url, embedded_redis.url):
            check_facts(runner(url), seed, facts, naive, shards, longest)
            total += len(facts)
    assert total == 1_008_000


@random_streams
@given(seed=st.integers(0, 2**32), stream=SETTINGS)
def test_the_stored_bytes_do_not_depend_on_the_order_of_application(run: Run, seed: int, stream: Settings) -> None:
    rng = random.Random(seed)
    facts = random_facts(rng, msgspec.structs.replace(stream, repeats=0))

    async def states(client: Redis) -> list[dict[bytes, bytes]]:
        return [await state_after(client, order, rng) for order in (facts, rng.sample(facts, len(facts)))]

    in_order, shuffled = run(states)
    assert in_order == shuffled


async def state_after(client: Redis, facts: list[AnyFact], rng: random.Random) -> dict[bytes, bytes]:
    await client.flushall()
    store = Store(client, shards=2)
    await store.prepare("facts-id")
    facts = [
        msgspec.structs.replace(fact, source=Coordinates("raw", "raw-id", 0, offset))
        for offset, fact in enumerate(facts)
    ]
    start = 0
    while start < len(facts):
        end = min(start + rng.randint(1, 80), len(facts))
        await store.apply(Chunk(0, start - 1, 0, range(start, end), facts[start:end]))
        start = end
    return {key: await client.get(key) async for key in client.scan_iter(_type="string")}
