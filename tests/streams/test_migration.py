"""A store of other definitions takes the old one's place: on the embedded server, with a log in a list."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from redis.asyncio import Redis

from features import handover
from features.declared import Definitions
from features.definitions import DEFINITIONS, Windowed
from features.errors import ForeignStore
from features.handover import Purpose
from features.store import Chunk, Store, connect
from models import artifact, fallback, training
from models.decisions import Decision, encode
from streams import migration
from streams.errors import Unmigratable
from streams.log import LogRecord
from streams.migration import Migration, check_model
from streams.screening import Screening
from tests.models.conftest import NAMES, make_table
from tests.servers import Embedded
from tests.streams.fakes import FakeLog, conclude, order_fact, records

OLD = Definitions((Windowed("card", "orders", "count", "1h"),))
NEW = Definitions((Windowed("card", "orders", "count", "24h"), Windowed("ip", "orders", "count", "1h")))
TOPIC = "facts-id"


class Killed(Exception):
    """Where it is raised the process died."""


class Facts(FakeLog):
    """`members` are what the group is found to have, one after another, then none."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.found_members: list[int] = []
        self.fail_after: int | None = None  # chunks read

    async def members(self) -> int:
        return self.found_members.pop(0) if self.found_members else 0

    async def read(self, partition: int, first: int, until: int) -> AsyncIterator[Sequence[LogRecord]]:
        async for chunk in super().read(partition, first, until):
            if self.fail_after is not None:
                self.fail_after -= 1
                if self.fail_after < 0:
                    raise Killed
            yield chunk


class Decisions(FakeLog):
    async def since(self, partition: int, ms: int) -> int:  # noqa: ARG002
        return 0


class Setup(NamedTuple):
    old: Redis
    new: Redis
    facts: Facts
    decisions: Decisions

    def migration(self, shards: int = 1) -> Migration:
        return Migration(self.old, self.new, self.facts, self.decisions, TOPIC, NEW, shards)

    async def screen(
        self, client: Redis, definitions: Definitions, first: int, until: int, publish: int = 2**62
    ) -> list[str]:
        """What is published of a chunk, of which no more than `publish` decisions get out; nothing is committed."""
        out: list[Decision] = []

        async def send(_: int, decisions: list[Decision]) -> None:
            out.extend(decisions[:publish])

        stage = Screening(Store(client, definitions), self.facts, TOPIC, conclude, send)
        await stage.begin()
        await stage.open(0)
        await stage.handle(0, [each for each in self.facts.partitions[0] if first <= each.offset < until])
        held = list(self.decisions.partitions[0])
        held += [LogRecord(at, encode(decision)) for at, decision in enumerate(out, len(held))]
        self.decisions.partitions = {0: held}
        return [decision.order_id for decision in out]


Run = Callable[[Callable[[Setup], Awaitable[Any]]], Any]


