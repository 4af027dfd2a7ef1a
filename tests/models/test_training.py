import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import UntrainableTable
from models.training import Settings, measure, thresholds, train

DEFINITIONS = "d" * 32


def names_of(table):
    return tuple(table.columns[:6])


def test_a_learnable_fraud_is_learned(trained):
    assert trained.metrics.auc > 0.95
    assert trained.metrics.orders == 1_000
    assert trained.learned_orders == 3_000
    assert trained.metrics.flagged <= 25
    assert trained.metrics.blocked <= 5
    assert trained.policy.review_at < trained.policy.block_at


def test_scores_are_probabilities_on_the_whole(table, trained, scorer, matrix):
    judged = scorer.scores(matrix[3_000:])
    assert judged.mean() == pytest.approx(table["label"][3_000:].mean(), rel=0.35)


def test_the_same_table_and_seed_give_the_same_model_whatever_the_rows_order(table, trained):
    again = train(table.sample(frac=1.0, random_state=3), names_of(table), definitions=DEFINITIONS, seed=7)
    assert again.fingerprint == trained.fingerprint
    assert again.metrics == trained.metrics
    assert (again.from_ms, again.until_ms) == (trained.from_ms, trained.until_ms)


def test_the_later_orders_are_judged_and_never_learned_from(table):
    flipped = table.assign(label=table["label"].where(table.index < 3_000, 1 - table["label"]))
    assert train(flipped, names_of(table), definitions=DEFINITIONS, seed=7).metrics.auc < 0.05


def test_orders_of_the_same_moment_are_never_on_both_sides(table):
    moment = table["occurred_at_ms"].iloc[2_900]
    tied = table.assign(occurred_at_ms=table["occurred_at_ms"].where(table.index < 2_900, moment))
    assert train(tied, names_of(table), definitions=DEFINITIONS, seed=7).learned_orders == 2_900


def test_the_background_is_the_median_genuine_order(table, trained):
    learned = table[:3_000]
    expected = [learned.loc[learned["label"] == 0, name].median() for name in names_of(table)]
    assert trained.background == pytest.approx(expected, nan_ok=True)
    assert math.isnan(trained.background[5])


def with_label(table, label):
    return table.assign(label=label)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t[:0], "no rows"),
        (lambda t: with_label(t, 0), "0 of 4000 are fraud"),
        (lambda t: with_label(t, 1), "4000 of 4000 are fraud"),
        (lambda t: with_label(t, np.nan), "4000 of 4000 labels are neither 0 nor 1"),
        (lambda t: with_label(t, t["label"] * 2), "labels are neither 0 nor 1"),
        (lambda t: t.drop(columns="card.orders.count.1h"), "lacks columns: card.orders.count.1h"),
        (lambda t: t.drop(columns="occurred_at_ms"), "lacks columns: occurred_at_ms"),
        (lambda t: with_label(t, t["label"].where(t.index < 3_000, 0)), "the latest 1000 orders, to be judged on,"),
        (lambda t: with_label(t, t["label"].where(t.index >= 3_000, 0)), "the earliest 3000 orders, to learn from,"),
        (lambda t: t.assign(occurred_at_ms=5), "the earliest 0 orders, to learn from,"),
    ],
)
def test_a_table_that_teaches_nothing_is_refused(table, spoil, message):
    with pytest.raises(UntrainableTable, match=message):
        train(spoil(table), names_of(table), definitions=DEFINITIONS, seed=0)


def test_no_features_at_all_are_refused(table):
    with pytest.raises(UntrainableTable, match="no features"):
        train(table, (), definitions=DEFINITIONS, seed=0)


@pytest.mark.parametrize("shares", [(0.01, 0.02), (1.0, 0.1), (0.1, -0.1), (math.nan, 0.1)])
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(UntrainableTable, match="expected 0 <= block share <= review share < 1"):
        Settings(review_share=shares[0], block_share=shares[1])


def test_infinite_values_and_constant_columns_are_learned_around(table):
    odd = table.assign(**{"phone.age_s": np.inf, "order.amount_usd": 1.0})
    assert train(odd, names_of(table), definitions=DEFINITIONS, seed=7).metrics.auc > 0.95


@given(
    scores=st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), min_size=1, max_size=60).map(np.array),
    shares=st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)).map(sorted),
)
def test_thresholds_are_the_lowest_that_keep_to_the_shares(scores, shares):
    policy = thresholds(scores, Settings(review_share=shares[1], block_share=shares[0]))
    for threshold, share in ((policy.review_at, shares[1]), (policy.block_at, shares[0])):
        allowed = share * len(scores)
        assert (scores >= threshold).sum() <= allowed or threshold == 1.0
        lower = [score for score in scores if score < threshold]
        assert all((scores >= score).sum() > allowed for score in lower)


def test_the_measures_are_what_counting_by_hand_gives():
    labels = np.array([0, 1, 0, 1, 1, 0])
    scores = np.array([0.1, 0.2, 0.6, 0.7, 0.95, 0.05])
    policy = thresholds(scores, Settings(review_share=0.5, block_share=0.2))
    assert (policy.review_at, policy.block_at) == (0.6, 0.95)
    found = measure(labels, scores, policy)
    assert (found.orders, found.frauds, found.flagged, found.blocked) == (6, 3, 3, 1)
    assert (found.flagged_precision, found.flagged_recall) == (2 / 3, 2 / 3)
    assert (found.blocked_precision, found.blocked_recall) == (1.0, 1 / 3)
    assert found.auc == pytest.approx(8 / 9)
    assert found.brier == pytest.approx(np.mean((labels - scores) ** 2))
