from base64 import b64encode
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Unreachable

from events.facts import ActivityFact, Coordinates, Entities, VisitFact
from features.batches import shard_of
from features.cluster import Cluster
from features.definitions import DEFINITIONS, Definitions, Windowed
from features.errors import ForeignStore, Gap, Restarted, StoreFull
from features.formulas import Evenness
from features.numbers import Age, Distinct, First, Since
from features.store import Applied, Chunk, Store
from tests.features.chunks import NOON_MS, SMALL, chunk, opened, order, refused, rows
from tests.features.streams import Run


def test_an_order_is_read_before_it_is_counted(run: Run) -> None:
    async def body(client: Redis) -> Applied:
        return await (await opened(client)).apply(chunk(0, order(0), order(1, 0.5), order(2, 3)))

    applied = run(body)
    assert applied.decided == [0, 1, 2]
    assert rows(applied) == [[0, 0, 0, 0, 10], [1, 1000, 1, 30, 10], [2, 2000, 2, 180, 10]]
    assert (applied.applied, applied.repeats) == (3, 0)


def test_an_entity_that_is_not_named_is_absent_and_one_never_seen_is_zero(run: Run) -> None:
    async def body(client: Redis) -> Applied:
        return await (await opened(client)).apply(chunk(0, order(0, card=None)))

    assert np.array_equal(run(body).matrix, [[np.nan, np.nan, 0, np.nan, 10]], equal_nan=True)


def test_an_order_in_an_unknown_currency_counts_but_adds_no_amount(run: Run) -> None:
    async def body(client: Redis) -> Applied:
        return await (await opened(client)).apply(chunk(0, order(0, currency="XXX"), order(1)))

    assert rows(run(body))[1][:2] == [1, 0]


def test_what_has_no_amount_is_neither_the_smallest_nor_the_largest(run: Run) -> None:
    definitions = Definitions((
        *(Windowed("card", "orders", of, "10m") for of in ("min", "max", "sum")),  # type: ignore[arg-type]
        Evenness("card", "orders", "10m"),
    ))  # fmt: skip

    async def body(client: Redis) -> Applied:
        unknown, free = order(0, currency="XXX"), order(2, amount_minor=0)
        store = await opened(client, definitions=definitions)
        return await store.apply(chunk(0, unknown, order(1), free, order(3, amount_minor=400), order(4)))

    nothing = [np.nan, np.nan, 0, np.nan]
    expected = [nothing, nothing, [1000, 1000, 1000, 1], [0, 1000, 1000, 0], [0, 1000, 1400, 0]]
    assert np.array_equal(run(body).matrix, expected, equal_nan=True)


@pytest.mark.parametrize("shards", [1, 3])
def test_an_order_without_entities_and_a_refused_one_are_decided_too(run: Run, shards: int) -> None:
    async def body(client: Redis) -> Applied:
        return await (await opened(client, shards)).apply(chunk(0, order(0, card=None, ip=None), refused(1)))

    applied = run(body)
    assert applied.decided == [0, 1]
    absent = [np.nan] * 4
    assert np.array_equal(applied.matrix, [[*absent, 10], [*absent, np.nan]], equal_nan=True)


def test_other_facts_are_counted_and_not_decided(run: Run) -> None:
    visit = VisitFact(
        source=Coordinates("visits", "visits-id", 0, 7),
        event_id="v",
        occurred_at_ms=NOON_MS,
        recorded_at_ms=NOON_MS,
        entities=Entities(session="s", ip="i"),
    )

    async def body(client: Redis) -> tuple[Applied, float]:
        store = await opened(client, definitions=DEFINITIONS)
        applied = await store.apply(chunk(0, visit, order(1, 1)))
        return applied, applied.matrix[0][DEFINITIONS.names.index("ip.visits.count.10m")]

    applied, visits = run(body)
    assert (applied.decided, applied.applied, visits) == ([1], 2, 1)


