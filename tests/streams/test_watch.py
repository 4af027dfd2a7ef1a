"""What ends a worker by itself: a topic that is another, and work that does not move."""

import asyncio
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP
from kafka.errors import KafkaConnectionError

from streams import watch
from streams.errors import Recreated, Stalled
from streams.metrics import Metrics

A = TP("facts", 0)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "TOPICS_EVERY_S", 0.001)
    monkeypatch.setattr(watch, "PROGRESS_EVERY_S", 0.001)


def answers(monkeypatch: pytest.MonkeyPatch, *each: Mapping[str, str] | Exception) -> list[Any]:
    """The broker's answers, one after another; the last one for ever. What is left of them."""
    left = list(each)

    def topic_ids(_: str, __: Sequence[str]) -> Mapping[str, str]:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(watch, "topic_ids", topic_ids)
    return left


def watch_topics() -> None:
    asyncio.run(asyncio.wait_for(watch.watch_topics("b", {"facts": "one"}), 0.2))


def test_a_topic_with_another_id_is_named_with_both(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, {"facts": "one"}, {"facts": "two"})
    with pytest.raises(
        Recreated, match="topic facts was one and is now two: offsets and decision ids that were stored"
    ):
        watch_topics()


def test_a_topic_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, {"facts": "one"}, {})
    with pytest.raises(Recreated, match="topic facts was one and is now gone"):
        watch_topics()


def test_a_topic_that_stays_and_a_broker_that_does_not_answer_end_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    left = answers(monkeypatch, {"facts": "one"}, KafkaConnectionError(), {"facts": "one"})
    with pytest.raises(TimeoutError):
        watch_topics()
    assert len(left) == 1


class Worker:
    """A worker whose position and clock a test moves: each look takes one second."""

    def __init__(self, positions: Sequence[int], end: int, waits: bool = False) -> None:
        self.settings = SimpleNamespace(stall_s=5.0)
        self.loop = self
        self.looks = 0
        self._positions, self._end, self._waits = positions, end, waits

    def time(self) -> float:
        self.looks += 1
        return float(self.looks)

    def positions(self) -> list[tuple[TP, int, int]]:
        return [(A, self._positions[min(self.looks, len(self._positions)) - 1], self._end)]

    def waiting(self) -> bool:
        return self._waits


def watch_progress(worker: Worker, metrics: Metrics) -> None:
    asyncio.run(asyncio.wait_for(watch.watch_progress(worker, metrics), 0.2))  # type: ignore[arg-type]


def test_a_partition_with_records_that_does_not_move_is_stalled() -> None:
    worker = Worker([1, 2, 3], 9)
    with pytest.raises(Stalled, match="facts/0 has stood at offset 3 of 9 for 6 s"):
        watch_progress(worker, Metrics())
    assert worker.looks == 9


@pytest.mark.parametrize(
    "worker",
    [Worker([9], 9), Worker(range(100_000), 200_000), Worker([3], 9, waits=True)],
    ids=["nothing to read", "it moves", "its store is down"],
)
def test_a_partition_that_has_a_reason_to_stand_is_not(worker: Worker) -> None:
    with pytest.raises(TimeoutError):
        watch_progress(worker, Metrics())
    assert worker.looks > 8


def test_lag_is_measured() -> None:
    metrics = Metrics()
    with pytest.raises(TimeoutError):
        watch_progress(Worker([3], 9, waits=True), metrics)
    assert metrics.registry.get_sample_value("amana_lag", {"topic": "facts", "partition": "0"}) == 6.0
