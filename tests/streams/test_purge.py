"""What the purge does when it cannot; what it does when it can is in test_bad_input, on a real broker."""

import asyncio

from aiokafka import TopicPartition
from structlog.testing import capture_logs

from events import topics
from events.facts import Coordinates
from streams.intake import Quarantined
from streams.purge import Alarm, Purge
from streams.stages import encode_quarantined
from tests.harness import free_port


class Record:
    def __init__(self, value: bytes | None, timestamp: int = 1_000) -> None:
        self.value = value
        self.timestamp = timestamp


def purge(brokers: str = "127.0.0.1:1") -> Purge:
    return Purge(brokers, "amana.intake", {topics.ORDERS: "id-1"}, 60.0, lambda: 0)


def entry(topic: str, topic_id: str, reason: str = "refused.card_number") -> Record:
    return Record(encode_quarantined(Quarantined(Coordinates(topic, topic_id, 3, 7), reason, None)))


def test_a_purge_without_a_broker_asks_again_and_ends_nothing() -> None:
    async def run() -> None:
        task = asyncio.ensure_future(purge(f"127.0.0.1:{free_port()}").run())
        await asyncio.sleep(1.0)
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with capture_logs() as logs:
        asyncio.run(run())
    assert [line["event"] for line in logs] == ["purge.interrupted"]


def test_an_alarm_is_due_when_its_entry_is_as_old_as_was_said() -> None:
    assert purge()._alarms([entry(topics.ORDERS, "id-1")]) == [Alarm(TopicPartition(topics.ORDERS, 3), 7, 61_000)]


def test_only_card_numbers_in_the_topics_as_they_are_now_are_alarms() -> None:
    others = [
        entry(topics.ORDERS, "id-1", "refused.empty"),
        entry(topics.ORDERS, "an older topic's"),
        entry(topics.LABELS, "id-1"),
        Record(None),
        Record(b"\xff"),
        Record(b"[" * 100_000),
    ]
    assert purge()._alarms(others) == []
