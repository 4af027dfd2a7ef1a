"""The effectively-once protocol, against a store and a log that keep it in a dictionary."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import msgspec
import pytest
from redis.exceptions import ConnectionError as StoreUnreachable
from redis.exceptions import TimeoutError as StoreTimeout

from events.facts import encode
from models.decisions import Decision
from streams import screening
from streams.errors import AheadOfLog, Unrebuildable
from streams.log import LogRecord
from streams.screening import Screening
from tests.streams.fakes import FakeLog, FakeStore, conclude, order_fact, records


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screening, "RETRY_S", 0.001)
    monkeypatch.setattr(screening, "GATE_S", 0.001)


class Stage:
    """Screening with everything that it published."""

    def __init__(self, store: FakeStore, log: FakeLog, accept_gap: bool = False) -> None:
        self.published: list[tuple[int, str, float | None]] = []
        self.screening = Screening(store, log, "facts-id", conclude, self._publish, accept_gap)

    async def _publish(self, partition: int, decisions: list[Decision]) -> None:
        self.published += [(partition, decision.order_id, decision.score) for decision in decisions]

    async def handle(self, chunk: Sequence[LogRecord], partition: int = 0) -> list[Decision]:
        return await asyncio.wait_for(self.screening.handle(partition, chunk), 5)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def ids(decisions: Sequence[Decision]) -> list[str]:
    return [decision.order_id for decision in decisions]


def test_chunks_are_decided_in_order_each_on_what_came_before() -> None:
    log = FakeLog({0: records(0, 5)})
    stage = Stage(FakeStore(), log)

    async def work() -> None:
        await stage.screening.open(0)
        await stage.handle(records(0, 2))
        await stage.handle(records(2, 5))

    run(work())
    assert stage.published == [(0, "o-0", 0), (0, "o-1", 1), (0, "o-2", 2), (0, "o-3", 3), (0, "o-4", 4)]
    assert log.reads == []


def test_what_the_store_misses_below_the_committed_offset_is_applied_and_not_published_again() -> None:
    store, log = FakeStore({0: 1}), FakeLog({0: records(0, 10)}, {0: 8})
    stage = Stage(store, log)
    run(stage.screening.open(0))
    assert (log.reads, store.applied, stage.published) == ([(0, 2, 8)], {0: [2, 3, 4, 5, 6, 7]}, [])
    assert ids(run(stage.handle(records(8, 10)))) == ["o-8", "o-9"]
    assert log.reads == [(0, 2, 8)]


def test_a_chunk_that_comes_again_is_published_again_from_the_outbox() -> None:
    stage = Stage(FakeStore(), FakeLog({0: records(0, 6)}))
    first = run(stage.handle(records(0, 4)))
    again = run(stage.handle(records(0, 6)))
    assert again[:4] == first
    assert [decision.score for decision in again] == [0, 1, 2, 3, 4, 5]


def test_a_partition_without_traffic_is_brought_up_to_date_while_idle() -> None:
    store, log = FakeStore(), FakeLog({0: records(0, 4)}, {0: 4})
    stage = Stage(store, log)
    run(stage.screening.idle(0))
    assert store.fence == {0: 3}
    run(stage.screening.idle(0))
    assert log.reads == [(0, 0, 4)]


def test_no_decision_is_made_until_every_partition_is_as_far_as_it_was_committed() -> None:
    store, log = FakeStore({0: 3}), FakeLog({0: records(0, 6), 1: records(0, 5, 1)}, {0: 4, 1: 5})
    stage = Stage(store, log)

    async def work() -> None:
        deciding = asyncio.ensure_future(stage.handle(records(4, 6)))
        await asyncio.sleep(0.02)
        assert stage.published == []
        await stage.screening.open(1)
        await deciding

    run(work())
    assert store.applied[1] == [0, 1, 2, 3, 4]
    assert stage.published == [(0, "o-4", 5), (0, "o-5", 6)]


def test_a_store_that_fell_behind_is_rebuilt_before_the_chunk_is_decided() -> None:
    store, log = FakeStore(), FakeLog({0: records(0, 8)})
    stage = Stage(store, log)

    async def work() -> None:
        await stage.handle(records(0, 6))
        store.fence[0], store.applied[0] = 2, [0, 1, 2]  # an older copy, and nobody noticed a new connection
        await stage.handle(records(6, 8))

    run(work())
    assert log.reads == [(0, 3, 6)]
    assert stage.published[6:] == [(0, "o-6", 6), (0, "o-7", 7)]


def test_nothing_is_decided_from_a_store_that_reconnected_until_it_was_looked_at() -> None:
    store, log = FakeStore(), FakeLog({0: records(0, 8), 1: records(0, 4, 1)})
    stage = Stage(store, log)

    async def work() -> None:
        await stage.handle(records(0, 4, 1), 1)
        await stage.handle(records(0, 6))
        log.commits = {0: 6, 1: 4}
        store.lose(1, 0)  # the chunk's own partition is complete: only the other tells
        deciding = asyncio.ensure_future(stage.handle(records(6, 8)))
        await asyncio.sleep(0.02)
        assert not deciding.done()
        await stage.screening.idle(1)
        await deciding

    run(work())
    assert log.reads == [(1, 1, 4)]
    assert stage.published[-2:] == [(0, "o-6", 10), (0, "o-7", 11)]


def test_a_store_that_lost_everything_while_a_chunk_was_applied_is_rebuilt_first() -> None:
    store, log = FakeStore(), FakeLog({0: records(0, 6)})
    stage = Stage(store, log)

    async def work() -> list[Decision]:
        await stage.handle(records(0, 4))
        store.lose(0, -1)
        return await stage.handle(records(4, 6))

    assert [decision.score for decision in run(work())] == [4, 5]
    assert log.reads == [(0, 0, 4)]


@pytest.mark.parametrize("trouble", [StoreUnreachable("x"), StoreTimeout("x"), ConnectionResetError("x")])
def test_a_store_that_does_not_answer_is_waited_for(trouble: BaseException) -> None:
    store = FakeStore()
    store.troubles = [trouble] * 3
    stage = Stage(store, FakeLog({0: records(0, 2)}))
    assert ids(run(stage.handle(records(0, 2)))) == ["o-0", "o-1"]
    assert not stage.screening.waiting


def test_while_the_store_is_down_the_stage_says_that_it_waits_and_stays_open() -> None:
    store = FakeStore()
    stage = Stage(store, FakeLog({0: records(0, 2)}, {0: 1}))
    store.down = True

    async def work() -> list[Decision]:
        opening = asyncio.ensure_future(stage.screening.open(0))
        await stage.screening.idle(0)
        deciding = asyncio.ensure_future(stage.handle(records(1, 2)))
        await asyncio.sleep(0.02)
        assert stage.screening.waiting
        assert not opening.done()
        store.down = False
        return await deciding

    assert ids(run(work())) == ["o-1"]
    assert not stage.screening.waiting
    assert store.applied == {0: [0, 1]}


def test_a_store_ahead_of_the_log_stops_the_stage() -> None:
    stage = Stage(FakeStore({0: 9}), FakeLog({0: records(0, 9)}, {0: 9}))
    with pytest.raises(AheadOfLog) as stated:
        run(stage.handle(records(8, 9)))
    assert str(stated.value) == (
        "facts partition 0: the store has applied offset 9, but the log ends at 9; "
        "expected the log that the store was built from"
    )


def test_a_log_that_begins_after_what_the_store_needs_stops_the_stage() -> None:
    stage = Stage(FakeStore({0: 2}), FakeLog({0: records(5, 9)}, {0: 8}))
    with pytest.raises(Unrebuildable) as stated:
        run(stage.screening.open(0))
    assert str(stated.value) == (
        "facts partition 0: the store needs offset 3, but the log starts at 5; "
        "start with --accept-gap to go on without what lies between"
    )


def test_an_accepted_gap_is_crossed_and_every_decision_from_then_on_says_so() -> None:
    store = FakeStore({0: 2})
    stage = Stage(store, FakeLog({0: records(5, 9)}, {0: 8}), accept_gap=True)

    async def work() -> list[Decision]:
        await stage.screening.open(0)
        return await stage.handle(records(8, 9))

    (decision,) = run(work())
    assert decision.flags == ("history.gap",)
    assert (store.applied, store.fence) == ({0: [5, 6, 7, 8]}, {0: 8})


@pytest.mark.parametrize(("later_ms", "flags"), [(screening.REACH_MS, ("history.gap",)), (screening.REACH_MS + 1, ())])
def test_what_expired_before_any_feature_looks_back_is_no_gap(later_ms: int, flags: tuple[str, ...]) -> None:
    held = records(5, 9)
    later = msgspec.structs.replace(order_fact(7), recorded_at_ms=order_fact(5).recorded_at_ms + later_ms)
    held[2] = LogRecord(7, encode(later))
    store = FakeStore({0: 2})
    stage = Stage(store, FakeLog({0: held}, {0: 8}), accept_gap=True)

    async def work() -> list[Decision]:
        await stage.screening.open(0)
        return await stage.handle(records(8, 9))

    (decision,) = run(work())
    assert decision.flags == flags
    assert store.applied == {0: [5, 6, 7, 8]}


def test_a_log_that_expired_after_what_the_store_has_is_no_gap() -> None:
    stage = Stage(FakeStore({0: 4}), FakeLog({0: records(5, 9)}, {0: 5}))
    assert [decision.flags for decision in run(stage.handle(records(5, 6)))] == [()]


def test_a_new_store_on_a_new_log_needs_no_permission() -> None:
    assert ids(run(Stage(FakeStore(), FakeLog({0: records(0, 1)})).handle(records(0, 1)))) == ["o-0"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"fact": "other"}', b"null"])
def test_what_is_not_a_fact_is_passed_as_a_hole(body: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    store = FakeStore()
    chunk = [*records(0, 1), LogRecord(1, body), *records(2, 3)]
    stage = Stage(store, FakeLog({0: chunk}))
    assert ids(run(stage.handle(chunk))) == ["o-0", "o-2"]
    assert (store.holes, store.fence) == ([1], {0: 2})


def test_a_record_without_a_value_is_passed_as_a_hole() -> None:
    store = FakeStore()
    chunk = [*records(0, 1), LogRecord(1, None), *records(2, 3)]  # type: ignore[arg-type]
    assert ids(run(Stage(store, FakeLog({0: chunk})).handle(chunk))) == ["o-0", "o-2"]
    assert store.holes == [1]


def test_what_the_broker_refused_is_not_reported_as_decided() -> None:
    async def refuse(_: int, __: list[Decision]) -> None:
        raise TimeoutError

    broken = Screening(FakeStore(), FakeLog({0: records(0, 2)}), "facts-id", conclude, refuse)
    with pytest.raises(TimeoutError):
        run(broken.handle(0, records(0, 2)))


def test_partitions_that_are_opened_and_handled_together_do_not_wait_for_each_other_for_ever() -> None:
    number = 4
    log = FakeLog({n: records(0, 9, n) for n in range(number)}, dict.fromkeys(range(number), 6))
    store = FakeStore({1: 2, 3: 5})
    stage = Stage(store, log)

    async def lane(partition: int) -> None:
        await stage.screening.open(partition)
        await stage.handle(records(6, 9, partition), partition)

    async def work() -> None:
        await asyncio.gather(*map(lane, range(number)))

    run(work())
    assert sorted(store.applied[0]) == list(range(9))
    assert {(partition, order) for partition, order, _ in stage.published} == {
        (partition, f"o-{offset}") for partition in range(number) for offset in range(6, 9)
    }
    assert all(score is not None and score >= 6 + 3 for _, _, score in stage.published)
