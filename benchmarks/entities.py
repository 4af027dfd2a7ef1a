"""What a million active entities take in Redis, in the mix that a simulated store has."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from statistics import fmean
from typing import Any

from redis.asyncio import Redis

from benchmarks import workload
from benchmarks.copies import copies
from benchmarks.report import Outcome, Plan, Run
from benchmarks.velocity import Ours, facts_of
from events import topics
from events.facts import KINDS, AnyFact
from features.definitions import DEFINITIONS
from features.store import connect
from simulator.store import simulate
from streams.log import batched
from tests.harness import Redis as Server

STORES = 10  # side by side, with no entity in common
CHUNK = 2_000
SAMPLE = 97  # of so many entities of a kind the memory of one is asked for


def measure(plan: Plan) -> Outcome:
    """One round, whatever the plan says: memory is not noisy."""
    wanted = plan.of(1_000_000, 5_000)
    with Server() as server:
        found = asyncio.run(filled(server, wanted))
    used = found.pop("used_mb")
    kinds = {kind: found[f"{kind}_entities"] for kind in KINDS}
    return Outcome(
        workload=(
            f"{found['facts']:,.0f} facts of {STORES} simulated stores side by side (orders, visits, activity; what 28"
            f" days have of them before there are {wanted:,} entities), counted for the default vector of"
            f" {len(DEFINITIONS.names)} numbers. The figure is the difference of the server's `used_memory`, keys and"
            " all; the mean of a kind is of a sample's MEMORY USAGE."
        ),
        runs=[Run("amana", 0, found | {"used_mb": used})],
        figures={"million_entities_mb": used},
        targets={"million_entities_mb": "<= 500"},
        columns=["kind", "entities", "bytes each, mean"],
        rows=[[kind, f"{number:,.0f}", f"{found[f'{kind}_bytes']:,.0f}"] for kind, number in kinds.items()]
        + [["all", f"{found['entities']:,.0f}", f"{1e6 * used / found['entities']:,.0f}"]],
    )


async def filled(server: Server, wanted: int) -> dict[str, float]:
    async with connect(server.url, timeout_s=60) as client:
        assert isinstance(client, Redis)
        await client.config_set("auto-aof-rewrite-percentage", 0)  # a rewrite's buffers are no entity's memory
        ours = Ours(client, DEFINITIONS)
        await ours.learn([])
        before, applied = await used_b(client), 0
        for chunk in batched(copies(facts(wanted), STORES), CHUNK):
            await ours.learn(chunk)
            applied += len(chunk)
            if await client.dbsize() >= wanted:
                break
        used_mb = (await used_b(client) - before) / 1e6
        return {"used_mb": used_mb, "facts": float(applied)} | await mix(client)


def facts(wanted: int) -> Iterator[AnyFact]:
    """More than enough of one store: an order comes with some four entities that are new."""
    store = workload.store(max(500, wanted // STORES // 3))
    return facts_of(one for one in simulate(store) if workload.topic(one) != topics.LABELS)


async def used_b(client: Any) -> int:
    return int((await client.info("memory"))["used_memory"])


async def mix(client: Any) -> dict[str, float]:
    """How many entities of each kind, and the mean bytes of one."""
    counts: Counter[str] = Counter()
    sizes: dict[str, list[int]] = {kind: [] for kind in KINDS}
    async for key in client.scan_iter(count=1_000):
        kind = key.decode().partition("}")[2].partition(":")[0]
        if kind in sizes:
            if counts[kind] % SAMPLE == 0:
                sizes[kind].append(await client.memory_usage(key))
            counts[kind] += 1
    numbers = {f"{kind}_entities": float(counts[kind]) for kind in KINDS}
    means = {f"{kind}_bytes": fmean(sizes[kind] or [0]) for kind in KINDS}
    return {"entities": float(counts.total())} | numbers | means
