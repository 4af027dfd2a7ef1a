"""Which orders wait for a decision, from what was read of `facts` and `decisions` in whatever order the two came.

A facts partition has a raw partition's orders in the order of their raw offsets, and screening publishes in the log's
order. So one number a raw partition, the highest offset that was read or decided, tells repeats, and what was decided
long ago, from what is new; beside it only orders without an answer are kept.
"""

import heapq
from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from events.facts import Coordinates, OrderFact, RefusedOrder

Order = OrderFact | RefusedOrder


class Heard(msgspec.Struct, frozen=True):
    """What is asked of a decision."""

    revision: int
    source: Coordinates


class Waiting(NamedTuple):
    """`partition` is the facts partition's, `appended_ms` the broker's time of the fact."""

    partition: int
    appended_ms: int
    order: Order


class _Lane:
    """One raw partition's orders, by raw offset."""

    def __init__(self) -> None:
        self.passed = -1  # no order at or below it is new
        self.waiting: OrderedDict[int, Waiting] = OrderedDict()  # offsets rise
        self.early: list[int] = []  # a heap: answered by a fallback, and their facts not read yet

    def decided_to(self, offset: int) -> None:
        self.passed = max(self.passed, offset)
        while self.waiting and next(iter(self.waiting)) <= offset:
            self.waiting.popitem(last=False)
        self._forget_early(self.passed + 1)

    def answered(self, offset: int) -> None:
        if offset > self.passed:
            heapq.heappush(self.early, offset)
        else:
            self.waiting.pop(offset, None)

    def placed(self, offset: int, waiting: Waiting) -> None:
        if offset <= self.passed:
            return
        self.passed = offset
        self._forget_early(offset)
        if self.early and self.early[0] == offset:
            self._forget_early(offset + 1)
        else:
            self.waiting[offset] = waiting

    def _forget_early(self, before: int) -> None:
        while self.early and self.early[0] < before:
            heapq.heappop(self.early)


class Undecided:
    def __init__(self, deadline_ms: int) -> None:
        self._deadline_ms = deadline_ms
        self._lanes: dict[tuple[str, int], _Lane] = {}

    def __len__(self) -> int:
        return sum(len(lane.waiting) for lane in self._lanes.values())

    def place(self, waiting: Waiting) -> None:
        """An order was read; one that is known, decided or answered does not wait."""
        self._lane(waiting.order.source).placed(waiting.order.source.offset, waiting)

    def pass_over(self, order: Order) -> None:
        """An order that screening has committed: all up to it is decided."""
        self._lane(order.source).decided_to(order.source.offset)

    def hear(self, decision: Heard) -> None:
        """A fallback's decision answers its order, screening's all orders up to it."""
        lane = self._lane(decision.source)
        (lane.decided_to if decision.revision > 0 else lane.answered)(decision.source.offset)

    def is_overdue(self, now_ms: int) -> bool:
        """Whether an order's deadline has passed."""
        return any(True for lane in self._lanes.values() for _ in self._late(lane, now_ms))

    def overdue(self, now_ms: int) -> list[Waiting]:
        """The orders whose deadline has passed, each partition's in the log's order; they wait until one is heard."""
        return [waiting for lane in self._lanes.values() for waiting in self._late(lane, now_ms)]

    def _late(self, lane: _Lane, now_ms: int) -> Iterator[Waiting]:
        for waiting in lane.waiting.values():
            if waiting.appended_ms + self._deadline_ms > now_ms:
                return
            yield waiting

    def _lane(self, source: Coordinates) -> _Lane:
        lane = self._lanes.get(key := (source.topic_id, source.partition))
        if lane is None:
            lane = self._lanes[key] = _Lane()
        return lane
