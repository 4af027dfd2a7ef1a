"""Scores and reasons from a trained model."""

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import ThreadpoolController

from models import reasons
from models.decisions import Reason
from models.errors import ForeignVectors
from models.forest import Forest
from models.policy import Policy
from models.shapley import Shapley

Matrix = NDArray[np.float64]

REASONS = 3
COMBINED = Reason(reasons.COMBINED)
_FEW_ROWS = 128  # up to here the forest's walk is the cheaper


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
        """For each row, what added most to its score."""
        ...


class HistScorer:
    """A gradient-boosted model: its margin plus `offset`, through the logistic function, is the score."""

    def __init__(
        self,
        *,
        version: str,
        definitions: str,
        names: tuple[str, ...],
        policy: Policy,
        model: HistGradientBoostingClassifier,
        offset: float,
    ) -> None:
        self.version = version
        self.definitions = definitions
        self.names = names
        self.policy = policy
        self._model = model
        self.offset = offset
        codes = [reasons.code_of(name) for name in names]
        self._codes = list(dict.fromkeys(codes))
        self._code = np.array([self._codes.index(code) for code in codes])
        self._members = [np.flatnonzero(self._code == code) for code in range(len(self._codes))]
        self._threads = ThreadpoolController()
        self._forest = Forest(model)
        self._shapley = Shapley(model)

    def scores(self, matrix: Matrix) -> Matrix:
        """Shape (rows,) from (rows, features); raises ForeignVectors for another width."""
        if matrix.shape[1] != len(self.names):
            raise ForeignVectors(f"model {self.version} takes {len(self.names)} features, got {matrix.shape[1]}")
        if not len(matrix):
            return np.empty(0)
        return np.asarray(expit(self.margins(matrix) + self.offset), dtype=np.float64)

    def reasons(self, matrix: Matrix) -> list[tuple[Reason, ...]]:
        """The codes whose features together added most to a row's margin, REASONS at most.

        Where nothing that is known of an order speaks for fraud, its reason is COMBINED.
        """
        return [self._top(row, values) for row, values in zip(matrix, self._shapley.values(matrix), strict=True)]

    def explained(self, row: Matrix) -> tuple[float, Matrix]:
        """The margin of an order of which nothing is known, and what each feature of this one adds to it."""
        return self._shapley.base, self._shapley.values(row[None, :])[0]

    def margins(self, matrix: Matrix) -> Matrix:
        """The scores' log-odds before `offset`, (rows,) from (rows, features).

        On one thread: chunks are small, and threads that wait for a busy core made a call ten times slower.
        """
        if len(matrix) <= _FEW_ROWS:
            return self._forest.margins(matrix)
        with self._threads.limit(limits=1, user_api="openmp"):
            return np.asarray(self._model.decision_function(matrix), dtype=np.float64)

    def _top(self, row: Matrix, values: Matrix) -> tuple[Reason, ...]:
        sums = np.bincount(self._code, values, minlength=len(self._codes))
        chosen = []
        for code in np.argsort(-sums, kind="stable")[:REASONS].tolist():
            if sums[code] <= 0:
                break
            members = self._members[code]
            first = members[np.argmax(values[members])]
            value, weight = float(row[first]), round(float(sums[code]), 4)
            chosen.append(Reason(self._codes[code], self.names[first], value if math.isfinite(value) else None, weight))
        return tuple(chosen) or (COMBINED,)
