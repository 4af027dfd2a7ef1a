"""Whether a model's score of an order depends on the orders beside it: asked of every model before it is registered.

Screening decides orders in chunks of any size and decides a chunk again after a crash: a score that is another in the
last bit then may be another outcome.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from models.errors import ChunkDependent
from models.forest import trees_of
from models.scoring import Matrix, Scorer

ROWS = 600  # more than a chunk of screening's
_SIZES = (1, 2, 7, 64, 500)


def refuse_chunk_dependent(scorer: Scorer, rows: Matrix) -> None:
    """Raises ChunkDependent unless the rows' scores are the same, to the bit, in chunks of any size and any order."""
    whole = scorer.scores(rows)
    for size in _SIZES:
        parts = [scorer.scores(rows[at : at + size]) for at in range(0, len(rows), size)]
        _same(scorer, whole, np.concatenate(parts), f"in chunks of {size}")
    order = np.random.default_rng(0).permutation(len(rows))
    _same(scorer, whole[order], scorer.scores(rows[order]), "in another order")


def probes(model: HistGradientBoostingClassifier, width: int) -> Matrix:
    """Made-up orders about the numbers at which the model's trees split, where answers differ: at them and beside them.

    A tenth of the numbers are unknown.
    """
    random = np.random.default_rng(0)
    nodes = np.concatenate(trees_of(model))
    inner = nodes[~nodes["is_leaf"].astype(bool)]
    rows = np.floor(random.exponential(2.0, size=(ROWS, width)))
    for column in np.unique(inner["feature_idx"]):
        at = inner["num_threshold"][inner["feature_idx"] == column]
        drawn = random.choice(at, ROWS)
        rows[:, column] = random.choice(np.stack([drawn, np.nextafter(drawn, np.inf), drawn - 1, drawn + 1]), axis=0)
    rows[random.random(rows.shape) < 0.1] = np.nan
    return rows


def _same(scorer: Scorer, expected: NDArray[np.float64], found: NDArray[np.float64], how: str) -> None:
    differ = int((expected.view(np.uint64) != found.view(np.uint64)).sum())
    if differ:
        raise ChunkDependent(
            f"model {scorer.version}: {differ} of {len(expected)} scores are others {how}; "
            "expected each order's score to be the same to the bit, whatever orders are beside it"
        )