def test_a_repeated_chunk_gives_the_kept_rows_whatever_its_borders(run: Run) -> None:
    facts = [order(n, n) for n in range(4)]

    async def body(client: Redis) -> list[list[list[float]]]:
        store = await opened(client, shards=2)
        first = [await store.apply(chunk(0, *facts[:3])), await store.apply(chunk(3, *facts[3:]))]
        again = [await store.apply(chunk(0, *facts[:1])), await store.apply(chunk(1, *facts[1:]))]
        assert [a.applied for a in again] == [0, 0]
        return [rows(first[0]) + rows(first[1]), rows(again[0]) + rows(again[1])]

    first, again = run(body)
    assert first == again


def test_a_row_says_how_far_each_shard_was_with_the_other_partitions(run: Run) -> None:
    asking = chunk(1, order(1, card="c", ip="c", event_id="new"), order(2, card="d", ip="c", event_id="newer"))

    async def body(client: Redis) -> list[Applied]:
        store = await opened(client, shards=2)
        alone = await store.apply(chunk(0, order(0)))
        await store.apply(chunk(0, order(0), order(1), order(2), partition=12))
        await store.apply(chunk(0, order(0), partition=3))
        both = await store.apply(asking)
        await store.apply(chunk(3, order(3), partition=12))
        return [alone, both, await store.apply(chunk(0, order(0), *asking.facts))]

    alone, both, again = run(body)
    assert (shard_of("c", 2), shard_of("d", 2)) == (1, 0)
    assert alone.positions == []
    assert both.positions == [((), (3, 0, 12, 2)), ((3, 0, 12, 2), (3, 0, 12, 2))]
    assert again.positions == [(), *both.positions]  # as it was when each was read


def test_a_fact_at_another_offset_with_a_source_already_seen_is_dropped(run: Run) -> None:
    async def body(client: Redis) -> list[Applied]:
        store = await opened(client, shards=2)
        return [await store.apply(chunk(0, order(5))), await store.apply(chunk(1, order(4), order(5), order(6)))]

    _, second = run(body)
    assert second.decided == [2]
    assert (second.applied, second.repeats) == (1, 2)
    assert rows(second)[0][0] == 1


def test_a_source_partition_or_topic_of_its_own_has_a_mark_of_its_own(run: Run) -> None:
    sources = [("a", 0, 9), ("a", 1, 3), ("b", 0, 3)]
    facts = [
        order(0, event_id=f"{topic_id}{part}", source=Coordinates("orders", topic_id, part, at))
        for topic_id, part, at in sources
    ]

    async def body(client: Redis) -> Applied:
        return await (await opened(client)).apply(chunk(0, *facts))

    assert run(body).decided == [0, 1, 2]


def test_a_chunk_after_a_gap_is_refused_and_nothing_of_it_applied(run: Run) -> None:
    async def body(client: Redis) -> dict[int, int]:
        store = await opened(client)
        await store.apply(chunk(0, order(0)))
        with pytest.raises(Gap, match=r"partition 0 up to offset 0, but the chunk follows offset 4: .*offset 1") as gap:
            await store.apply(chunk(5, order(5)))
        assert (gap.value.shard, gap.value.fence, gap.value.previous) == (0, 0, 4)
        assert rows(await store.apply(chunk(1, order(1))))[0][0] == 1
        return await store.fences()

    assert run(body) == {0: 1}


def test_every_chunk_moves_the_fence_of_every_shard(run: Run) -> None:
    async def body(client: Redis) -> dict[int, int]:
        store = await opened(client, shards=3)
        await store.apply(chunk(0, order(0, ip=None), None))
        await store.apply(Chunk(0, 1, 0, [], []))
        await store.apply(chunk(0, order(0, ip=None), partition=4))
        return await store.fences()

    assert run(body) == {0: 1, 4: 0}