@pytest.fixture
def run(embedded_redis: Embedded, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(migration, "MEMBERS_S", 0.001)

    async def with_setup(body: Callable[[Setup], Awaitable[Any]]) -> Any:
        async with connect(f"{embedded_redis.url}?db=1") as old, connect(f"{embedded_redis.url}?db=2") as new:
            await old.flushall()
            facts = Facts({0: records(0, 12)}, {})
            return await body(Setup(old, new, facts, Decisions({0: []})))  # type: ignore[arg-type]

    return lambda body: asyncio.run(asyncio.wait_for(with_setup(body), 20))


async def entities(client: Redis) -> dict[bytes, bytes]:
    return {key: await client.get(key) async for key in client.scan_iter(_type="string")}


async def built_at_once(client: Redis, facts: Sequence[LogRecord]) -> dict[bytes, bytes]:
    """The entities of a store of the new definitions that got all these facts at once."""
    await client.flushdb()
    store = Store(client, NEW)
    await store.prepare(TOPIC)
    offsets, decoded = migration.decode_records(0, facts)
    await store.apply(Chunk(0, -1, len(facts), offsets, decoded))
    return await entities(client)


def ignore(_: object) -> None:
    pass


def test_the_new_store_holds_what_was_committed_and_no_rows(run: Run) -> None:
    async def body(setup: Setup) -> None:
        await setup.screen(setup.old, OLD, 0, 7)
        setup.facts.commits = {0: 7}
        told: list[float] = []
        assert await setup.migration().behind() == 7
        await setup.migration().build(told.append)
        assert sum(told) == 7
        assert await Store(setup.new, NEW).fences() == {0: 6}
        assert not await setup.new.exists("{s00}outbox:0")
        found = await entities(setup.new)
        assert found == await built_at_once(setup.new, setup.facts.partitions[0][:7])

    run(body)


def test_a_build_that_was_killed_goes_on_where_it_was(run: Run) -> None:
    async def body(setup: Setup) -> None:
        await setup.screen(setup.old, OLD, 0, 10)
        setup.facts.commits, setup.facts.fail_after = {0: 10}, 2
        with pytest.raises(Killed):
            await setup.migration().build(ignore)
        setup.facts.fail_after = None
        await setup.migration().build(ignore)
        assert setup.facts.reads == [(0, 0, 10), (0, 6, 10)]
        assert await Store(setup.new, NEW).fences() == {0: 9}

    run(body)


@pytest.mark.parametrize("published", [0, 1, 3, 5])
def test_what_was_published_and_not_committed_is_not_decided_again(run: Run, published: int) -> None:
    async def body(setup: Setup) -> None:
        await setup.screen(setup.old, OLD, 0, 3)
        setup.facts.commits = {0: 3}
        before = await setup.screen(setup.old, OLD, 3, 8, published)
        await migrated(setup)
        after = await setup.screen(setup.new, NEW, 3, 12)
        assert before + after == [f"o-{offset}" for offset in range(3, 12)]
        found = await entities(setup.new)
        assert found == await built_at_once(setup.new, setup.facts.partitions[0])

    run(body)


def test_what_a_fallback_answered_is_still_decided(run: Run) -> None:
    async def body(setup: Setup) -> None:
        await setup.screen(setup.old, OLD, 0, 3)
        setup.facts.commits = {0: 3}
        await setup.screen(setup.old, OLD, 3, 8, publish=1)
        held = list(setup.decisions.partitions[0])
        held += [LogRecord(len(held) + n, encode(fallback.conclude(order_fact(3 + n)))) for n in range(4)]
        setup.decisions.partitions = {0: held}
        await migrated(setup)
        assert await setup.screen(setup.new, NEW, 3, 8) == ["o-4", "o-5", "o-6", "o-7"]

    run(body)


def test_a_repeat_of_an_order_decided_before_hides_none_that_was_not(run: Run) -> None:
    """Intake wrote order 1 again, behind orders that are not decided yet."""

    async def body(setup: Setup) -> None:
        log = [*records(0, 5), LogRecord(5, records(1, 2)[0].value), LogRecord(6, records(6, 7)[0].value)]
        setup.facts.partitions = {0: log}
        await setup.screen(setup.old, OLD, 0, 3)
        setup.facts.commits = {0: 3}
        await migrated(setup)
        assert await setup.screen(setup.new, NEW, 3, 7) == ["o-3", "o-4", "o-6"]

    run(body)


async def migrated(setup: Setup, shards: int = 1) -> None:
    await setup.migration(shards).build(ignore)
    await setup.migration(shards).switch(ignore)


@pytest.mark.parametrize("interrupted", ["retire", "release", "_settle"])
def test_an_interrupted_switch_can_be_made_again(run: Run, monkeypatch: pytest.MonkeyPatch, interrupted: str) -> None:
    async def body(setup: Setup) -> None:
        await setup.screen(setup.old, OLD, 0, 3)
        setup.facts.commits = {0: 3}
        await setup.screen(setup.old, OLD, 3, 8, 2)
        with monkeypatch.context() as patched:
            where: Any = Migration if interrupted == "_settle" else migration
            done = getattr(where, interrupted)

            async def done_and_killed(*arguments: Any) -> None:
                await done(*arguments)
                raise Killed

            patched.setattr(where, interrupted, done_and_killed)
            with pytest.raises(Killed):
                await migrated(setup)
        again = setup.migration()
        if not await again.done():
            await again.switch(ignore)
        assert await setup.screen(setup.new, NEW, 3, 8) == ["o-5", "o-6", "o-7"]

    run(body)


def test_the_old_store_takes_no_chunk_more_and_no_worker(run: Run) -> None:
    async def body(setup: Setup) -> None:
        await setup.screen(setup.old, OLD, 0, 3)
        before = await entities(setup.old)
        setup.facts.commits = {0: 3}
        await migrated(setup)
        store = Store(setup.old, OLD)
        with pytest.raises(ForeignStore, match=f"it has {OLD.hash}, migrated to {NEW.hash}"):
            await store.apply(Chunk(0, 2, 3, [3], [order_fact(3)]))
        with pytest.raises(ForeignStore, match=f"definitions is {OLD.hash}, migrated to {NEW.hash} there"):
            await store.prepare(TOPIC)
        assert await entities(setup.old) == before

    run(body)


@pytest.mark.parametrize("shards", [1, 3])
def test_nobody_screens_with_the_new_store_before_the_switch(run: Run, shards: int) -> None:
    async def body(setup: Setup) -> None:
        await setup.screen(setup.old, OLD, 0, 3)
        setup.facts.commits = {0: 3}
        await setup.migration(shards).build(ignore)
        with pytest.raises(ForeignStore, match="facts_topic_id is facts-id, being built there, facts-id here"):
            await Store(setup.new, NEW, shards).prepare(TOPIC)
        await setup.migration(shards).switch(ignore)
        await Store(setup.new, NEW, shards).prepare(TOPIC)

    run(body)


def test_the_switch_waits_until_nobody_screens_with_the_old_store(run: Run) -> None:
    async def body(setup: Setup) -> None:
        await setup.screen(setup.old, OLD, 0, 3)
        setup.facts.commits, setup.facts.found_members = {0: 3}, [2, 2, 1]
        said: list[str] = []
        await setup.migration().switch(said.append)
        assert said == [
            f"the old store is retired; waiting for {members} members of the screening group to end"
            for members in (2, 1)
        ]

    run(body)


def test_a_switch_that_was_made_is_not_made_again(run: Run) -> None:
    async def body(setup: Setup) -> None:
        await setup.screen(setup.old, OLD, 0, 3)
        assert not await setup.migration().done()
        await migrated(setup)
        assert await setup.migration().done()

    run(body)


async def nothing(_: Setup) -> None:
    pass


async def another_topic(setup: Setup) -> None:
    await Store(setup.old, OLD).prepare("other-id")


async def these_definitions(setup: Setup) -> None:
    await Store(setup.old, NEW).prepare(TOPIC)


async def migrated_to_others(setup: Setup) -> None:
    await Store(setup.old, OLD).prepare(TOPIC)
    await handover.retire(setup.old, Purpose(TOPIC, OLD.hash, 1), "abc")


async def something_else(setup: Setup) -> None:
    await Store(setup.old, OLD).prepare(TOPIC)
    await setup.new.set("theirs", "1")


async def in_use(setup: Setup) -> None:
    await Store(setup.old, OLD).prepare(TOPIC)
    await Store(setup.new, NEW).prepare(TOPIC)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (nothing, "there is no feature store at --from"),
        (another_topic, "the store at --from is of facts topic other-id, expected facts-id"),
        (these_definitions, f"the store at --from is of definitions {NEW.hash} already"),
        (migrated_to_others, "the store at --from was migrated to definitions abc before"),
        (something_else, "the database at --to holds something else: expected an empty one"),
        (in_use, "the store at --to is in use: expected an empty database, or a migration's"),
    ],
)
def test_stores_that_cannot_be_migrated_are_refused(
    run: Run, given: Callable[[Setup], Awaitable[None]], message: str
) -> None:
    async def body(setup: Setup) -> None:
        await given(setup)
        with pytest.raises(Unmigratable) as stated:
            await setup.migration().done()
        assert str(stated.value) == message

    run(body)


@pytest.mark.parametrize(("definitions", "shards"), [(OLD, 1), (NEW, 3)])
def test_a_store_cannot_be_rebuilt_in_its_own_place(run: Run, definitions: Definitions, shards: int) -> None:
    async def body(setup: Setup) -> None:
        await Store(setup.old, definitions, shards).prepare(TOPIC)
        here = setup._replace(new=setup.old)
        assert not await here.migration().done()
        with pytest.raises(ForeignStore, match="feature store shard 0 was written for something else"):
            await here.migration().build(ignore)

    run(body)


def test_a_model_of_other_definitions_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    check_model(tmp_path, DEFINITIONS.hash)
    version = artifact.save(tmp_path, training.train(make_table(), NAMES, definitions="d" * 32, seed=7))
    check_model(tmp_path, "d" * 32)
    with pytest.raises(Unmigratable) as stated:
        check_model(tmp_path, DEFINITIONS.hash)
    assert str(stated.value) == (
        f"the current model, {version}, is of definitions {'d' * 32}, expected {DEFINITIONS.hash}: train one "
        "(`amana features backfill`, `amana train --vectors`), or name a folder without one: rules decide"
    )
