import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from models.floor import linear_margins


def made(rows: int = 4_000) -> tuple[np.ndarray, np.ndarray]:
    """Fraud grows with the first column's logarithm, and has nothing to do with the others."""
    random = np.random.default_rng(1)
    x = random.lognormal(0.0, 1.0, (rows, 4))
    x[:, 2], x[::7, 1], x[5, 3] = 1.0, np.nan, np.inf
    return x, (random.random(rows) < 1 / (1 + np.exp(3 - 2 * np.log1p(x[:, 0])))).astype(np.int64)


def test_what_is_linear_in_logarithms_is_found_beside_absent_constant_and_infinite_numbers() -> None:
    x, y = made()
    margins = linear_margins(x[:3_000], y[:3_000], x[3_000:], 0)
    best = roc_auc_score(y[3_000:], x[3_000:, 0])
    assert roc_auc_score(y[3_000:], margins) == pytest.approx(best, abs=0.02)
    assert best > 0.7


def test_the_same_rows_and_seed_give_the_same_margins() -> None:
    x, y = made(1_000)
    assert (linear_margins(x, y, x, 3) == linear_margins(x, y, x, 3)).all()


def test_of_columns_that_are_never_there_nothing_is_made() -> None:
    x, y = made(1_000)
    alone = linear_margins(x, y, x, 3)
    empty = np.column_stack([x, np.full(len(x), np.nan)])
    assert linear_margins(empty, y, empty, 3) == pytest.approx(alone)