def test_a_partition_that_a_shard_does_not_know_counts_as_not_begun(run: Run) -> None:
    async def body(client: Redis) -> dict[int, int]:
        store = await opened(client, shards=2)
        await store.apply(chunk(0, order(0)))
        await client.delete("{s01}fences")
        return await store.fences()

    assert run(body) == {0: -1}


def test_rows_below_the_committed_offset_are_forgotten_and_never_made(run: Run) -> None:
    async def body(client: Redis) -> tuple[list[list[int]], int]:
        store = await opened(client)
        await store.apply(chunk(0, order(0), order(1)))
        await store.apply(chunk(2, order(2)))
        again = await store.apply(chunk(0, order(0), order(1), order(2), committed=2))
        rebuilt = await store.apply(chunk(3, order(3), order(4), committed=4))
        return [again.decided, rebuilt.decided], await client.hlen("{s00}outbox:0")

    assert run(body) == ([[2], [1]], 1)


def test_a_trimmed_row_is_not_decided_again(run: Run) -> None:
    async def body(client: Redis) -> list[int]:
        store = await opened(client)
        await store.apply(chunk(0, order(0)))
        await store.apply(chunk(1, order(1), committed=1))
        return (await store.apply(chunk(0, order(0), order(1), committed=0))).decided

    assert run(body) == [1]


def test_a_crash_between_two_shards_is_made_good_by_the_repeat(run: Run) -> None:
    class HalfDown:
        def __init__(self, client: Redis) -> None:
            self._client = client

        def __getattr__(self, name: str) -> object:
            return getattr(self._client, name)

        async def execute_command(self, *arguments: object) -> object:
            if arguments[3] == "{s01}fences":
                raise Unreachable("down")
            return await self._client.execute_command(*arguments)

    facts = [order(n, n, card=f"c{n % 2}", ip=f"i{n % 3}") for n in range(6)]

    async def body(client: Redis) -> list[list[list[float]]]:
        undisturbed = await (await opened(client, shards=2)).apply(chunk(0, *facts))
        await client.flushall()
        store = await opened(client, shards=2)
        with pytest.raises(Unreachable):
            await Store(HalfDown(client), SMALL, shards=2).apply(chunk(0, *facts))
        assert await store.fences() == {0: -1}
        return [rows(undisturbed), rows(await store.apply(chunk(0, *facts)))]

    undisturbed, repeated = run(body)
    assert undisturbed == repeated


@pytest.mark.parametrize(
    ("topic_id", "definitions", "shards", "differs"),
    [
        ("other-id", SMALL, 1, "facts_topic_id is facts-id there, other-id here"),
        ("facts-id", DEFINITIONS, 1, f"definitions is {SMALL.hash} there, {DEFINITIONS.hash} here"),
        ("facts-id", SMALL, 2, "shards is 1 there, 2 here"),
    ],
)
def test_a_store_written_for_something_else_is_refused(
    run: Run, topic_id: str, definitions: Definitions, shards: int, differs: str
) -> None:
    async def body(client: Redis) -> None:
        await opened(client)
        with pytest.raises(ForeignStore, match=f"shard 0 was written for something else: {differs}"):
            await Store(client, definitions, shards).prepare(topic_id)

    run(body)


def test_other_definitions_are_refused_at_every_chunk(run: Run) -> None:
    async def body(client: Redis) -> None:
        await opened(client)
        with pytest.raises(ForeignStore, match=f"not prepared for these definitions; it has {SMALL.hash}"):
            await Store(client, DEFINITIONS).apply(chunk(0, order(0)))

    run(body)


def test_a_store_that_was_not_prepared_is_refused_and_one_that_was_emptied_is_a_gap(run: Run) -> None:
    async def body(client: Redis) -> None:
        with pytest.raises(ForeignStore, match="it has none"):
            await Store(client, SMALL).apply(chunk(0, order(0)))
        store = await opened(client)
        await store.apply(chunk(0, order(0)))
        await client.flushall()
        with pytest.raises(Gap):
            await store.apply(chunk(1, order(1)))

    run(body)


