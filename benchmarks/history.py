"""What an order costs against how much its entities have behind them; beside the usual Redis counters."""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from itertools import count
from statistics import median

from redis.asyncio import Redis

from benchmarks.features import AMANA, PEERS, VELOCITY
from benchmarks.plot import Plot
from benchmarks.report import Outcome, Plan, Run, by_contender, medians_of, ratios, rotated, shown
from benchmarks.velocity import NINE, Contender, cost, lanes
from events.facts import Coordinates, Entities, OrderFact
from features.store import connect
from streams.log import CHUNK, batched
from tests.harness import Redis as Server

START_S, MONTH_S = 1_800_000_000, 30 * 86_400
BEHIND = 10_000
READ = 2_000_000  # members of sorted sets that a measurement may read
LEARNT = 20_000  # orders a chunk while history is made
SET_LIMIT = 1_000_000  # an order would read more than ten million members of a larger sorted set
TIMEOUT_S = 120.0


def measure(plan: Plan) -> Outcome:
    sizes = [10**power for power in (range(2, 5) if plan.quick else range(4, 8))]
    runs = []
    with Server() as server:
        for number in range(plan.rounds):
            runs += [
                Run(name, number, asyncio.run(burdened(server, name, plan))) for name in rotated(list(VELOCITY), number)
            ]
    with Server() as server:
        runs += asyncio.run(dense(server, sizes, plan))
    costs = {size: medians_of(runs, f"us_per_order_{size}") for size in sizes}
    rivals = {peer: median(ratios(runs, "orders_per_s", AMANA, peer)) for peer in PEERS}
    return Outcome(
        workload=(
            "Counts and sums over five windows. Left: orders of nine entities that each have"
            f" {plan.of(BEHIND, 100):,} events of 30 days behind them, drawn from {plan.of(200, 20)} of each kind,"
            f" two chunks before the server at a time (of {CHUNK} orders; the sorted sets' of 25, for their answers'"
            " size). Right: orders that all name one entity and no other, with so many events of 30 days behind it;"
            f" wall time of a chunk of {CHUNK}, one at a time, client included (of the sorted sets as many as read"
            f" {READ:,} members). Our history is made order by order as a rebuild does, the peers' in"
            " fewer commands; each measurement is of a fresh copy of it."
        ),
        runs=runs,
        figures={
            "features_vs_zset_history": rivals["zset"],
            "features_vs_zset_one_range_history": rivals["zset, one range"],
            "features_vs_bare_zset_history": rivals["zset, one range, bare hiredis"],
            "features_vs_buckets_history": rivals["buckets"],
            "hot_key_cost_ratio": costs[sizes[-1]][AMANA] / costs[sizes[0]][AMANA],
        },
        targets={"features_vs_zset_history": ">= 10", "hot_key_cost_ratio": "<= 1.5"},
        columns=[
            "",
            f"orders/s, {plan.of(BEHIND, 100):,} behind",
            *(f"us an order, {size:,} behind" for size in sizes),
        ],
        rows=[
            [name, *(shown(values.get(what)) for what in ("orders_per_s", *(f"us_per_order_{n}" for n in sizes)))]
            for name, values in by_contender(runs).items()
        ],
        plot=Plot(
            title="What an order costs against its entity's history",
            x="events behind the entity, in 30 days",
            y="us an order",
            curves={name: [(n, costs[n][name]) for n in sizes if name in costs[n]] for name in VELOCITY},
        ),
    )


def order(number: int, second: float, entities: Entities) -> OrderFact:
    at_ms = int(second * 1000)
    return OrderFact(
        source=Coordinates("orders", "bench", 0, number),
        event_id=f"event-{number:012}",
        occurred_at_ms=at_ms,
        recorded_at_ms=at_ms,
        entities=entities,
        order_id=f"order-{number:012}",
        amount_minor=1_000 + number % 9_000,
        currency="USD",
        method="card",
    )


def past(numbers: Iterator[int], size: int, entities: Entities) -> Iterator[OrderFact]:
    """A month of orders, evenly."""
    return (order(next(numbers), START_S + MONTH_S * at / size, entities) for at in range(size))


async def learn(contender: Contender, orders: Iterator[OrderFact]) -> None:
    for chunk in batched(orders, LEARNT):
        await contender.learn(chunk)


async def burdened(server: Server, name: str, plan: Plan) -> dict[str, float]:
    """Orders a second where every entity has the same past: one is made, the others are copies of it."""
    each, behind, is_set = plan.of(200, 20), plan.of(BEHIND, 100), name.startswith("zset")
    measured = plan.of(200, 50) if is_set else plan.of(20_000, 1_000)
    numbers, rng = count(), random.Random(7)
    async with connect(server.url, TIMEOUT_S) as client:
        assert isinstance(client, Redis)
        await client.flushall()
        contender = VELOCITY[name](client)
        await learn(contender, past(numbers, behind, Entities(**dict.fromkeys(NINE, "past"))))
        for kind in NINE:
            for entity in range(each):
                await copied(client, contender, kind, "past", f"{kind}-{entity}")
        drawn = (Entities(**{kind: f"{kind}-{rng.randrange(each)}" for kind in NINE}) for _ in range(measured))
        orders = [order(next(numbers), START_S + MONTH_S + at / 10, who) for at, who in enumerate(drawn)]
        return await cost(contender, lanes(orders, 25 if is_set else CHUNK), server.pid)


async def copied(client: Redis, contender: Contender, kind: str, pseudonym: str, to: str) -> None:
    if not await client.copy(contender.key(kind, pseudonym), contender.key(kind, to), replace=True):
        raise RuntimeError(f"{contender.key(kind, pseudonym)} has no past to copy")


async def dense(server: Server, sizes: Sequence[int], plan: Plan) -> list[Run]:
    """The cost of orders of one entity alone, by what it has behind it."""
    numbers, runs = count(), []
    async with connect(server.url, TIMEOUT_S) as client:
        assert isinstance(client, Redis)
        contenders = {name: make(client) for name, make in VELOCITY.items()}
        for name, contender in contenders.items():
            for size in sizes_of(name, sizes):
                await learn(contender, past(numbers, size, Entities(seller=f"past-{size}")))
        for number in range(plan.rounds):
            for name in rotated(list(contenders), number):
                found = {
                    f"us_per_order_{size}": median(
                        [
                            await us_per_order(client, contenders[name], some(name, size, plan), size, numbers)
                            for _ in range(chunks(name))
                        ]
                    )
                    for size in sizes_of(name, sizes)
                }
                runs.append(Run(name, number, found))
    return runs


def sizes_of(name: str, sizes: Sequence[int]) -> list[int]:
    return [size for size in sizes if size <= SET_LIMIT or not name.startswith("zset")]


def chunks(name: str) -> int:
    return 1 if name.startswith("zset") else 15


def some(name: str, size: int, plan: Plan) -> int:
    """Orders a chunk: as many as a sorted set's answers allow."""
    return max(1, min(CHUNK, plan.of(READ, 20_000) // size)) if name.startswith("zset") else CHUNK


async def us_per_order(client: Redis, contender: Contender, some: int, size: int, numbers: Iterator[int]) -> float:
    await copied(client, contender, "seller", f"past-{size}", "dense")
    orders = [order(next(numbers), START_S + MONTH_S + at, Entities(seller="dense")) for at in range(some)]
    began = time.perf_counter()
    await contender.apply(0, orders)
    return 1e6 * (time.perf_counter() - began) / some
