"""The fallback's loop, on topics in lists and a clock that the test sets."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import msgspec
import pytest
from structlog.testing import capture_logs

from events import topics
from events.facts import AnyFact, LabelFact, RefusedOrder
from events.facts import encode as encode_fact
from models.decisions import Decision
from models.decisions import decode as decode_decision
from models.decisions import encode as encode_decision
from models.fallback import conclude
from streams.fallback import Batch, Fallback
from streams.metrics import Metrics
from tests.streams.fakes import order_fact

DEADLINE_MS = 2_000


class Record(msgspec.Struct, frozen=True):
    offset: int
    value: bytes | None
    timestamp: int


class FakeTopics:
    """Each topic's records by partition. With `slow`, decisions are found only by who looks where they end."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, int], list[Record]] = {}
        self.read: dict[tuple[str, int], int] = {}
        self.committed: dict[int, int] = {}
        self.slow = False

    def append(self, topic: str, value: bytes | None, at_ms: int, partition: int = 0) -> None:
        held = self.held.setdefault((topic, partition), [])
        held.append(Record(len(held), value, at_ms))

    async def begin(self) -> Mapping[int, int]:
        return self.committed

    async def arrived(self) -> Sequence[Batch]:
        return [*self._next(topics.FACTS), *(() if self.slow else self._next(topics.DECISIONS))]

    async def decisions(self) -> AsyncIterator[Batch]:
        for batch in self._next(topics.DECISIONS):
            yield batch

    def _next(self, topic: str) -> list[Batch]:
        found = []
        for (name, partition), held in self.held.items():
            first = self.read.get((name, partition), 0)
            if name == topic and first < len(held):
                self.read[name, partition] = len(held)
                found.append(Batch(name, partition, held[first:]))
        return found