def test_flushed_scripts_are_loaded_again(run: Run) -> None:
    async def body(client: Redis) -> list[int]:
        store = await opened(client)
        await store.apply(chunk(0, order(0)))
        await client.script_flush()
        return (await store.apply(chunk(1, order(1)))).decided

    assert run(body) == [0]


def test_an_entitys_key_expires_after_every_window_has_passed(run: Run) -> None:
    async def body(client: Redis) -> list[int]:
        store, found = await opened(client), []
        for n in range(2):
            await store.apply(chunk(n, order(n)))
            found.append(await client.ttl("{s00}card:c"))
        return found

    for ttl in run(body):
        assert 32 * 86_400 < ttl <= 32 * 86_400 + 300


def test_a_chunk_for_another_server_than_the_one_seen_is_refused_and_applies_nothing(run: Run) -> None:
    async def body(client: Redis) -> tuple[int, dict[int, int]]:
        store = await opened(client)
        seen = await store.look()
        applied = await store.apply(msgspec.structs.replace(chunk(0, order(0)), servers=seen.servers))
        elsewhere = msgspec.structs.replace(chunk(1, order(1)), servers=("0" * 40,))
        with pytest.raises(Restarted, match="shard 0 is on another server"):
            await store.apply(elsewhere)
        return applied.applied, (await store.look()).fences

    assert run(body) == (1, {0: 0})


