"""How a column is spread, kept in few numbers and held against a later sample."""

import numpy as np
import pytest

from models.checks import stability
from models.populations import Population, decode, encode, moved, population, populations


def test_a_population_is_its_tenths_and_the_absent_values() -> None:
    sample = np.array([*range(1, 9), np.nan, np.nan], dtype=np.float64)
    kept = population(sample)
    assert len(kept.edges) == 9
    assert sum(kept.shares) == pytest.approx(1.0)
    assert kept.shares[-1] == pytest.approx(2.5 / 15.5)  # two of ten, each of eleven bins with half an order more
    assert population(np.full(4, np.nan)) == Population((), (0.1, 0.9))
    assert population(np.full(3, 7.0)).edges == (7.0,)


def test_what_was_kept_says_of_later_orders_what_the_orders_themselves_would() -> None:
    random = np.random.default_rng(0)
    earlier, later = random.normal(size=5_000), random.normal(0.5, 1.0, 5_000)
    kept = decode(encode(populations(earlier[:, None], ("x",), earlier)))
    assert moved(kept.features["x"], later) == stability(earlier, later) > 0.2
    assert moved(kept.scores, earlier) == 0.0
