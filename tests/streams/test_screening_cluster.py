"""Screening on a real cluster whose shard moves and whose replica lacks the last writes, against the naive twin."""

import asyncio
import random
from collections.abc import Sequence

import numpy as np

from events.facts import Coordinates, encode
from features.batches import tag
from features.definitions import DEFINITIONS
from features.formulas import Floats
from features.store import Store, connect
from models.decisions import Decision
from models.screening import Decided
from streams.log import LogRecord
from streams.screening import Screening
from tests.features.oracle import Oracle
from tests.features.streams import Settings, random_facts
from tests.harness import RedisCluster
from tests.streams.fakes import FakeLog

SHARD = tag(0)
CHUNK = 20
MOVED_AT, CUT_OFF_AT, FAILED_OVER_AT, END = 100, 200, 260, 400


def test_every_vector_is_the_naive_twins_while_a_slot_moves_and_a_failover_loses_writes() -> None:
    facts = random_facts(random.Random(4), Settings(facts=END, entities=10, step_min=20, late=0.05, repeats=0.1))
    log = FakeLog({0: [LogRecord(offset, encode(fact)) for offset, fact in enumerate(facts)]})
    vectors: dict[Coordinates, bytes] = {}

    def conclude(decided: Sequence[Decided], matrix: Floats, flags: tuple[str, ...]) -> list[Decision]:
        vectors.update({fact.source: row.tobytes() for fact, row in zip(decided, matrix, strict=True)})
        return []

    async def publish(partition: int, decisions: list[Decision]) -> None:
        pass

    async def disturb(cluster: RedisCluster, position: int) -> None:
        master = cluster.owner(SHARD)
        if position == MOVED_AT:
            for _ in cluster.moving(SHARD, next(node for node in cluster.masters() if node is not master)):
                pass
        if position == CUT_OFF_AT:
            cluster.cut_off_replicas(master)
        if position == FAILED_OVER_AT:
            cluster.fail_over(master)

    async def screen(cluster: RedisCluster) -> None:
        async with connect(cluster.url, timeout_s=5) as client:
            stage = Screening(Store(client, shards=3), log, "facts-id", conclude, publish)
            await stage.begin()
            await stage.open(0)
            for position in range(0, len(facts), CHUNK):
                await disturb(cluster, position)
                await stage.handle(0, log.partitions[0][position : position + CHUNK])
                log.commits = {0: position + CHUNK}

    with RedisCluster(replicas=1, timeout_ms=1_000) as cluster:
        asyncio.run(screen(cluster))
    oracle = Oracle(DEFINITIONS)
    expected = {fact.source: vector for fact in facts if (vector := oracle.apply(fact)) is not None}
    assert vectors == {source: np.array(vector).tobytes() for source, vector in expected.items()}
    assert log.reads == [(0, CUT_OFF_AT, FAILED_OVER_AT)]
