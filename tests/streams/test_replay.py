"""Where a replay's records come from: files, and a topic on a real broker."""

import asyncio
import uuid
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from events import admin
from events.errors import Unreachable
from events.facts import decode, encode
from events.topics import TopicSpec
from features.replay import WARM_UP_MS
from streams.errors import NothingToReplay, Unreadable
from streams.kafka import Sender
from streams.replay import Files, Gathered, Record, Scope, Source, gather_facts, topic
from tests.harness import Kafka
from tests.streams.logs_of_facts import MINUTE_MS, START_MS, order, write_facts

DAY = Scope(START_MS, START_MS + 86_400_000)


def gathered(source: Source, folder: Path, scope: Scope = DAY) -> Gathered:
    return asyncio.run(gather_facts(source, folder, scope, lambda _: None, lambda _: None))


def ids(found: Gathered) -> list[str]:
    return [decode(placed.body).event_id for placed in found.facts]


def test_files_are_one_log_after_another_and_its_facts_say_their_partition(tmp_path: Path) -> None:
    one = write_facts(tmp_path / "one", [order(0, 3), order(1, 1), order(0, 1, partition=1)])
    two = write_facts(tmp_path / "two", [order(1, 1), order(2, 0), order(1, 3, partition=1)])
    found = gathered(Files([one, two]), tmp_path)
    assert ids(found) == ["e-0-2", "e-0-1", "e-1-0", "e-0-0", "e-1-1"]
    assert (found.read, found.repeats, found.partitions) == (6, 1, {0, 1})
    assert found.repeated == {order(1, 1).source}


def test_all_that_an_order_can_see_is_gathered_and_no_more(tmp_path: Path) -> None:
    warm_up = WARM_UP_MS / MINUTE_MS
    minutes = (-warm_up - 1, -warm_up, -1, 0, 1439, 1440)
    source = Files([write_facts(tmp_path / "facts", [order(n, minute) for n, minute in enumerate(minutes)])])
    assert ids(gathered(source, tmp_path)) == ["e-0-1", "e-0-2", "e-0-3", "e-0-4"]
    with pytest.raises(NothingToReplay, match="none of 6 facts is of that range"):
        gathered(source, tmp_path, Scope(START_MS * 2, START_MS * 3))


@pytest.mark.parametrize(("minute", "cut", "warned"), [(0, True, 1), (0, False, 0), (-WARM_UP_MS / MINUTE_MS, True, 0)])
def test_a_log_that_lost_a_beginning_that_is_needed_is_warned_of(
    tmp_path: Path, minute: float, cut: bool, warned: int
) -> None:
    source = Files([write_facts(tmp_path / "facts", [order(0, minute)])])
    source.cut = cut
    with capture_logs() as logged:
        gathered(source, tmp_path)
    assert [entry["event"] for entry in logged] == ["replay.begins_late"] * warned


def test_as_applied_facts_are_in_the_logs_order(tmp_path: Path) -> None:
    source = Files([write_facts(tmp_path / "facts", [order(0, 3), order(1, 1), order(2, 2)])])
    scope = Scope(DAY.from_ms, DAY.until_ms, as_applied=True)
    assert ids(gathered(source, tmp_path, scope)) == ["e-0-0", "e-0-1", "e-0-2"]


def test_all_bytes_of_files_are_told_and_a_bad_line_is_named(tmp_path: Path) -> None:
    source = Files([write_facts(tmp_path / "one", [order(0, 0)]), write_facts(tmp_path / "two", [order(1, 0)])])
    told: list[float] = []

    async def lines() -> list[Record]:
        return [record async for part in source.records(told.append) for record in part]

    _, second = asyncio.run(lines())
    assert sum(told) == source.total == sum((tmp_path / name).stat().st_size for name in ("one", "two"))
    with pytest.raises(Unreadable, match=f"^{tmp_path}/two:1: expected a fact$"):
        source.unreadable(second.partition, second.number)


def test_a_topic_is_read_to_its_end_and_what_is_no_fact_is_passed_over(tmp_path: Path, kafka: Kafka) -> None:
    name = f"replay-{uuid.uuid4().hex}"
    client = admin.connect(kafka.brokers)
    try:
        admin.create_topics(client, 2, specs=[TopicSpec(name, -1)])
    finally:
        client.close()

    async def work() -> Gathered:
        async with AsyncExitStack() as stack:
            sender = Sender(kafka.brokers, "test")
            await sender.start()
            stack.push_async_callback(sender.stop)
            await sender.send(name, 0, [(None, encode(order(0, 2))), (None, b"{}"), (None, encode(order(1, 1)))])
            await sender.send(name, 1, [(None, encode(order(0, 1.5, partition=1)))])
            source = await topic(kafka.brokers, name, "nobody", stack)
            assert source.total == 4
            return await gather_facts(source, tmp_path, DAY, lambda _: None, lambda _: None)

    found = asyncio.run(asyncio.wait_for(work(), 30))
    assert ids(found) == ["e-0-1", "e-1-0", "e-0-0"]


def test_a_broker_that_does_not_answer_is_a_stated_failure() -> None:
    async def work() -> None:
        async with AsyncExitStack() as stack:
            await topic("127.0.0.1:1", "facts", "nobody", stack)

    with pytest.raises(Unreachable, match=r"^no broker answered at 127\.0\.0\.1:1: "):
        asyncio.run(work())
