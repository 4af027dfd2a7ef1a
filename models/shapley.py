"""Exact Shapley values of a gradient-boosted model's margin: what each feature added to it, for few rows at once.

The game is path-dependent TreeSHAP's (Lundberg et al. 2020, "From local explanations to global understanding with
explainable AI for trees", algorithm 1): where only the features of a set are known, a split on another goes both ways,
weighed by the training orders that went each way. A leaf is then worth its value times, for every feature asked for on
its path, 1 or 0 (known: the row fulfils all of the path's conditions on it, or not) or the share of training orders
that went the path's way at the splits on it (unknown).

Such a product is its own multilinear extension, so a feature's Shapley value is an integral along the diagonal (Owen
1972, "Multilinear extensions of games"):

    value * (held[j] - share[j]) * integral over t from 0 to 1 of  product over i != j of  share[i] (1 - t) + held[i] t

With k features on the path the integrand is a polynomial of degree k - 1, which Gauss-Legendre quadrature with at least
k / 2 points integrates exactly: no subsets, no tables that grow with them, and every term is positive.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from models.forest import trees_of

Matrix = NDArray[np.float64]


class Condition(NamedTuple):
    """What a path asks of one feature: more than `low` (NaN: nothing), at most `high`; or whether it may be absent.

    `share` of the training orders that came to its splits went the path's way.
    """

    low: float = np.nan
    high: float = np.inf
    absent: bool = True
    share: float = 1.0


Path = tuple[float, dict[int, Condition]]  # a leaf's value, and the conditions by feature


class Shapley:
    """Of a fitted binary classifier without categorical splits (ValueError for another).

    `base` is the margin of an order of which nothing is known; with a row's values it adds up to the row's margin.
    The paths' conditions lie end to end: the first of every path, then the second, and so on. The longest paths come
    first, so that those which have a condition at a place are the first so many.
    """

    def __init__(self, model: HistGradientBoostingClassifier) -> None:
        paths = [path for nodes in trees_of(model) for path in _paths(nodes, 0, {})]
        paths.sort(key=lambda path: -len(path[1]))
        worth = (value * float(np.prod([one.share for one in asked.values()])) for value, asked in paths)
        self.base = float(np.sum(model._baseline_prediction)) + sum(worth)
        self._width = int(model.n_features_in_)
        lengths = np.array([len(asked) for _, asked in paths], dtype=np.intp)
        longest = int(lengths.max(initial=0))
        counts = [int((lengths > place).sum()) for place in range(longest)]
        ends = np.cumsum(counts).tolist()
        self._places = [(slice(count), slice(end - count, end)) for count, end in zip(counts, ends, strict=True)]
        self._path = np.array([at for count in counts for at in range(count)], dtype=np.intp)
        listed = [list(asked.items()) for _, asked in paths]
        self._lay_out([asked[place] for place, count in enumerate(counts) for asked in listed[:count]])
        value = np.array([value for value, _ in paths], dtype=np.float64)
        points, weights = np.polynomial.legendre.leggauss(max(1, (longest + 1) // 2))
        self._quadrature = [
            ((point + 1) / 2, self._share * (1 - point) / 2, value * weight / 2)
            for point, weight in zip(points.tolist(), weights.tolist(), strict=True)
        ]

    def _lay_out(self, placed: list[tuple[int, Condition]]) -> None:
        self._feature = np.array([feature for feature, _ in placed], dtype=np.intp)
        self._low = np.array([one.low for _, one in placed], dtype=np.float64)
        self._high = np.array([one.high for _, one in placed], dtype=np.float64)
        self._absent = np.array([one.absent for _, one in placed], dtype=np.bool_)
        self._share = np.array([one.share for _, one in placed], dtype=np.float64)

    def values(self, matrix: Matrix) -> Matrix:
        """Shape (rows, features) from (rows, features); row by row, as what is computed of one fits into the caches."""
        rows = [np.bincount(self._feature, self._added(row), minlength=self._width) for row in matrix]
        return np.array(rows, dtype=np.float64).reshape(len(matrix), self._width)

    def _added(self, row: Matrix) -> Matrix:
        """What each condition adds to a row's margin, in the order of the conditions."""
        asked = row[self._feature]
        within = ~(asked <= self._low) & (asked <= self._high)
        held = np.where(np.isnan(asked), self._absent, within).astype(np.float64)
        added = np.zeros(len(held))
        for point, unknown, value in self._quadrature:
            factors = held * point
            factors += unknown
            products = value.copy()
            for paths, conditions in self._places:
                products[paths] *= factors[conditions]
            others = products[self._path]
            others /= factors
            added += others
        added *= held - self._share
        return added


def _paths(nodes: NDArray[Any], at: int, asked: dict[int, Condition]) -> Iterator[Path]:
    """Every leaf below a node of a tree, with the conditions on the way to the node and from there on."""
    node = nodes[at]
    if node["is_leaf"]:
        yield float(node["value"]), asked
        return
    feature, threshold = int(node["feature_idx"]), float(node["num_threshold"])
    known, to_left = asked.get(feature, Condition()), bool(node["missing_go_to_left"])
    for side, goes in (("left", to_left), ("right", not to_left)):
        below = int(node[side])
        narrowed = Condition(
            low=known.low if side == "left" else float(np.fmax(known.low, threshold)),
            high=min(known.high, threshold) if side == "left" else known.high,
            absent=known.absent and goes,
            share=known.share * float(nodes[below]["count"]) / float(node["count"]),
        )
        yield from _paths(nodes, below, asked | {feature: narrowed})
