from typing import Any

import msgspec
from redis.asyncio import Redis

from events.facts import Coordinates, Entities, VisitFact
from features.store import Applied
from tests.features.chunks import NOON_MS, chunk, opened, order, refused, rows
from tests.features.streams import Run


def test_a_late_fact_is_told_with_its_seconds_and_counted_all_the_same(run: Run) -> None:
    minutes = (0, 60, 55, 54.99, 0, 60.9, 61, 55)  # of the latest before: 54.99 and 0 are late, 55 at 61 is

    async def body(client: Redis) -> Applied:
        store = await opened(client, shards=3)
        return await store.apply(chunk(0, *(order(n, minute, card=f"c{n}") for n, minute in enumerate(minutes))))

    applied = run(body)
    assert applied.late == [(3, 301), (4, 3600), (7, 360)]
    assert (applied.decided, applied.applied) == (list(range(8)), 8)
    assert rows(applied)[6][2] == 4  # of its ip: 60, 55, 54.99, 60.9


def test_a_late_fact_is_told_again_until_its_chunk_is_committed_whatever_the_borders(run: Run) -> None:
    visit = VisitFact(
        source=Coordinates("visits", "visits-id", 0, 7),
        event_id="v",
        occurred_at_ms=NOON_MS,
        recorded_at_ms=NOON_MS,
        entities=Entities(session="s", ip="i"),
    )
    facts = [order(0, 60), visit, order(2, 0)]

    async def body(client: Redis) -> list[Any]:
        store = await opened(client, shards=2)
        told = [await store.apply(chunk(0, *facts)), await store.apply(chunk(0, *facts[:2]))]
        told += [await store.apply(chunk(2, facts[2])), await store.apply(chunk(3, order(3, 60), committed=3))]
        return [applied.late for applied in [*told, await store.apply(chunk(0, *facts))]]

    assert run(body) == [[(1, 3600), (2, 3600)], [(1, 3600)], [(0, 3600)], [], []]


def test_repeats_and_what_is_only_rebuilt_are_not_late(run: Run) -> None:
    again = msgspec.structs.replace(order(9, 0), event_id="e0")

    async def body(client: Redis) -> list[Any]:
        store = await opened(client)
        told = await store.apply(chunk(0, order(0, 0), order(1, 60), order(0, 0), again))
        rebuilt = await store.apply(chunk(4, order(11, 0), committed=5))
        return [(applied.late, applied.applied, applied.repeats) for applied in (told, rebuilt)]

    assert run(body) == [([], 2, 2), ([], 1, 0)]


def test_a_refused_order_which_has_no_time_of_its_own_is_not_late_and_makes_nothing_late(run: Run) -> None:
    tomorrow = msgspec.structs.replace(refused(0), occurred_at_ms=NOON_MS + 86_400_000)

    async def body(client: Redis) -> Applied:
        return await (await opened(client)).apply(chunk(0, tomorrow, order(1, 60), refused(2)))

    assert run(body).late == []


def test_each_partition_has_a_clock_of_its_own(run: Run) -> None:
    async def body(client: Redis) -> list[Any]:
        store = await opened(client)
        await store.apply(chunk(0, order(0, 60)))
        other = msgspec.structs.replace(order(1, 0), source=Coordinates("orders", "orders-id", 1, 0))
        return [(await store.apply(chunk(0, other, partition=1))).late, (await store.apply(chunk(1, order(2)))).late]

    assert run(body) == [[], [(0, 3600)]]
