"""`session.automation`: a forest over a session's numbers, the same for one row and for many."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.automation import BASE, TREES, Automation, signs
from features.declared import Definitions
from features.definitions import DEFINITIONS
from models.reasons import TEXTS, code_of

ONE = Automation("session", "1h")
# Pages, then milliseconds in all, of the shortest, of the longest; assets, pages of the check-out, errors.
SCRIPT = (3, 21_000, 6_900, 7_100, 0, 2, 0)
PERSON = (9, 210_000, 180, 95_000, 1, 2, 0)
EVERY = st.tuples(*[st.integers(0, 10**9).map(float) | st.just(math.nan) for _ in SCRIPT])


def value(numbers: object) -> float:
    definitions = Definitions((ONE,))
    return float(definitions.vectors(np.array([numbers], dtype=np.float64))[0, 0])


def test_even_pauses_straight_to_the_check_out_are_a_scripts_and_wandering_is_a_persons() -> None:
    assert value(SCRIPT) > 0.7
    assert value(PERSON) < 0.2


def test_without_a_page_or_a_session_nothing_is_said() -> None:
    assert math.isnan(value((0, 0, math.nan, math.nan, 0, 0, 0)))
    assert math.isnan(value([math.nan] * len(SCRIPT)))


@given(EVERY)
def test_it_is_what_a_walk_down_each_tree_adds_up_to(numbers: tuple[float, ...]) -> None:
    told = [float(sign[0]) for sign in signs(*(np.array([number]) for number in numbers))]
    margin = BASE
    for root, at, left, left_at, right, right_at, *leaves in TREES:
        below = told[int(root)] <= at
        sign, threshold, ends = (left, left_at, leaves[:2]) if below else (right, right_at, leaves[2:])
        margin += ends[0] if told[int(sign)] <= threshold else ends[1]
    expected = 0.5 + 0.5 * margin / (1 + abs(margin)) if numbers[0] > 0 else math.nan
    assert value(numbers) == pytest.approx(expected, abs=1e-15, nan_ok=True)


@given(st.lists(EVERY, min_size=1, max_size=30))
def test_a_row_is_the_same_bytes_alone_and_among_others(rows: list[tuple[float, ...]]) -> None:
    definitions, matrix = Definitions((ONE,)), np.array(rows)
    alone = [definitions.vectors(matrix[n : n + 1]).tobytes() for n in range(len(rows))]
    assert definitions.vectors(matrix).tobytes() == b"".join(alone)


def test_it_is_a_feature_of_every_order_with_a_reason_of_its_own() -> None:
    assert "session.automation" in DEFINITIONS.names
    assert code_of("session.automation") == "session.automation"
    assert "session.automation" in TEXTS


def test_another_version_is_another_definition() -> None:
    assert Definitions((ONE,)).hash != Definitions((Automation("session", "1h", 2),)).hash
