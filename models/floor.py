"""The floor: how far a linear model gets on the same orders. What does not beat it is not worth its trees."""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32] | NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_ROWS = 50_000
_C = 0.1  # the inverse of the penalty: there are hundreds of columns, many alike


def linear_margins(x: Matrix, y: Ints, asked: Matrix, seed: int) -> Floats:
    """Margins of the `asked` rows by a logistic regression on logarithms; what is absent counts as the mean.

    Learns from all frauds and as many genuine orders, drawn at random, as make MOST_ROWS.
    """
    rows = _drawn(y, seed)
    learned = _logarithms(x[rows])
    centre = np.nan_to_num(np.nanmean(np.where(np.isnan(learned).all(axis=0), 0.0, learned), axis=0))
    learned = np.nan_to_num(learned - centre)
    spread = np.where((deviation := learned.std(axis=0)) > 0, deviation, 1.0)
    model = LogisticRegression(C=_C, solver="newton-cholesky").fit(learned / spread, y[rows])
    parts = [asked[start : start + MOST_ROWS] for start in range(0, len(asked), MOST_ROWS)]
    return np.concatenate(
        [model.decision_function(np.nan_to_num(_logarithms(part) - centre) / spread) for part in parts]
    )


def _drawn(y: Ints, seed: int) -> NDArray[np.intp]:
    frauds, genuine = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    kept = max(MOST_ROWS - len(frauds), len(genuine) // 50, 1)
    return np.sort(np.concatenate([frauds, np.random.default_rng(seed).permutation(genuine)[:kept]]))


def _logarithms(x: Matrix) -> Floats:
    finite = np.where(np.isfinite(x), x, np.nan).astype(np.float64)
    return np.asarray(np.sign(finite) * np.log1p(np.abs(finite)), dtype=np.float64)
