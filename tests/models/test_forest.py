import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier

from models.forest import Forest

ANY_NUMBER = st.floats(-10, 10, width=16) | st.sampled_from([np.nan, np.inf, -np.inf])


@pytest.fixture(scope="module")
def model():
    """Values are missing at random in one column, with a meaning in another."""
    rng = np.random.default_rng(5)
    matrix = rng.normal(size=(2_000, 4)).round(1)
    matrix[rng.random(2_000) < 0.3, 0] = np.nan
    label = matrix[:, 1] + np.nan_to_num(matrix[:, 0]) > 0.4
    matrix[label & (rng.random(2_000) < 0.6), 2] = np.nan
    return HistGradientBoostingClassifier(max_iter=30, random_state=0).fit(matrix, label)


@settings(deadline=None)
@given(st.lists(st.tuples(ANY_NUMBER, ANY_NUMBER, ANY_NUMBER, ANY_NUMBER), min_size=1, max_size=50))
def test_margins_are_bitwise_those_of_scikit_learn(model, rows):
    matrix = np.array(rows)
    assert Forest(model).margins(matrix).tobytes() == model.decision_function(matrix).tobytes()


def test_no_rows_have_no_margins(model):
    assert Forest(model).margins(np.empty((0, 4))).shape == (0,)


def test_a_model_of_more_than_two_classes_is_refused():
    model = HistGradientBoostingClassifier(max_iter=2).fit(np.arange(90.0)[:, None], np.arange(90) % 3)
    with pytest.raises(ValueError, match="two classes"):
        Forest(model)


def test_a_model_with_categories_is_refused():
    values = np.arange(200.0)[:, None] % 4
    model = HistGradientBoostingClassifier(max_iter=2, categorical_features=[0]).fit(values, values.ravel() % 2)
    with pytest.raises(ValueError, match="numeric splits"):
        Forest(model)
