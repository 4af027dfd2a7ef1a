"""Scores and reasons from a trained model."""

import math
import re
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import ThreadpoolController

from models.decisions import Reason
from models.errors import ForeignVectors
from models.forest import Forest
from models.policy import Policy

Matrix = NDArray[np.float64]

REASONS = 3
COMBINED = Reason("model.combined")
_FEW_ROWS = 128  # up to here the forest's walk is the cheaper
_BLOCK_ROWS = 16  # flagged rows explained at a time: their trees' values stay in the caches
_UNIT = re.compile(r"_(s|usd)$")
_ORDERS = {"count": "velocity", "sum": "spend"}


class Scorer(Protocol):
    """What screening needs of a model."""

    @property
    def version(self) -> str: ...
    @property
    def definitions(self) -> str: ...
    @property
    def names(self) -> tuple[str, ...]: ...

    def scores(self, matrix: Matrix) -> Matrix:
        """The probability of fraud for each row, bitwise independent of the other rows."""
        ...

    def reasons(self, matrix: Matrix) -> list[tuple[Reason, ...]]:
        """For each row, what moved its score most."""
        ...


class HistScorer:
    """A gradient-boosted model: its margin plus `offset`, through the logistic function, is the score.

    `background` is a typical genuine order, one value a feature (NaN where such an order has none).
    """

    def __init__(
        self,
        *,
        version: str,
        definitions: str,
        names: tuple[str, ...],
        policy: Policy,
        model: HistGradientBoostingClassifier,
        offset: float,
        background: Matrix,
    ) -> None:
        self.version = version
        self.definitions = definitions
        self.names = names
        self.policy = policy
        self._model = model
        self._offset = offset
        self._background = background
        self._codes = [code_of(name) for name in names]
        self._threads = ThreadpoolController()
        self._forest = Forest(model)

    def scores(self, matrix: Matrix) -> Matrix:
        """Shape (rows,) from (rows, features); raises ForeignVectors for another width."""
        if matrix.shape[1] != len(self.names):
            raise ForeignVectors(f"model {self.version} takes {len(self.names)} features, got {matrix.shape[1]}")
        if not len(matrix):
            return np.empty(0)
        return np.asarray(expit(self._margins(matrix) + self._offset), dtype=np.float64)

    def reasons(self, matrix: Matrix) -> list[tuple[Reason, ...]]:
        """The features whose replacement by the background lowers a row's margin most: one a code, REASONS at most.

        Features that only tell something together may each move nothing; such a row gets the reason COMBINED.
        """
        found: list[tuple[Reason, ...]] = []
        for start in range(0, len(matrix), _BLOCK_ROWS):
            block = matrix[start : start + _BLOCK_ROWS]
            found.extend(map(self._top, block, self._forest.moved(block, self._background)))
        return found

    def _margins(self, matrix: Matrix) -> Matrix:
        """On one thread: chunks are small, and threads that wait for a busy core made a call ten times slower."""
        if len(matrix) <= _FEW_ROWS:
            return self._forest.margins(matrix)
        with self._threads.limit(limits=1, user_api="openmp"):
            return np.asarray(self._model.decision_function(matrix), dtype=np.float64)

    def _top(self, row: Matrix, moved: Matrix) -> tuple[Reason, ...]:
        chosen: dict[str, Reason] = {}
        for index in np.argsort(-moved, kind="stable"):
            if moved[index] <= 0 or len(chosen) == REASONS:
                break
            value = float(row[index])
            reason = Reason(self._codes[index], self.names[index], value if math.isfinite(value) else None)
            chosen.setdefault(reason.code, reason)
        return tuple(chosen.values()) or (COMBINED,)


def code_of(name: str) -> str:
    """The stable reason code of a feature: its entity and what it tells of it, whatever the window.

    `card.orders.count.1h` is `card.velocity`, `ip.declines.count.24h` `ip.declines`, `phone.age_s` `phone.age`.
    """
    entity, what, *how = name.split(".")
    if what == "orders" and how and how[0] in _ORDERS:
        return f"{entity}.{_ORDERS[how[0]]}"
    return f"{entity}.{_UNIT.sub('', what)}"