class Shop:
    """The topics, and a fallback that publishes to them at the clock's time."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.topics = FakeTopics()
        self.fail = False
        self.before_append: Callable[[], None] = lambda: None
        self.fallback = self.restarted()

    def restarted(self) -> Fallback:
        self.topics.read.clear()
        self.metrics = Metrics()
        return Fallback(self.topics, conclude, self.publish, DEADLINE_MS, lambda: self.now_ms, self.metrics)

    async def publish(self, partition: int, decisions: list[Decision]) -> None:
        if self.fail:
            raise ConnectionError("no broker")
        for decision in decisions:
            self.topics.append(topics.DECISIONS, encode_decision(decision), self.now_ms, partition)

    def placed(self, *offsets: int, partition: int = 0) -> None:
        for offset in offsets:
            self.fact(order_fact(offset, partition), partition)

    def fact(self, fact: AnyFact, partition: int = 0) -> None:
        self.topics.append(topics.FACTS, encode_fact(fact), self.now_ms, partition)

    def screened(self, *offsets: int, partition: int = 0) -> None:
        for offset in offsets:
            decision = msgspec.structs.replace(conclude(order_fact(offset, partition)), revision=1, mode="rules")
            self.topics.append(topics.DECISIONS, encode_decision(decision), self.now_ms, partition)

    def step(self, at_ms: int) -> None:
        self.now_ms = at_ms
        asyncio.run(self._step())

    async def _step(self) -> None:
        if not self.fallback.ready:
            await self.fallback.begin()
        await self.fallback.step()

    def answers(self, partition: int = 0) -> list[tuple[int, int, int]]:
        """(raw offset, revision, time) of all decisions."""
        held = self.topics.held.get((topics.DECISIONS, partition), [])
        found = [(decode_decision(record.value or b""), record.timestamp) for record in held if record.value]
        return [(decision.source.offset, decision.revision, at_ms) for decision, at_ms in found]

    def sample(self, name: str, labels: Mapping[str, str] | None = None) -> float | None:
        return self.metrics.registry.get_sample_value(name, dict(labels or {}))


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_an_order_that_is_not_decided_in_time_is_answered_once(shop: Shop) -> None:
    shop.placed(1)
    for at_ms in (500, 1_999, 2_000, 2_050, 60_000):
        shop.step(at_ms)
    assert shop.answers() == [(1, 0, 2_000)]


def test_an_order_that_is_decided_in_time_is_not_answered(shop: Shop) -> None:
    shop.placed(1)
    shop.step(1_000)
    shop.screened(1)
    shop.step(5_000)
    assert shop.answers() == [(1, 1, 1_000)]


def test_a_decision_that_was_there_before_the_answer_is_looked_for(shop: Shop) -> None:
    """As after the process was stopped for a while: the deadline is over before what came meanwhile is read."""
    shop.topics.slow = True
    shop.placed(1, 2)
    shop.step(1_000)
    shop.screened(1)
    shop.step(9_000)
    assert shop.answers() == [(1, 1, 1_000), (2, 0, 9_000)]


def test_answers_go_to_the_partition_of_the_fact(shop: Shop) -> None:
    shop.placed(1, 2, partition=0)
    shop.placed(1, partition=3)
    shop.step(2_000)
    assert shop.answers(0) == [(1, 0, 2_000), (2, 0, 2_000)]
    assert shop.answers(3) == [(1, 0, 2_000)]


def test_a_refused_order_is_answered_and_what_is_no_order_is_not(shop: Shop) -> None:
    source = order_fact(4).source
    shop.fact(
        LabelFact(
            source=source, event_id="e", occurred_at_ms=1, recorded_at_ms=1, order_id="o", label="dismissed",
            decision_id="d",
        )
    )  # fmt: skip
    shop.fact(
        RefusedOrder(
            source=source, event_id="e", occurred_at_ms=1, recorded_at_ms=1, order_id="o-4", reason="refused.too_deep"
        )
    )
    shop.topics.append(topics.FACTS, b"{", 0)
    shop.topics.append(topics.FACTS, None, 0)
    shop.step(2_000)
    assert shop.answers() == [(4, 0, 2_000)]


def test_a_decision_that_cannot_be_read_is_logged_by_its_place_and_skipped(shop: Shop) -> None:
    shop.topics.append(topics.DECISIONS, b'{"order_id": "layla@example.com"', 0)
    with capture_logs() as logged:
        shop.step(0)
    assert logged[0] == {"event": "decision.undecodable", "log_level": "error", "partition": 0, "offset": 0}
    assert "layla" not in str(logged)


def test_after_a_restart_nothing_is_answered_twice_nor_what_was_decided_long_ago(shop: Shop) -> None:
    shop.placed(1, 2, 3, 4)
    shop.screened(1)
    shop.step(2_000)
    shop.fallback = shop.restarted()
    shop.topics.committed = {0: 2}  # order 2's decision was lost to the decisions topic's retention
    shop.placed(2, 5)  # intake was restarted too
    shop.step(4_000)
    assert shop.answers() == [(1, 1, 0), (2, 0, 2_000), (3, 0, 2_000), (4, 0, 2_000), (5, 0, 4_000)]
    shop.topics.held[topics.DECISIONS, 0].clear()
    shop.fallback = shop.restarted()
    shop.step(9_000)
    assert [offset for offset, _, _ in shop.answers()] == [3, 4, 5]


def test_two_side_by_side_say_the_same(shop: Shop) -> None:
    other = Shop()
    for each in (shop, other):
        each.placed(1, 2)
        each.step(2_000)
    assert shop.topics.held == other.topics.held


def test_one_beside_it_that_was_quicker_is_heard(shop: Shop) -> None:
    shop.placed(1, 2)
    asyncio.run(shop.publish(0, [conclude(order_fact(1))]))
    shop.step(2_000)
    assert [offset for offset, _, _ in shop.answers()] == [1, 2]


def test_what_could_not_be_published_still_waits(shop: Shop) -> None:
    shop.placed(1)
    shop.fail = True
    with pytest.raises(ConnectionError):
        shop.step(2_000)
    shop.fail = False
    shop.step(2_500)
    assert shop.answers() == [(1, 0, 2_500)]


def test_it_is_ready_once_it_has_read_the_decisions_that_were_there(shop: Shop) -> None:
    shop.screened(1)
    assert not shop.fallback.ready
    asyncio.run(shop.fallback.begin())
    assert shop.fallback.ready
    assert shop.topics.read == {(topics.DECISIONS, 0): 1}


def test_it_counts_what_it_answers_and_what_waits(shop: Shop) -> None:
    shop.placed(1)
    shop.step(1_000)
    assert shop.sample("amana_fallback_waiting") == 1
    shop.placed(900_000, 900_001)
    shop.step(2_400)
    shop.step(3_000)
    assert shop.sample("amana_fallback_waiting") == 0
    assert shop.sample("amana_fallback_decisions_total", {"outcome": "approve"}) == 1
    assert shop.sample("amana_fallback_decisions_total", {"outcome": "review"}) == 2
    assert shop.sample("amana_fallback_overdue_seconds_sum") == pytest.approx(0.4)


def test_it_says_when_it_begins_to_answer_and_when_it_may_rest_again(shop: Shop) -> None:
    shop.placed(1, 2)
    with capture_logs() as logged:
        for at_ms in (2_000, 2_050, 6_999, 7_000, 60_000):
            shop.step(at_ms)
        shop.placed(3)
        shop.step(62_000)
    assert [{key: value for key, value in line.items() if key != "log_level"} for line in logged] == [
        {"event": "fallback.began", "partitions": 0},
        {"event": "fallback.answering", "orders": 2},
        {"event": "fallback.quiet", "orders": 2},
        {"event": "fallback.answering", "orders": 1},
    ]
