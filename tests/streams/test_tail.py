"""Where the fallback begins to read, on a real broker."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from events import topics
from events.facts import encode as encode_fact
from streams import tail as module
from streams.kafka import Sender
from streams.tail import Tail
from tests.harness import Kafka
from tests.streams.fakes import order_fact
from tests.streams.pipeline import make_topics

GROUP = "amana.screen"


@pytest.fixture
def brokers() -> Iterator[str]:
    with Kafka() as kafka:
        make_topics(kafka.brokers, 2)
        yield kafka.brokers


async def append(brokers: str, topic: str, partition: int, *values: bytes) -> None:
    sender = Sender(brokers, "test")
    await sender.start()
    try:
        await sender.send(topic, partition, [(None, value) for value in values])
    finally:
        await sender.stop()


async def commit(brokers: str, offset: int) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=brokers, group_id=GROUP, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([tp := TopicPartition(topics.FACTS, 0)])
        await consumer.commit({tp: offset})
    finally:
        await consumer.stop()


async def begun(brokers: str, now_ms: int, use: Callable[[Tail], Awaitable[Any]]) -> tuple[dict[int, int], Any]:
    """What a new one says where it begins, and what comes of its use."""
    tail = Tail(brokers, GROUP, lambda: now_ms)
    await tail.start()
    try:
        return dict(await tail.begin()), await use(tail)
    finally:
        await tail.stop()


async def all_of(tail: Tail, count: int) -> dict[tuple[str, int], list[int]]:
    """Offsets that come, until there are so many."""
    found: dict[tuple[str, int], list[int]] = {}
    async with asyncio.timeout(20):
        while sum(map(len, found.values())) < count:
            for batch in await tail.arrived():
                found.setdefault((batch.topic, batch.partition), []).extend(r.offset for r in batch.records)
            await asyncio.sleep(0.02)
    return found


async def until_end(tail: Tail) -> list[tuple[int, bytes]]:
    return [(batch.partition, record.value) async for batch in tail.decisions() for record in batch.records]


def test_it_begins_with_what_screening_has_not_committed(brokers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACK", 2)
    monkeypatch.setattr(module, "SKEW_MS", 0)

    async def body() -> None:
        facts = [encode_fact(order_fact(n)) for n in range(8)]
        assert await begun(brokers, 10**15, until_end) == ({0: 0, 1: 0}, [])
        await append(brokers, topics.FACTS, 0, *facts[:5])
        await append(brokers, topics.DECISIONS, 0, b"old")
        await append(brokers, topics.DECISIONS, 1, b"elsewhere")
        await asyncio.sleep(0.05)
        await append(brokers, topics.FACTS, 0, *facts[5:])
        await append(brokers, topics.DECISIONS, 0, b"new", b"newer")
        await commit(brokers, 5)
        # Of partition 0 the decisions since fact 5; of partition 1, which has no facts, none.
        assert await begun(brokers, 0, until_end) == ({0: 5, 1: 0}, [(0, b"new"), (0, b"newer")])
        assert await begun(brokers, 0, lambda tail: all_of(tail, 7)) == (
            {0: 5, 1: 0},
            {(topics.FACTS, 0): [3, 4, 5, 6, 7], (topics.DECISIONS, 0): [1, 2]},
        )
        await commit(brokers, 8)
        assert await begun(brokers, 0, until_end) == ({0: 8, 1: 0}, [])

    asyncio.run(body())


def test_nobody_waits_for_orders_of_the_day_before(brokers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        await append(brokers, topics.FACTS, 0, encode_fact(order_fact(0)))
        await asyncio.sleep(0.3)
        await append(brokers, topics.FACTS, 0, encode_fact(order_fact(1)))
        at_ms = await begun(brokers, 0, lambda tail: tail._time_of(0, 1))
        monkeypatch.setattr(module, "HORIZON_MS", 100)
        assert (await begun(brokers, at_ms[1], until_end))[0] == {0: 1, 1: 0}
        assert (await begun(brokers, at_ms[1] + 101, until_end))[0] == {0: 2, 1: 0}

    asyncio.run(body())


def test_what_is_decided_after_the_look_is_left_for_later(brokers: str) -> None:
    async def use(tail: Tail) -> list[tuple[int, bytes]]:
        await append(brokers, topics.DECISIONS, 1, b"one", b"two")
        assert await until_end(tail) == [(1, b"one"), (1, b"two")]
        assert await until_end(tail) == []
        await append(brokers, topics.DECISIONS, 0, b"three")
        return await until_end(tail)

    assert asyncio.run(begun(brokers, 10**15, use))[1] == [(0, b"three")]
