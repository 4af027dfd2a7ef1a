"""Orders a second through the feature store: one client process, one Redis; beside the usual Redis counters."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from statistics import median
from unittest.mock import patch

from redis.asyncio import Redis

from benchmarks.peers.buckets import Buckets
from benchmarks.peers.zset import Zset, ZsetBare, ZsetOnce
from benchmarks.processes import cpu_s
from benchmarks.report import Outcome, Plan, Run, by_contender, medians_of, ratios, rotated, shown
from benchmarks.stopwatch import Stopwatch
from benchmarks.velocity import Contender, Lane, Ours, cost, lanes, orders, through
from features.definitions import DEFINITIONS
from features.store import connect
from streams.log import CHUNK
from tests.harness import Redis as Server

AMANA, ALL = "amana", "amana, all features"
Make = Callable[[Redis], Contender]
PEERS: dict[str, Make] = {peer.name: peer for peer in (Zset, ZsetOnce, ZsetBare, Buckets)}
VELOCITY: dict[str, Make] = {AMANA: Ours} | PEERS
CONTENDERS: dict[str, Make] = VELOCITY | {ALL: partial(Ours, definitions=DEFINITIONS)}
SHOWN = {
    "orders_per_s": "orders/s",
    "client_us_per_order": "client: CPU us an order",
    "server_us_per_order": "server: CPU us an order",
    "encode": "encode",
    "send": "pack and send",
    "script": "script (server)",
    "parse": "parse",
}


def measure(plan: Plan) -> Outcome:
    count = plan.of(10_000, 400)
    work = lanes(orders(count))
    runs = []
    with Server() as server:
        for number in range(plan.rounds):
            runs += [
                Run(name, number, asyncio.run(fresh(server, CONTENDERS[name], work)))
                for name in rotated(list(CONTENDERS), number)
            ]
            runs += [Run(name, number, asyncio.run(parts(server, CONTENDERS[name], work))) for name in (AMANA, ALL)]
    rates = medians_of(runs, "orders_per_s")
    rivals = {peer: median(ratios(runs, "orders_per_s", AMANA, peer)) for peer in PEERS}
    return Outcome(
        workload=(
            f"{count:,} simulated orders of nine entities (one that an order lacks is made up for it alone) in four"
            f" partitions, in chunks of {CHUNK}, two before the server at a time; from an empty store. Counts and"
            f" sums of orders over five windows; `{ALL}` is the default vector of {len(DEFINITIONS.names)} numbers."
            " Processor time is the client process's and Redis's, which writes to disk before it answers. On the"
            " right the parts of it, processor us an order, with one chunk at a time."
        ),
        runs=runs,
        figures={
            "velocity_orders_per_s": rates[AMANA],
            "features_orders_per_s": rates[ALL],
            "features_vs_zset_fresh": rivals["zset"],
            "features_vs_zset_one_range_fresh": rivals["zset, one range"],
            "features_vs_bare_zset_fresh": rivals["zset, one range, bare hiredis"],
            "features_vs_buckets_fresh": rivals["buckets"],
        },
        targets={
            "velocity_orders_per_s": ">= 5000",
            "features_orders_per_s": ">= 3000",
            "features_vs_zset_fresh": ">= 2.5",
        },
        columns=["", *SHOWN.values()],
        rows=[[name, *(shown(values.get(what)) for what in SHOWN)] for name, values in by_contender(runs).items()],
    )


async def fresh(server: Server, contender: Make, work: Sequence[Lane]) -> dict[str, float]:
    async with connect(server.url, timeout_s=60) as client:
        assert isinstance(client, Redis)
        await client.flushall()
        return await cost(contender(client), work, server.pid)


async def parts(server: Server, contender: Make, work: Sequence[Lane]) -> dict[str, float]:
    """Processor time of the client's parts and of the server, us an order, with one chunk in flight."""
    watch, lane = Stopwatch(), work[0]
    count = sum(map(len, lane))
    async with connect(server.url) as client:
        assert isinstance(client, Redis)
        await client.flushall()
        ours = contender(client)
        assert isinstance(ours, Ours)
        store, encoder = ours.store, ours.store._encoder
        with ExitStack() as stack:
            for where, name, part in (
                (store, "_call", "send"),
                (encoder, "batches", "encode"),
                (encoder, "vectors", "parse"),
            ):
                stack.enter_context(patch.object(where, name, watch.around(part, getattr(where, name))))
            used = cpu_s(server.pid)
            await through(ours, [lane])
            used = cpu_s(server.pid) - used
    spent = {part: 1e6 * spent.processor_s / count for part, spent in watch.spent.items()}
    return spent | {"script": 1e6 * used / count}
