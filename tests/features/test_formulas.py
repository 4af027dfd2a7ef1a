import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.declared import Definitions, Derived
from features.formulas import Burst, Decayed, Deviation, Evenness, Mean, Quantity, Ratio, Score, Share
from features.visit import Begun, Joined, Pace, Reached, Straight

NUMBERS = st.integers(0, 10**9).map(float) | st.just(math.nan)


@pytest.mark.parametrize(
    ("feature", "numbers", "expected"),
    [
        (Mean("card", "orders", "30d"), (3_000, 2), 1_500),
        (Deviation("card", "orders", "30d"), (1 + 9 + 25, 1 + 3 + 5, 3), math.sqrt(8 / 3)),
        (Deviation("card", "orders", "30d"), (3 * 49, 3 * 7, 3), 0),
        (Ratio("card", "30d"), (30, 3_000, 2), 2),
        (Score("card", "30d"), (30, 100 + 400, 30, 2), 3),
        (Score("card", "30d"), (12, 100, 10, 1), 2),  # one order deviates by nothing: dollars then
        (Score("card", "30d"), (2_000_000, 10**12, 10**6, 1), 0),  # over a million is a million
        (Quantity("card", "30d"), (6, 8, 4), 3),
        (Share("ip", "declines", "payments", "24h"), (3, 1), 0.75),
        (Burst("ip", "orders", "1h", "7d"), (2, 8), 0.25),
        (Evenness("session", "visits", "1h"), (900, 1_200), 0.75),
        (Joined("visits", "count", "1h"), (1, 2, 3), 1),
        (Joined("visits", "count", "1h"), (math.nan, 2, 3), 2),
        (Joined("visits", "count", "1h"), (math.nan, math.nan, 3), 3),
        (Begun("1h"), (2, math.nan, 3, 90, math.nan, 100), 90),
        (Begun("1h"), (0, 2, 3, math.nan, 95, 100), math.nan),  # the session is named, and has no page
        (Begun("1h"), (math.nan, 2, 3, math.nan, 95, 100), 95),
        (Begun("1h"), (math.nan, math.nan, 3, math.nan, math.nan, 100), 100),
        (Reached("1h"), (2, 2, 3, 90, 95, 100, 40, 30, 20), 50),
        (Reached("1h"), (2, 2, 3, 90, 95, 100, math.nan, 30, 20), math.nan),
        (Straight("1h"), (2, 2, 3, 90, 95, 100, 90, 30, 20), 1),
        (Straight("1h"), (2, 2, 3, 90, 95, 100, 89, 30, 20), 0),
        (Straight("1h"), (2, 2, 3, 90, 95, 100, math.nan, 30, 20), 0),
        (Straight("1h"), (0, 2, 3, math.nan, 95, 100, math.nan, 95, 20), math.nan),
        (Pace("1h"), (12, 2, 3, 90, 95, 100, 9, 0, 0), 30),
        (Pace("1h"), (9, 2, 3, 90, 95, 100, 9, 0, 0), math.nan),  # nothing but scripts and images
        (Decayed("ip", "orders"), (0, 0, 4, 4, 4), 4 * 2 ** (-(3_600 + 86_400) / 2 / 86_400)),
    ],
)
def test_a_formula_of_numbers(feature: Derived, numbers: tuple[float, ...], expected: float) -> None:
    assert value(feature, numbers) == pytest.approx(expected, rel=1e-14, nan_ok=True)


@pytest.mark.parametrize(
    "feature",
    [
        Quantity("card", "30d"),
        Evenness("card", "orders", "30d"),
        Mean("card", "orders", "30d"),
        Deviation("card", "orders", "30d"),
        Ratio("card", "30d"),
        Score("card", "30d"),
    ],
)
def test_of_nothing_there_is_no_formula(feature: Derived) -> None:
    assert math.isnan(value(feature, [0.0] * len(feature.inputs)))


@settings(deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=20))
def test_a_row_is_the_same_bytes_alone_and_among_others(rows: list[tuple[float, ...]]) -> None:
    definitions = Definitions((Score("card", "30d"), Deviation("card", "orders", "30d")))
    matrix = np.array(rows)
    alone = [definitions.vectors(matrix[n : n + 1]).tobytes() for n in range(len(rows))]
    assert definitions.vectors(matrix).tobytes() == b"".join(alone)


def value(feature: Derived, numbers: object) -> float:
    """The feature, its inputs being those numbers."""
    definitions = Definitions((feature,))
    assert definitions.numbers == feature.inputs
    return float(definitions.vectors(np.array([numbers], dtype=float))[0, 0])
