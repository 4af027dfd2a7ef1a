"""Which orders wait for a decision, in whatever order facts and decisions are read."""

from collections.abc import Iterable

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from events.facts import Coordinates
from streams.undecided import Heard, Undecided, Waiting
from tests.streams.fakes import order_fact

DEADLINE_MS = 2_000


def placed(undecided: Undecided, *offsets: int, at_ms: int = 0, partition: int = 0) -> Undecided:
    for offset in offsets:
        undecided.place(Waiting(partition, at_ms, order_fact(offset, partition)))
    return undecided


def waiting(*offsets: int) -> Undecided:
    return placed(Undecided(DEADLINE_MS), *offsets)


def heard(revision: int, offset: int, partition: int = 0, topic_id: str = "orders-id") -> Heard:
    return Heard(revision, Coordinates("orders", topic_id, partition, offset))


def offsets(found: Iterable[Waiting]) -> list[int]:
    return [each.order.source.offset for each in found]


def test_an_order_is_overdue_from_its_deadline_on() -> None:
    undecided = placed(waiting(1), 2, at_ms=10)
    assert [offsets(undecided.overdue(now_ms)) for now_ms in (1_999, 2_000, 2_009, 2_010)] == [[], [1], [1], [1, 2]]
    assert [undecided.is_overdue(now_ms) for now_ms in (1_999, 2_000)] == [False, True]


def test_screenings_decision_settles_all_orders_up_to_it_in_its_partition_alone() -> None:
    undecided = placed(waiting(1, 2, 3), 1, 2, partition=1)
    undecided.hear(heard(1, 2))
    assert [(each.partition, each.order.source.offset) for each in undecided.overdue(9_999)] == [(0, 3), (1, 1), (1, 2)]
    assert len(undecided) == 3


def test_a_fallbacks_answer_settles_its_own_order() -> None:
    undecided = waiting(1, 2, 3)
    undecided.hear(heard(0, 2))
    assert offsets(undecided.overdue(9_999)) == [1, 3]


def test_what_was_decided_or_answered_before_its_fact_is_read_does_not_wait() -> None:
    undecided = waiting(1)
    for decision in (heard(0, 5), heard(1, 3), heard(0, 4), heard(0, 5)):
        undecided.hear(decision)
    placed(undecided, 2, 3, 4, 5, 6)
    assert offsets(undecided.overdue(9_999)) == [6]


def test_a_repeat_of_an_order_that_waits_was_answered_or_decided_does_not_wait_again() -> None:
    undecided = waiting(1, 2, 3)
    undecided.hear(heard(1, 1))
    undecided.hear(heard(0, 2))
    placed(undecided, 1, 2, 3, 4, at_ms=500)
    assert [(each.order.source.offset, each.appended_ms) for each in undecided.overdue(9_999)] == [(3, 0), (4, 500)]


def test_what_screening_committed_is_passed_over_with_all_before_it() -> None:
    undecided = Undecided(DEADLINE_MS)
    undecided.pass_over(order_fact(7))
    placed(undecided, 5, 6, 7, 8)
    assert offsets(undecided.overdue(9_999)) == [8]


def test_a_topic_of_the_same_name_that_was_made_anew_begins_anew() -> None:
    undecided = waiting(1)
    undecided.hear(heard(1, 900, topic_id="before"))
    assert offsets(undecided.overdue(9_999)) == [1]


def test_an_analysts_revision_settles_too() -> None:
    undecided = waiting(1)
    undecided.hear(heard(2, 1))
    assert len(undecided) == 0


def test_nothing_is_kept_of_what_was_answered_or_decided() -> None:
    undecided = Undecided(DEADLINE_MS)
    for offset in range(10_000):
        placed(undecided, offset)
        undecided.hear(heard(offset % 2, offset))
    for offset in range(10_000, 20_000):  # the other way round
        undecided.hear(heard(0, offset))
    placed(undecided, *range(10_000, 20_000))
    (lane,) = undecided._lanes.values()
    assert (len(undecided), len(lane.waiting), len(lane.early)) == (0, 0, 0)


class Step(msgspec.Struct, frozen=True):
    """A fact or a decision of order `offset`."""

    of: str
    offset: int


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Step], int, set[int]]:
    """Facts in order, screening's decisions of the first of them in order, a fallback's of any, mixed in any way."""
    orders = draw(st.integers(1, 12))
    decided = draw(st.integers(0, orders))
    answered = draw(st.sets(st.integers(0, orders - 1)))
    streams = [
        [Step("fact", offset) for offset in range(orders)],
        [Step("decision", offset) for offset in range(decided)],
        [Step("answer", offset) for offset in draw(st.permutations(sorted(answered)))],
    ]
    mixed: list[Step] = []
    while any(streams):
        mixed.append(draw(st.sampled_from([stream for stream in streams if stream])).pop(0))
    return mixed, decided, answered


@given(histories())
def test_whatever_the_order_of_reading_the_same_orders_wait(given: tuple[list[Step], int, set[int]]) -> None:
    steps, decided, answered = given
    undecided = Undecided(DEADLINE_MS)
    for step in steps:
        if step.of == "fact":
            placed(undecided, step.offset)
        else:
            undecided.hear(heard(int(step.of == "decision"), step.offset))
    orders = sum(step.of == "fact" for step in steps)
    assert offsets(undecided.overdue(9_999)) == [o for o in range(decided, orders) if o not in answered]
