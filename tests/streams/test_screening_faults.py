"""Screening on a real Redis, disturbed: every vector is still the naive twin's, or it stops and says so."""

import asyncio
import random
import shutil
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from events.facts import AnyFact, Coordinates, encode
from features.definitions import DEFINITIONS
from features.errors import StoreFull
from features.formulas import Floats
from features.store import Client, Store, connect
from models.decisions import Decision
from models.screening import Decided
from streams.errors import AheadOfLog
from streams.lateness import Late
from streams.log import LogRecord
from streams.screening import Screening
from tests.features.oracle import Oracle
from tests.features.streams import Settings, random_facts
from tests.harness import Redis
from tests.streams.fakes import FakeLog

CHUNK, FACTS = 20, 200
Disturb = Callable[[Client, int], Awaitable[None]]  # told of the position of the chunk that comes next


@pytest.fixture
def redis() -> Iterator[Redis]:
    with Redis() as server:
        yield server


def random_log(settings: Settings | None = None, seed: int = 4) -> list[AnyFact]:
    settings = settings or Settings(facts=FACTS, entities=10, step_min=2, late=0.1, repeats=0.1)
    return random_facts(random.Random(seed), settings)


class Run:
    """A log screened to its end, chunk by chunk, with what was decided and told."""

    def __init__(self, facts: Sequence[AnyFact]) -> None:
        self.facts = facts
        self.log = FakeLog({0: [LogRecord(offset, encode(fact)) for offset, fact in enumerate(facts)]})
        self.vectors: dict[Coordinates, bytes] = {}
        self.late: dict[Coordinates, int] = {}

    def conclude(self, decided: Sequence[Decided], matrix: Floats, flags: tuple[str, ...]) -> list[Decision]:  # noqa: ARG002
        self.vectors.update({fact.source: row.tobytes() for fact, row in zip(decided, matrix, strict=True)})
        return []

    async def publish(self, _: int, decisions: list[Decision]) -> None:
        assert not decisions

    async def report(self, _: int, late: list[Late]) -> None:
        self.late.update({entry.source: entry.late_s for entry in late})

    async def screen(self, url: str, disturb: Disturb, during: Callable[[int], None] | None = None) -> None:
        async with connect(url, timeout_s=5) as client:
            store = Store(client, shards=2)
            stage = Screening(store, self.log, "facts-id", self.conclude, self.publish, report=self.report)
            await stage.begin()
            await stage.open(0)
            for position in range(0, len(self.facts), CHUNK):
                await disturb(client, position)
                chunk = self.log.partitions[0][position : position + CHUNK]
                handling = asyncio.create_task(stage.handle(0, chunk))
                if during is not None:
                    await asyncio.sleep(0.002 * (position % 7))
                    during(position)
                await handling
                self.log.commits = {0: position + len(chunk)}

    def assert_sound(self) -> None:
        oracle = Oracle(DEFINITIONS)
        expected = {fact.source: vector for fact in self.facts if (vector := oracle.apply(fact)) is not None}
        assert self.vectors == {source: np.array(vector).tobytes() for source, vector in expected.items()}
        assert self.late == oracle.late


async def nothing(_: Client, __: int) -> None:
    """An undisturbed run."""


def test_a_redis_killed_in_the_middle_of_chunks_loses_nothing(redis: Redis) -> None:
    def kill(position: int) -> None:
        if position % 60 == 0:
            redis.kill()
            redis.start()

    run = Run(random_log())
    asyncio.run(run.screen(redis.url, nothing, kill))
    run.assert_sound()


def test_a_redis_restarted_empty_is_rebuilt_before_the_next_decision(redis: Redis) -> None:
    async def empty(_: Client, position: int) -> None:
        if position == 5 * CHUNK:
            redis.kill()
            shutil.rmtree(redis.data)
            redis.data.mkdir()
            redis.start()

    run = Run(random_log())
    asyncio.run(run.screen(redis.url, empty))
    run.assert_sound()
    assert run.log.reads == [(0, 0, 5 * CHUNK)]


