from simulator.pacing import UNPACED_BATCH, paced


class FakeTime:
    """A clock that only sleeping, and what the consumer does, moves."""

    def __init__(self) -> None:
        self.at_s = 100.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.at_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.at_s += seconds


def test_batches_are_handed_out_when_their_first_event_is_due() -> None:
    clock = FakeTime()
    batches = list(paced(range(50), 400, clock.now, clock.sleep))
    assert [len(batch) for batch in batches] == [20, 20, 10]
    assert clock.slept == [0.05, 0.05]


def test_a_consumer_that_fell_behind_is_not_held_until_it_caught_up() -> None:
    clock = FakeTime()
    for number, _ in enumerate(paced(range(80), 400, clock.now, clock.sleep)):
        clock.at_s += 0.12 if number == 0 else 0
    assert clock.slept == [0.03]


def test_less_than_a_batch_a_tick_is_one_event_at_a_time() -> None:
    clock = FakeTime()
    assert list(paced(range(3), 2, clock.now, clock.sleep)) == [[0], [1], [2]]
    assert clock.slept == [0.5, 0.5]


def test_without_a_rate_nothing_waits() -> None:
    clock = FakeTime()
    assert [len(batch) for batch in paced(range(UNPACED_BATCH + 1), None, clock.now, clock.sleep)] == [UNPACED_BATCH, 1]
    assert clock.slept == []