def test_an_entity_forgets_what_its_longest_window_has_left(run: Run) -> None:
    day = 24 * 60

    async def body(client: Redis) -> list[list[int]]:
        store, found = await opened(client), []
        for n, minute in enumerate((0, 30 * day, 30 * day + 12 * 60 + 4, 30 * day + 12 * 60 + 5)):
            await store.apply(chunk(n, order(n, minute)))
            columns, tiles, _ = msgspec.msgpack.decode(await client.get("{s00}card:c"))
            assert columns == "\x01\x02"
            found.append(tiles)
        return found

    first, second, third, fourth = (NOON_MS // 1000 + s for s in (0, 2_592_000, 2_635_440, 2_635_500))
    assert run(body) == [
        [first, 1, 1000],
        [first, 1, 1000, second, 2, 2000],
        [first, 1, 1000, second, 2, 2000, third, 3, 3000],
        [second, 1, 1000, third, 2, 2000, fourth, 3, 3000],
    ]


def test_an_event_that_comes_again_at_another_offset_counts_once_and_has_no_vector(run: Run) -> None:
    first = order(0)
    again = msgspec.structs.replace(first, source=Coordinates("orders", "orders-id", 0, 7))

    async def body(client: Redis) -> list[Applied]:
        store = await opened(client, 2, DEFINITIONS)
        return [await store.apply(chunk(0, first, order(1))), await store.apply(chunk(2, again, order(8)))]

    one, two = run(body)
    assert (one.decided, two.decided, two.repeats) == ([0, 1], [1], 1)
    assert two.matrix[0, DEFINITIONS.names.index("card.orders.count.1h")] == 2


def test_an_id_used_for_another_event_does_not_hide_it(run: Run) -> None:
    async def body(client: Redis) -> Applied:
        store = await opened(client)
        return await store.apply(chunk(0, order(0), order(1, minute=1, event_id="e0")))

    assert run(body).decided == [0, 1]


def test_an_events_id_is_remembered_in_96_bits(run: Run) -> None:
    async def body(client: Redis) -> set[bytes]:
        await (await opened(client)).apply(chunk(0, order(0)))
        return set(await client.smembers(f"{{s00}}events:{NOON_MS // 3_600_000}"))

    assert run(body) == {b64encode(blake2b(f"e0 OrderFact {NOON_MS}".encode(), digest_size=12).digest())}


def test_what_was_before_1970_is_dated_as_any_other(run: Run) -> None:
    definitions = Definitions((Since("card", "orders"), Age("card")))
    facts = [order(n, occurred_at_ms=second * 1000) for n, second in enumerate((-3_000, -2_990, -2_900))]

    async def body(client: Redis) -> Applied:
        return await (await opened(client, definitions=definitions)).apply(chunk(0, *facts))

    assert np.array_equal(run(body).matrix, [[np.nan, 0], [10, 10], [90, 100]], equal_nan=True)


def test_a_flood_of_members_is_capped_and_says_so(run: Run) -> None:
    emails = [*(f"{n:06}" for n in range(200)), "000199", "000000"]
    facts = [
        msgspec.structs.replace(order(n, n / 60), entities=Entities(ip="i", email=email))
        for n, email in enumerate(emails)
    ]

    async def body(client: Redis) -> tuple[Applied, int]:
        applied = await (await opened(client, 1, DEFINITIONS)).apply(chunk(0, *facts))
        return applied, int(await client.strlen("{s00}ip:i"))

    applied, size = run(body)
    distinct = applied.matrix[:, DEFINITIONS.names.index("ip.email.distinct.30d")]
    first = applied.matrix[:, DEFINITIONS.names.index("ip.email.first")]
    assert distinct.tolist() == [*map(float, range(65)), *[65.0] * 137]
    assert first[:65].tolist() == [1.0] * 65
    assert (first[200], np.isnan(first[201])) == (0.0, True)  # of one seen long ago nobody knows any more
    assert size < 2_500


def test_routes_that_begin_alike_are_different_members(run: Run) -> None:
    routes = ["/product/:id", "/products", "/product/:id"]
    visits = [
        VisitFact(
            source=Coordinates("visits", "visits-id", 0, n),
            event_id=f"v{n}",
            occurred_at_ms=NOON_MS,
            recorded_at_ms=NOON_MS,
            entities=Entities(ip="i"),
            route=route,
        )
        for n, route in enumerate(routes)
    ]

    async def body(client: Redis) -> Applied:
        return await (await opened(client, 1, DEFINITIONS)).apply(chunk(0, *visits, order(3)))

    assert run(body).matrix[0, DEFINITIONS.names.index("ip.route.distinct.1h")] == 2


def test_a_first_meeting_may_be_in_facts_that_are_no_orders(run: Run) -> None:
    definitions = Definitions((First("ip", "logins_failed", "card"), Distinct("ip", "logins_failed", "card", "1h")))
    failed = ActivityFact(
        source=Coordinates("activity", "activity-id", 0, 0),
        event_id="a",
        occurred_at_ms=NOON_MS,
        recorded_at_ms=NOON_MS,
        entities=Entities(card="c", ip="i"),
        activity="LoggedIn",
        succeeded=False,
    )
    facts = [order(0), failed, order(2), order(3, card="d"), order(4, card=None)]

    async def body(client: Redis) -> Applied:
        return await (await opened(client, definitions=definitions)).apply(chunk(0, *facts))

    assert np.array_equal(run(body).matrix, [[1, 0], [0, 1], [1, 1], [np.nan, 1]], equal_nan=True)


def test_a_server_out_of_memory_applies_nothing_and_is_said_so(run: Run) -> None:
    async def body(client: Redis) -> tuple[dict[int, int], Applied]:
        store = await opened(client)
        await store.apply(chunk(0, order(0)))
        everywhere: Any = {"target_nodes": "all"} if isinstance(client, Cluster) else {}
        await client.config_set("maxmemory", 1, **everywhere)
        try:
            with pytest.raises(StoreFull, match="shard 0 is out of memory: raise its maxmemory; it applied nothing"):
                await store.apply(chunk(1, order(1)))
            fences = await store.fences()
        finally:
            await client.config_set("maxmemory", 0, **everywhere)
        return fences, await store.apply(chunk(1, order(1)))

    fences, applied = run(body)
    assert (fences, applied.decided) == ({0: 0}, [0])