def test_a_redis_restored_from_an_older_copy_is_brought_up_to_date_first(redis: Redis, tmp_path: Path) -> None:
    async def restore(_: Client, position: int) -> None:
        if position == 3 * CHUNK:
            redis.stop()
            shutil.copytree(redis.data, tmp_path / "copy")
            redis.start()
        if position == 7 * CHUNK:
            redis.kill()
            shutil.rmtree(redis.data)
            shutil.copytree(tmp_path / "copy", redis.data)
            redis.start()

    run = Run(random_log())
    asyncio.run(run.screen(redis.url, restore))
    run.assert_sound()
    assert run.log.reads == [(0, 3 * CHUNK, 7 * CHUNK)]


def test_a_redis_out_of_memory_stops_screening_and_with_more_it_goes_on(redis: Redis) -> None:
    async def limit(client: Client, position: int) -> None:
        if position == 5 * CHUNK:
            await client.config_set("maxmemory", 1)

    async def lift() -> None:
        async with connect(redis.url) as client:
            await client.config_set("maxmemory", 0)

    run = Run(random_log())
    with pytest.raises(StoreFull, match="shard 0 is out of memory: raise its maxmemory"):
        asyncio.run(run.screen(redis.url, limit))
    assert set(run.vectors) <= {fact.source for fact in run.facts[: 5 * CHUNK]}
    asyncio.run(lift())
    asyncio.run(run.screen(redis.url, nothing))
    run.assert_sound()


def test_scripts_flushed_before_every_chunk_change_nothing(redis: Redis) -> None:
    async def flush(client: Client, _: int) -> None:
        await client.script_flush()

    run = Run(random_log())
    asyncio.run(run.screen(redis.url, flush))
    run.assert_sound()


def test_a_fence_ahead_of_the_log_stops_screening_before_any_decision(redis: Redis) -> None:
    facts = random_log()
    asyncio.run(Run(facts).screen(redis.url, nothing))
    shorter = Run(facts[:CHUNK])
    with pytest.raises(AheadOfLog, match=rf"applied offset {len(facts) - 1}, but the log ends at {CHUNK}"):
        asyncio.run(shorter.screen(redis.url, nothing))
    assert shorter.vectors == {}


def skewed(facts: Sequence[AnyFact], ahead_ms: int) -> list[AnyFact]:
    """Every ninth fact by a clock that stands at 1970, every tenth by one that is ahead."""

    def times(place: int, at_ms: int) -> int:
        return 0 if place % 9 == 0 else at_ms + ahead_ms * (place % 10 == 0)

    return [
        msgspec.structs.replace(fact, occurred_at_ms=times(place, fact.occurred_at_ms))
        for place, fact in enumerate(facts)
    ]


def stormy(facts: Sequence[AnyFact], times: int) -> list[AnyFact]:
    """Each fact sent many times over, at offsets of its own."""
    storm = random.Random(1).sample([fact for fact in facts for _ in range(times)], times * len(facts))
    return [
        msgspec.structs.replace(fact, source=msgspec.structs.replace(fact.source, offset=offset))
        for offset, fact in enumerate(storm)
    ]


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda: skewed(random_log(), 5 * 60_000), id="clocks at 1970 and five minutes ahead"),
        pytest.param(lambda: random_log(Settings(FACTS, 3, 5, late=0.9, repeats=0.1)), id="out of order"),
        pytest.param(lambda: stormy(random_log(Settings(60, 5, 1, 0, 0)), 10), id="duplicates"),
    ],
)
def test_a_storm_changes_no_number(redis: Redis, made: Callable[[], list[AnyFact]]) -> None:
    run = Run(made())
    asyncio.run(run.screen(redis.url, nothing))
    run.assert_sound()
