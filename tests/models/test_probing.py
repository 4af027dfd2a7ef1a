import numpy as np
import pytest
from scipy.special import expit

from models.errors import ChunkDependent
from models.forest import trees_of
from models.probing import ROWS, probes, refuse_chunk_dependent


class Made:
    """A scorer by a function of a matrix."""

    version, definitions, names = "20260101-0123456789", "d" * 32, ("a", "b")

    def __init__(self, scores):
        self.scores = scores

    def reasons(self, matrix):
        return [() for _ in matrix]


ROWS_OF_TWO = np.random.default_rng(1).random((ROWS, 2))


def test_scores_of_each_row_alone_pass():
    refuse_chunk_dependent(Made(lambda matrix: expit(matrix[:, 0] + matrix[:, 1])), ROWS_OF_TWO)


@pytest.mark.parametrize(
    ("scores", "how"),
    [
        (lambda matrix: expit(matrix[:, 0] - matrix[:, 0].mean()), "in chunks of 1"),
        (lambda matrix: matrix[:, 0] + (len(matrix) == 2) * 1e-16, "in chunks of 2"),
        (lambda matrix: matrix[:, 0] + (len(matrix) == 500) * 1e-16, "in chunks of 500"),
        (lambda matrix: matrix[:, 0] * (1.0 if matrix[0, 0] == ROWS_OF_TWO[0, 0] or len(matrix) < ROWS else 0.5), "in"),
        (lambda matrix: np.where(len(matrix) == 1, -0.0, 0.0) * matrix[:, 0], "in chunks of 1"),
    ],
)
def test_scores_that_depend_on_the_rows_beside_are_refused_to_the_last_bit(scores, how):
    with pytest.raises(ChunkDependent, match=f"scores are others {how}"):
        refuse_chunk_dependent(Made(scores), ROWS_OF_TWO)


def test_probes_are_at_the_splits_of_every_tree_and_beside_them(trained):
    rows = probes(trained.model, len(trained.names))
    assert rows.shape == (ROWS, len(trained.names))
    assert probes(trained.model, len(trained.names)).tobytes() == rows.tobytes()
    nodes = trees_of(trained.model)[0]
    root = nodes[0]
    column = rows[:, root["feature_idx"]]
    every = np.concatenate(trees_of(trained.model))
    splits = every["num_threshold"][(every["feature_idx"] == root["feature_idx"]) & (every["is_leaf"] == 0)]
    assert np.isin(column, splits).mean() > 0.15
    assert np.isnan(column).mean() == pytest.approx(0.1, abs=0.05)
