import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import BadPolicy
from models.policy import Costs, Policy, amounts_of, costs_from, within_capacity

HUNDRED = 100.0
SCORES = st.floats(0, 1)
AMOUNTS = st.floats(0, 50_000)
COSTS = st.builds(
    Costs,
    review_cents=st.floats(1, 2_000),
    review_minutes=st.floats(0.5, 30),
    review_finds=st.floats(0.01, 1),
    review_loses=st.floats(0, 0.99),
    missed_fraud_share=st.floats(0, 2),
    missed_fraud_cents=st.floats(1, 10_000),
    lost_order_share=st.floats(0, 2),
    lost_order_cents=st.floats(1, 10_000),
)


def hundred(scores):
    return np.full(len(scores), HUNDRED)


def test_expected_costs_are_what_the_table_says():
    """A missed fraud of 100 dollars costs 125, a lost good order 40; an analyst finds 80 % and loses 3 %."""
    approve, review, block = Policy().expected_cents(np.array([0.5]), np.array([HUNDRED]))
    assert (approve[0], block[0]) == (6_250.0, 2_000.0)
    assert review[0] == pytest.approx(200 + 0.2 * 6_250 + 0.03 * 2_000)


def test_the_cheapest_outcome_is_taken():
    scores = np.array([0.0, 0.03, 0.1, 0.4, 0.57, 0.8, 1.0])
    found = Policy().outcomes(scores, hundred(scores))
    assert found == ["approve", "approve", "review", "review", "review", "block", "block"]


@given(costs=COSTS, price=st.floats(0, 5_000), score=SCORES, amount=AMOUNTS)
def test_no_other_outcome_would_have_cost_less(costs, price, score, amount):
    policy = Policy(costs=costs, price_cents=price)
    approve, review, block = (float(c[0]) for c in policy.expected_cents(np.array([score]), np.array([amount])))
    cost = {"approve": approve, "review": review + price, "block": block}
    (found,) = policy.outcomes(np.array([score]), np.array([amount]))
    assert cost[found] <= min(cost.values()) + 1e-9 * max(cost.values())


@given(costs=COSTS, price=st.floats(0, 5_000), amount=AMOUNTS)
def test_thresholds_are_where_the_outcome_changes(costs, price, amount):
    policy = Policy(costs=costs, price_cents=price)
    review_at, block_at = policy.thresholds(amount)
    for score in np.linspace(0, 1, 41):
        if min(abs(score - review_at), abs(score - block_at)) > 1e-9:
            expected = "block" if score > block_at else "review" if score > review_at else "approve"
            assert policy.outcomes(np.array([score]), np.array([amount])) == [expected]


def test_a_dearer_order_is_reviewed_at_a_lower_probability():
    reviewed_from = [Policy().thresholds(amount)[0] for amount in (10.0, 100.0, 1_000.0, 10_000.0)]
    assert all(dearer < cheaper for cheaper, dearer in pairwise(reviewed_from))


@given(
    orders=st.lists(st.tuples(SCORES, AMOUNTS), min_size=1, max_size=60),
    costs=COSTS,
    reviews=st.integers(0, 60),
)
def test_the_analysts_get_the_reviews_that_save_most_and_no_more_than_they_have_time_for(orders, costs, reviews):
    scores, amounts = (np.array(column) for column in zip(*orders, strict=True))
    policy = within_capacity(scores, amounts, costs, reviews)
    approve, review, block = policy.expected_cents(scores, amounts)
    saved = np.minimum(approve, block) - review
    reviewed = policy.ranks(scores, amounts) == 1
    assert reviewed.sum() <= reviews
    left_out = saved[~reviewed & (saved >= 0)]
    assert not left_out.size or not reviewed.any() or saved[reviewed].min() > left_out.max()
    if (saved >= 0).sum() <= reviews:
        assert policy.price_cents == 0.0
        assert reviewed.sum() == (saved >= 0).sum()


def test_without_time_for_a_review_orders_are_approved_or_blocked():
    scores = np.linspace(0, 1, 101)
    policy = within_capacity(scores, hundred(scores), Costs(), 0)
    outcomes = policy.outcomes(scores, hundred(scores))
    assert set(outcomes) == {"approve", "block"}
    assert outcomes.index("block") == 25  # from .2424 on blocking costs less than approving


@given(st.lists(st.tuples(SCORES, AMOUNTS), min_size=2, max_size=30), st.data())
def test_an_outcome_does_not_depend_on_its_chunk(orders, data):
    scores, amounts = (np.array(column) for column in zip(*orders, strict=True))
    cut = data.draw(st.integers(1, len(orders) - 1))
    policy = Policy(price_cents=120.0)
    parts = [part for at in (slice(cut), slice(cut, None)) for part in policy.outcomes(scores[at], amounts[at])]
    assert parts == policy.outcomes(scores, amounts)
    priorities = [one for at in (slice(cut), slice(cut, None)) for one in policy.priorities(scores[at], amounts[at])]
    assert priorities == policy.priorities(scores, amounts)


