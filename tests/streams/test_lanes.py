"""Lanes with chunks and stages that are nothing but lists."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from streams.lanes import Lanes

A, B = TP("t", 0), TP("t", 1)


class Chunk:
    """Offsets [first, until) of a partition, and a journal that its acknowledgement goes to."""

    def __init__(self, journal: list[Any], tp: TP, first: int, until: int) -> None:
        self.value = [SimpleNamespace(offset=offset) for offset in range(first, until)]
        self._journal, self._tp = journal, tp

    def ack(self) -> bool:
        self._journal.append(("acked", self._tp.partition, self.value[-1].offset))
        return True


class Stage:
    """Writes into a journal what is asked of it; `gate` holds every chunk until it is set."""

    def __init__(self) -> None:
        self.journal: list[Any] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fail_at: int | None = None

    async def open(self, tp: TP) -> None:
        self.journal.append(("opened", tp.partition))

    async def idle(self, tp: TP) -> None:
        self.journal.append(("idle", tp.partition))

    async def handle(self, tp: TP, records: Sequence[Any]) -> None:
        self.journal.append(("began", tp.partition, records[0].offset))
        await self.gate.wait()
        if self.fail_at == records[0].offset:
            raise ValueError("broken")
        self.journal.append(("handled", tp.partition, records[-1].offset))

    def chunk(self, tp: TP, first: int, until: int) -> Chunk:
        return Chunk(self.journal, tp, first, until)

    def of(self, kind: str) -> list[Any]:
        return [entry[1:] for entry in self.journal if entry[0] == kind]


class Bench:
    def __init__(self, idle_s: float = 60.0, records: int = 1) -> None:
        self.stage = Stage()
        self.failures: list[BaseException] = []
        self.committed: dict[TP, int] = {}
        self.lanes = Lanes(self.stage, self.failures.append, self.committed.get, records, idle_s)

    async def put(self, tp: TP, *bounds: tuple[int, int]) -> None:
        for first, until in bounds:
            await self.lanes.put(tp, self.stage.chunk(tp, first, until))

    def close(self) -> None:
        self.lanes.revoke(self.lanes.partitions)


def run(work: Callable[[Bench], Coroutine[Any, Any, None]], idle_s: float = 60.0, records: int = 1) -> Bench:
    async def bounded() -> Bench:
        bench = Bench(idle_s, records)
        try:
            await asyncio.wait_for(work(bench), 5)
        finally:
            bench.close()
        await settled()
        return bench

    return asyncio.run(bounded())


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_partition_is_opened_and_its_chunks_handled_and_acknowledged_one_after_another() -> None:
    async def work(bench: Bench) -> None:
        bench.lanes.assign([A])
        await bench.put(A, (0, 3))
        await settled()
        await bench.put(A, (3, 5))
        await settled()
        assert bench.lanes.positions == {A: 5}

    assert run(work).stage.journal == [
        ("opened", 0),
        ("began", 0, 0), ("handled", 0, 2), ("acked", 0, 2),
        ("began", 0, 3), ("handled", 0, 4), ("acked", 0, 4),
    ]  # fmt: skip


def test_what_came_while_a_lane_was_busy_is_handled_together_up_to_a_chunk() -> None:
    async def work(bench: Bench) -> None:
        bench.stage.gate.clear()
        bench.lanes.assign([A])
        await bench.put(A, (0, 1))
        await settled()
        await bench.put(A, (1, 2), (2, 4), (4, 5), (5, 6))
        bench.stage.gate.set()
        await settled()

    assert run(work, records=4).stage.journal == [
        ("opened", 0),
        ("began", 0, 0), ("handled", 0, 0), ("acked", 0, 0),
        ("began", 0, 1), ("handled", 0, 4), ("acked", 0, 1), ("acked", 0, 3), ("acked", 0, 4),
        ("began", 0, 5), ("handled", 0, 5), ("acked", 0, 5),
    ]  # fmt: skip


def test_nothing_is_acknowledged_before_it_was_handled() -> None:
    async def work(bench: Bench) -> None:
        bench.stage.gate.clear()
        bench.lanes.assign([A])
        await bench.put(A, (0, 3))
        await settled()
        assert bench.stage.of("began") == [(0, 0)]
        assert bench.stage.of("acked") == []
        assert bench.lanes.positions == {}
        bench.stage.gate.set()
        await settled()
        assert bench.stage.of("acked") == [(0, 2)]

    run(work)


def test_a_partition_that_waits_does_not_hold_up_another() -> None:
    async def work(bench: Bench) -> None:
        bench.lanes.assign([A, B])
        bench.stage.gate.clear()
        await bench.put(A, (0, 1))
        await settled()
        await bench.put(B, (7, 9))
        await settled()
        assert bench.stage.of("began") == [(0, 0), (1, 7)]

    run(work)


def test_a_full_lane_makes_its_sender_wait() -> None:
    async def work(bench: Bench) -> None:
        bench.stage.gate.clear()
        bench.lanes.assign([A])
        await bench.put(A, (0, 1))
        await settled()
        putting = asyncio.ensure_future(bench.put(A, (1, 2), (2, 3), (3, 4)))
        await settled()
        assert not putting.done()
        bench.stage.gate.set()
        await putting
        await settled()
        assert bench.stage.of("acked") == [(0, 0), (0, 1), (0, 2), (0, 3)]

    run(work)


def test_a_lane_has_room_until_twice_a_chunk_waits_in_it() -> None:
    async def work(bench: Bench) -> None:
        assert bench.lanes.has_room(A)
        bench.stage.gate.clear()
        bench.lanes.assign([A, B])
        await bench.put(A, (0, 1))
        await settled()
        rooms = []
        for offset in range(1, 5):
            rooms.append(bench.lanes.has_room(A))
            await bench.put(A, (offset, offset + 1))
        assert (rooms, bench.lanes.has_room(A), bench.lanes.has_room(B)) == ([True] * 4, False, True)
        bench.stage.gate.set()
        await settled()
        assert bench.lanes.has_room(A)

    run(work, records=2)


def test_a_revoked_lane_stops_in_the_middle_and_acknowledges_nothing_more() -> None:
    async def work(bench: Bench) -> None:
        bench.lanes.assign([A, B])
        bench.stage.gate.clear()
        await bench.put(A, (0, 1), (1, 2))
        await bench.put(B, (0, 1))
        await settled()
        bench.lanes.revoke([A])
        bench.stage.gate.set()
        await settled()
        assert bench.lanes.partitions == {B}
        assert bench.lanes.positions == {B: 1}

    bench = run(work)
    assert bench.stage.of("acked") == [(1, 0)]
    assert bench.failures == []


def test_a_put_that_waits_for_a_place_is_freed_when_the_partition_is_revoked() -> None:
    async def work(bench: Bench) -> None:
        bench.stage.gate.clear()
        bench.lanes.assign([A])
        putting = asyncio.ensure_future(bench.put(A, *((offset, offset + 1) for offset in range(9))))
        await settled()
        assert not putting.done()
        bench.lanes.revoke([A])
        await putting

    assert run(work).stage.of("acked") == []


def test_a_partition_that_is_revoked_while_it_opens_handles_nothing() -> None:
    async def work(bench: Bench) -> None:
        bench.lanes.assign([A])
        await bench.put(A, (0, 1))
        bench.lanes.revoke([A])
        await settled()

    assert run(work).stage.of("began") == []


def test_a_partition_assigned_again_starts_anew_from_what_comes_again() -> None:
    async def work(bench: Bench) -> None:
        bench.stage.gate.clear()
        bench.lanes.assign([A])
        await bench.put(A, (0, 1), (1, 2))
        await settled()
        bench.lanes.assign([A])
        bench.stage.gate.set()
        await bench.put(A, (0, 2))
        await settled()
        assert bench.lanes.positions == {A: 2}

    stage = run(work).stage
    assert stage.of("opened") == [(0,), (0,)]
    assert stage.of("acked") == [(0, 1)]


def test_a_chunk_that_comes_before_its_partition_is_assigned_is_handled_then() -> None:
    async def work(bench: Bench) -> None:
        bench.committed[A] = 4
        await bench.put(A, (4, 6), (6, 7))
        await settled()
        assert bench.stage.journal == []
        bench.lanes.assign([A])
        await settled()
        assert bench.stage.of("acked") == [(0, 5), (0, 6)]

    run(work)


def test_a_chunk_left_over_from_an_earlier_assignment_is_not_handled_since_what_is_before_it_comes_again() -> None:
    async def work(bench: Bench) -> None:
        bench.committed[A] = 4
        await bench.put(A, (6, 7))
        bench.lanes.assign([A])
        await bench.put(A, (4, 6))
        await settled()
        assert bench.stage.of("acked") == [(0, 5)]

    run(work)


def test_a_chunk_that_leaves_some_out_is_not_handled_and_fails_the_lane() -> None:
    async def work(bench: Bench) -> None:
        bench.lanes.assign([A])
        await bench.put(A, (0, 2))
        await settled()
        await bench.put(A, (2, 3), (4, 5))
        await settled()
        assert bench.stage.of("acked") == [(0, 1)]
        assert [str(failure) for failure in bench.failures] == [f"{A.topic}/0: expected offset 3, got 4"]

    run(work, records=2)


def test_a_lane_without_chunks_is_idle_again_and_again_and_then_goes_on() -> None:
    async def work(bench: Bench) -> None:
        bench.lanes.assign([A])
        await asyncio.sleep(0.1)
        assert len(bench.stage.of("idle")) >= 2
        await bench.put(A, (0, 1))
        await settled()
        assert bench.stage.of("acked") == [(0, 0)]

    run(work, idle_s=0.01)


def test_a_failure_is_told_and_nothing_after_it_is_acknowledged() -> None:
    async def work(bench: Bench) -> None:
        bench.stage.fail_at = 1
        bench.lanes.assign([A])
        await bench.put(A, (0, 1), (1, 2))
        await settled()
        await bench.put(A, (2, 3))
        await settled()

    bench = run(work)
    assert bench.stage.of("acked") == [(0, 0)]
    assert [str(failure) for failure in bench.failures] == ["broken"]


@pytest.mark.parametrize("method", ["open", "idle"])
def test_a_failure_to_open_or_to_idle_is_told_too(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: Stage, __: TP) -> None:
        raise ValueError("broken")

    async def work(bench: Bench) -> None:
        bench.lanes.assign([A])
        await asyncio.sleep(0.05)

    monkeypatch.setattr(Stage, method, broken)
    assert [str(failure) for failure in run(work, idle_s=0.01).failures] == ["broken"]
