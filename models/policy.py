"""From a score to an outcome: two thresholds."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.decisions import Outcome
from models.errors import BadPolicy

ORDERED: tuple[Outcome, ...] = ("approve", "review", "block")


class Policy(msgspec.Struct, frozen=True):
    """Scores from `review_at` on are reviewed, from `block_at` on blocked; both are probabilities in [0, 1]."""

    review_at: float
    block_at: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.review_at <= self.block_at <= 1.0:
            raise BadPolicy(f"expected 0 <= review_at <= block_at <= 1, got {self.review_at} and {self.block_at}")

    def outcome(self, score: float) -> Outcome:
        return self.outcomes(np.array([score]))[0]

    def outcomes(self, scores: NDArray[np.float64]) -> list[Outcome]:
        """One outcome a score; a score that is not a number is a fault of the model and raises ValueError."""
        if np.isnan(scores).any():
            raise ValueError("a score is not a number")
        ranks: NDArray[Any] = (scores >= self.review_at).astype(np.intp) + (scores >= self.block_at)
        return [ORDERED[rank] for rank in ranks.tolist()]