def test_an_orders_priority_is_the_cents_that_its_review_saves_a_minute():
    scores, amounts = np.array([0.5, 0.5, 0.001]), np.array([HUNDRED, 1_000.0, HUNDRED])
    worth_cents = 2_000 - (200 + 0.2 * 6_250 + 0.03 * 2_000)
    ten_times_cents = 15_500 - (200 + 0.2 * 51_250 + 0.03 * 15_500)
    nothing_cents = 12.5 - (200 + 0.2 * 12.5 + 0.03 * 0.999 * 4_000)
    expected = [round(cents / 5, 2) for cents in (worth_cents, ten_times_cents, nothing_cents)]
    assert Policy().priorities(scores, amounts) == pytest.approx(expected, abs=0.011)


def test_an_unknown_amount_counts_as_a_typical_one():
    policy, score = Policy(typical_usd=700.0), np.array([0.025])
    assert policy.outcomes(score, np.array([math.nan])) == policy.outcomes(score, np.array([700.0])) == ["review"]
    assert policy.outcomes(score, np.array([HUNDRED])) == ["approve"]
    learned = within_capacity(np.full(4, 0.1), np.array([math.nan, 1.0, 5.0, 70.0]), Costs(), 9)
    assert learned.typical_usd == 5.0
    assert within_capacity(np.full(2, 0.1), np.full(2, math.nan), Costs(), 9).typical_usd == 100.0


def test_a_score_at_a_fixed_threshold_has_the_stricter_outcome():
    policy = Policy(review_at=0.2, block_at=0.7)
    scores = np.array([0.0, 0.2, np.nextafter(0.2, 0), 0.7, np.nextafter(0.7, 0), 1.0])
    expected = ["approve", "review", "approve", "block", "review", "block"]
    assert policy.outcomes(scores, hundred(scores)) == expected
    assert policy.thresholds(HUNDRED) == (0.2, 0.7)


def test_one_fixed_threshold_leaves_the_other_to_the_costs():
    scores = np.array([0.01, 0.1, 0.6, 0.9])
    assert Policy(review_at=0.0).outcomes(scores, hundred(scores)) == ["review", "review", "block", "block"]
    assert Policy(block_at=0.95).outcomes(scores, hundred(scores)) == ["approve", "review", "review", "review"]


@pytest.mark.parametrize("thresholds", [(0.7, 0.2), (-0.1, 0.5), (0.1, 1.1), (math.nan, 0.5), (0.1, math.nan)])
def test_thresholds_that_are_no_ordered_probabilities_are_refused(thresholds):
    with pytest.raises(BadPolicy, match="expected 0 <= review_at <= block_at <= 1"):
        Policy(*thresholds)


@pytest.mark.parametrize("amounts", [{"price_cents": -1.0}, {"price_cents": math.nan}, {"typical_usd": -1.0}])
def test_a_negative_price_is_refused(amounts):
    with pytest.raises(BadPolicy, match="expected amounts of 0 or more"):
        Policy(**amounts)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("review_cents: 0", "review_cents: expected more than 0, at most"),
        ("lost_order_cents: -5", r"lost_order_cents: expected more than 0, at most .*, got -5"),
        ("review_finds: 1.5", r"review_finds: expected more than 0, at most 1, got 1\.5"),
        ("review_loses: 1.5", r"review_loses: expected 0 or more, at most 0.99, got 1\.5"),
        ("missed_fraud_share: .nan", "missed_fraud_share: expected 0 or more, at most .*, got nan"),
        ("lost_order_share: .inf", "lost_order_share: expected 0 or more, at most .*, got inf"),
        ("review_cost: 3", "unknown field `review_cost`"),
        ("review_cents: three", "review_cents"),
        ("review_cents: [", r"costs\.yaml"),
    ],
)
def test_a_cost_table_with_a_mistake_is_refused_and_the_row_named(row, message):
    with pytest.raises(BadPolicy, match=message):
        costs_from(row.encode(), "costs.yaml")


def test_a_cost_table_may_name_some_of_its_rows():
    assert costs_from(b"review_cents: 450\nreview_finds: 0.9\n", "costs.yaml") == Costs(
        review_cents=450, review_finds=0.9
    )
    assert costs_from(b"", "costs.yaml") == Costs()


def test_a_score_that_is_not_a_number_never_becomes_an_outcome():
    with pytest.raises(ValueError, match="not a number"):
        Policy(0.1, 0.2).outcomes(np.array([0.0, math.nan]), np.zeros(2))


def test_no_scores_have_no_outcomes():
    assert Policy().outcomes(np.empty(0), np.empty(0)) == []


def test_amounts_are_the_vectors_own_where_they_have_them():
    matrix = np.array([[1.0, 20.0], [2.0, 30.0]])
    assert amounts_of(matrix, ("a", "order.amount_usd")).tolist() == [20.0, 30.0]
    assert np.isnan(amounts_of(matrix, ("a", "b"))).all()
