from itertools import chain, combinations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier

from models.shapley import Shapley

FEATURES = 5
ANY_NUMBER = st.floats(-10, 10, width=16) | st.sampled_from([np.nan, np.inf, -np.inf])
ROW = st.tuples(*[ANY_NUMBER] * FEATURES)


def made(trees, leaves, seed=5):
    """Values are missing at random in one column, with a meaning in another; features act together."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(2_000, FEATURES)).round(1)
    matrix[rng.random(2_000) < 0.3, 0] = np.nan
    label = matrix[:, 1] * matrix[:, 3] + np.nan_to_num(matrix[:, 0]) + matrix[:, 4] > 0.4
    matrix[label & (rng.random(2_000) < 0.6), 2] = np.nan
    model = HistGradientBoostingClassifier(
        max_iter=trees, max_leaf_nodes=leaves, min_samples_leaf=5, learning_rate=0.3, random_state=0
    )
    return model.fit(matrix, label)


@pytest.fixture(scope="module")
def model():
    return made(trees=6, leaves=15)


def worth(nodes, row, known, at=0):
    """Lundberg et al. 2020, algorithm 1: a tree's value where only the features `known` of a row are known."""
    node = nodes[at]
    if node["is_leaf"]:
        return node["value"]
    left, right = (worth(nodes, row, known, node[side]) for side in ("left", "right"))
    if node["feature_idx"] in known:
        value = row[node["feature_idx"]]
        to_left = node["missing_go_to_left"] if np.isnan(value) else value <= node["num_threshold"]
        return left if to_left else right
    return (left * nodes[node["left"]]["count"] + right * nodes[node["right"]]["count"]) / node["count"]


@pytest.fixture(scope="module")
def shapley(model):
    return Shapley(model)


def by_all_subsets(model, row):
    """The definition: what a feature adds to each set of others, weighed by the orders in which that set comes."""
    features = range(len(row))
    subsets = list(chain.from_iterable(combinations(features, size) for size in range(len(row) + 1)))
    margin = {
        frozenset(known): sum(worth(trees[0].nodes, row, set(known)) for trees in model._predictors)
        for known in subsets
    }
    found = np.zeros(len(row))
    for feature in features:
        for known in (frozenset(each) for each in subsets if feature not in each):
            orders = factorial(len(known)) * factorial(len(row) - len(known) - 1) / factorial(len(row))
            found[feature] += orders * (margin[known | {feature}] - margin[known])
    return found, margin[frozenset()]


@settings(deadline=None, max_examples=40)
@given(ROW)
def test_values_are_those_of_the_definition_over_all_subsets(model, shapley, row):
    expected, base = by_all_subsets(model, np.array(row))
    np.testing.assert_allclose(shapley.values(np.array([row]))[0], expected, rtol=0, atol=1e-12)
    assert shapley.base == pytest.approx(base + model._baseline_prediction.item(), abs=1e-12)


@settings(deadline=None, max_examples=100)
@given(st.lists(ROW, min_size=1, max_size=20))
def test_base_and_values_add_up_to_the_margin(model, shapley, rows):
    matrix = np.array(rows)
    found = shapley.base + shapley.values(matrix).sum(axis=1)
    np.testing.assert_allclose(found, model.decision_function(matrix), rtol=0, atol=1e-9)


def test_they_add_up_too_where_many_features_stand_on_long_paths():
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(3_000, 30))
    label = matrix[:, :20].sum(axis=1) + rng.normal(size=3_000) > 5
    model = HistGradientBoostingClassifier(max_iter=100, max_leaf_nodes=31, min_samples_leaf=3).fit(matrix, label)
    shapley = Shapley(model)
    assert len(shapley._bundles[0]._places) > 12  # conditions on the longest path
    assert len(shapley._bundles) == 2
    found = shapley.base + shapley.values(matrix[:50]).sum(axis=1)
    np.testing.assert_allclose(found, model.decision_function(matrix[:50]), rtol=0, atol=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.lists(ROW, min_size=2, max_size=12), st.integers(1, 11))
def test_values_are_bitwise_the_same_in_any_chunk_and_memory_layout(shapley, rows, cut):
    matrix = np.array(rows)
    whole = shapley.values(matrix).tobytes()
    parts = np.concatenate([shapley.values(matrix[:cut]), shapley.values(matrix[cut:])])
    assert parts.tobytes() == whole
    assert shapley.values(np.asfortranarray(matrix)).tobytes() == whole


def test_a_feature_that_no_tree_asks_for_adds_nothing():
    rng = np.random.default_rng(2)
    matrix = rng.normal(size=(500, 3))
    matrix[:, 1] = 7.0
    shapley = Shapley(HistGradientBoostingClassifier(max_iter=5).fit(matrix, matrix[:, 0] > 0))
    assert shapley.values(matrix[:20])[:, 1].tolist() == [0.0] * 20


def test_a_model_that_asks_for_nothing_has_its_base_alone():
    model = HistGradientBoostingClassifier(max_iter=3).fit(np.zeros((50, 2)), np.arange(50) % 5 == 0)
    shapley = Shapley(model)
    assert shapley.values(np.ones((2, 2))).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert shapley.base == pytest.approx(model.decision_function(np.ones((1, 2)))[0], abs=1e-12)


def test_no_rows_have_no_values(model):
    assert Shapley(model).values(np.empty((0, FEATURES))).shape == (0, FEATURES)


def test_a_model_with_categories_is_refused():
    values = np.arange(200.0)[:, None] % 4
    model = HistGradientBoostingClassifier(max_iter=2, categorical_features=[0]).fit(values, values.ravel() % 2)
    with pytest.raises(ValueError, match="numeric splits"):
        Shapley(model)
