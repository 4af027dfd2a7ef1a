import math

import numpy as np
import pytest

from models.errors import UntrainableTable
from models.policy import Costs, Policy
from models.training import Settings, measure, reviews, train

DEFINITIONS = "d" * 32


def names_of(table):
    return tuple(table.columns[:6])


def test_a_learnable_fraud_is_learned(trained):
    assert trained.metrics.auc > 0.95
    assert trained.metrics.orders == 1_000
    assert trained.learned_orders == 3_000
    assert trained.metrics.flagged - trained.metrics.blocked <= 25
    assert trained.metrics.flagged_precision > 0.5
    assert trained.metrics.blocked_precision > 0.6


def test_scores_are_probabilities_on_the_whole(table, trained, scorer, matrix):
    judged = scorer.scores(matrix[3_000:])
    assert judged.mean() == pytest.approx(table["label"][3_000:].mean(), rel=0.35)


def test_the_same_table_and_seed_give_the_same_model_whatever_the_rows_order(table, trained):
    again = train(table.sample(frac=1.0, random_state=3), names_of(table), definitions=DEFINITIONS, seed=7)
    assert again.fingerprint == trained.fingerprint
    assert again.metrics == trained.metrics
    assert (again.from_ms, again.until_ms) == (trained.from_ms, trained.until_ms)


def test_a_table_of_single_precision_gives_the_same_model_but_for_its_last_digits(table, trained):
    narrow = train(
        table.astype(dict.fromkeys(names_of(table), np.float32)), names_of(table), definitions=DEFINITIONS, seed=7
    )
    assert narrow.metrics.auc == pytest.approx(trained.metrics.auc, abs=1e-3)
    assert narrow.learned_orders == trained.learned_orders


def test_the_later_orders_are_judged_and_never_learned_from(table):
    flipped = table.assign(label=table["label"].where(table.index < 3_000, 1 - table["label"]))
    assert train(flipped, names_of(table), definitions=DEFINITIONS, seed=7).metrics.auc < 0.05


def test_orders_of_the_same_moment_are_never_on_both_sides(table):
    moment = table["occurred_at_ms"].iloc[2_900]
    tied = table.assign(occurred_at_ms=table["occurred_at_ms"].where(table.index < 2_900, moment))
    assert train(tied, names_of(table), definitions=DEFINITIONS, seed=7).learned_orders == 2_900


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


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(UntrainableTable, match="expected 0 <= review share <= 1"):
        Settings(review_share=share)


@pytest.mark.parametrize("reviews_per_day", [-1.0, math.nan])
def test_a_number_of_reviews_that_is_none_is_refused(reviews_per_day):
    with pytest.raises(UntrainableTable, match="expected 0 or more reviews a day"):
        Settings(reviews_per_day=reviews_per_day)


def test_analysts_have_time_for_a_share_of_the_judged_orders_or_for_so_many_a_day(table):
    judged = table[3_000:3_961]  # 960 minutes from the first to the last
    assert reviews(judged, Settings(review_share=0.02)) == pytest.approx(19.22)
    assert reviews(judged, Settings(reviews_per_day=30)) == 30  # less than a day counts as one
    assert reviews(table, Settings(reviews_per_day=30)) == pytest.approx(30 * 3_999 / 1_440)


def test_fewer_reviews_a_day_are_fewer_reviews_and_the_same_scores(table, trained):
    few = train(
        table, names_of(table), definitions=DEFINITIONS, seed=7, settings=Settings(review_share=0.0, costs=Costs())
    )
    assert few.fingerprint == trained.fingerprint
    assert few.metrics.flagged == few.metrics.blocked
    assert few.policy.price_cents > trained.policy.price_cents


def test_infinite_values_and_constant_columns_are_learned_around(table):
    odd = table.assign(**{"phone.age_s": np.inf, "order.amount_usd": 1.0})
    assert train(odd, names_of(table), definitions=DEFINITIONS, seed=7).metrics.auc > 0.95


def test_the_measures_are_what_counting_by_hand_gives():
    labels = np.array([0, 1, 0, 1, 1, 0])
    scores = np.array([0.1, 0.2, 0.6, 0.7, 0.95, 0.05])
    found = measure(labels, scores, np.full(6, 100.0), Policy(0.6, 0.95))
    assert (found.orders, found.frauds, found.flagged, found.blocked) == (6, 3, 3, 1)
    assert (found.flagged_precision, found.flagged_recall) == (2 / 3, 2 / 3)
    assert (found.blocked_precision, found.blocked_recall) == (1.0, 1 / 3)
    assert found.auc == pytest.approx(8 / 9)
    assert found.brier == pytest.approx(np.mean((labels - scores) ** 2))
