import pytest

from sharing.delivery.limits import Limits, Room, Used, room, spent
from sharing.delivery.schedule import Schedule

DAY_MS = 86_400_000
NOW_MS = 20_000 * DAY_MS
LIMITS = Limits(per_minute=60, per_day=100)


def test_an_unused_allowance_is_a_minutes_worth() -> None:
    assert room(LIMITS, Used(), NOW_MS) == Room(60, 100)


def test_what_was_sent_comes_back_at_the_rate() -> None:
    used = spent(LIMITS, Used(), 60, 60, NOW_MS)
    assert room(LIMITS, used, NOW_MS) == Room(0, 40)
    assert room(LIMITS, used, NOW_MS + 999) == Room(0, 40)
    assert room(LIMITS, used, NOW_MS + 1_000) == Room(1, 40)
    assert room(LIMITS, used, NOW_MS + 60_000) == Room(60, 40)
    assert room(LIMITS, used, NOW_MS + 600_000) == Room(60, 40)


def test_the_daily_volume_counts_first_attempts_and_ends_with_the_day() -> None:
    used = spent(LIMITS, Used(), 10, 4, NOW_MS + DAY_MS - 1)
    assert room(LIMITS, used, NOW_MS + DAY_MS - 1).first == 96
    assert room(LIMITS, used, NOW_MS + DAY_MS).first == 100
    assert spent(LIMITS, used, 1, 1, NOW_MS + DAY_MS).sent_today == 1


def test_more_than_the_allowance_leaves_nothing_and_no_debt_below_it() -> None:
    used = spent(LIMITS, Used(), 0, 500, NOW_MS)
    assert room(LIMITS, used, NOW_MS) == Room(60, 0)


@pytest.mark.parametrize(
    ("attempts", "urgent", "least_ms", "most_ms"),
    [(1, False, 500, 1_000), (2, False, 1_000, 2_000), (11, False, 450_000, 900_000), (99, False, 450_000, 900_000),
     (11, True, 60_000, 120_000)],
)  # fmt: skip
def test_the_back_off_doubles_up_to_its_longest(attempts: int, urgent: bool, least_ms: int, most_ms: int) -> None:
    assert Schedule().next_ms(attempts, urgent, 0, lambda: 0.0) == least_ms
    assert Schedule().next_ms(attempts, urgent, 0, lambda: 1.0) == most_ms


def test_a_message_is_given_up_after_both_its_attempts_and_its_time() -> None:
    schedule, three_days_ms = Schedule(), 3 * DAY_MS
    assert not schedule.is_over(11, 0, three_days_ms)
    assert not schedule.is_over(1_000, 0, three_days_ms - 1)
    assert schedule.is_over(12, 0, three_days_ms)
