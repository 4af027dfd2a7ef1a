import numpy as np
import pytest

from models.measures import Judged, calibration_error, curves, measures, reliability

DAY_MS = 86_400_000


def judged(*, score, label, amount=None, customer=None, day=None):
    size = len(score)
    return Judged(
        occurred_at_ms=np.array(day if day is not None else [0] * size, dtype=np.int64) * DAY_MS,
        label=np.array(label, dtype=np.int64),
        score=np.array(score, dtype=np.float64),
        amount=np.array(amount if amount is not None else [1.0] * size, dtype=np.float64),
        customer=None if customer is None else np.array(customer, dtype=np.int64),
    )


def test_a_perfect_order_of_scores_has_the_best_of_all_figures() -> None:
    found = measures(judged(score=[0.1, 0.2, 0.8, 0.9], label=[0, 0, 1, 1]))
    assert (found.auc, found.average_precision, found.recall_at_1pct_fpr) == (1.0, 1.0, 1.0)
    assert found.precision_at_100_per_day == 0.5  # of all four, since the day has no hundred
    assert found.brier == pytest.approx(0.025)


def test_a_days_hundred_highest_scores_are_looked_at() -> None:
    score = np.linspace(1.0, 0.0, 200)
    label = [1] * 30 + [0] * 90 + [1] * 80
    assert measures(judged(score=score, label=label)).precision_at_100_per_day == 0.3


def test_precision_is_the_mean_over_days() -> None:
    found = measures(judged(score=[0.9, 0.1, 0.9, 0.1], label=[1, 1, 1, 0], day=[0, 0, 1, 1]))
    assert found.precision_at_100_per_day == (1.0 + 0.5) / 2


def test_a_customer_found_defrauded_is_dropped_on_later_days() -> None:
    found = measures(judged(score=[0.9, 0.5, 0.9, 0.5], label=[1, 0, 1, 0], customer=[7, 8, 7, 8], day=[0, 0, 1, 1]))
    assert found.card_precision_at_100 == (1 / 2 + 0 / 1) / 2


def test_a_customer_counts_by_its_highest_score_and_any_fraud_of_the_day() -> None:
    score = [*np.linspace(0.9, 0.8, 99), 0.7, 0.6, 0.1]
    customer = [*range(99), 99, 100, 0]
    label = [0] * 99 + [1, 1, 1]
    found = measures(judged(score=score, label=label, customer=customer))
    assert found.card_precision_at_100 == 2 / 100  # customers 99 and 0; 100 is the hundred-and-first


def test_without_customers_nothing_is_said_of_cards() -> None:
    assert measures(judged(score=[0.1, 0.9], label=[0, 1])).card_precision_at_100 is None


def test_orders_that_name_no_customer_are_no_card() -> None:
    found = measures(judged(score=[0.9, 0.8], label=[0, 1], customer=[-1, 3]))
    assert found.card_precision_at_100 == 1.0


def test_recall_is_at_a_threshold_that_one_genuine_order_in_a_hundred_reaches() -> None:
    score = np.concatenate([np.linspace(0.0, 0.5, 198), [0.9, 0.8], [0.95, 0.85, 0.7, 0.2]])
    label = [0] * 200 + [1] * 4
    assert measures(judged(score=score, label=label)).recall_at_1pct_fpr == 0.75


def test_value_recall_is_of_the_frauds_amount_among_the_highest_scores() -> None:
    score, amount = np.linspace(1.0, 0.0, 300), np.ones(300)
    label = np.zeros(300, dtype=int)
    label[[0, 2, 250]] = 1
    amount[[0, 2, 250]] = (30.0, 50.0, 20.0)
    assert measures(judged(score=score, label=label, amount=amount)).value_recall == pytest.approx(0.8)


def test_amounts_that_nobody_knows_give_no_value_recall() -> None:
    assert measures(judged(score=[0.1, 0.9], label=[0, 1], amount=[np.nan, np.nan])).value_recall is None


def test_calibration_is_the_distance_of_scores_from_shares_in_groups_of_one_size() -> None:
    label, score = np.array([0, 0, 1, 1]), np.array([0.1, 0.3, 0.5, 0.9])
    groups = reliability(label, score, bins=2)
    assert [(group.orders, group.score, group.fraud) for group in groups] == [(2, 0.2, 0.0), (2, 0.7, 1.0)]
    assert calibration_error(groups) == pytest.approx((0.2 + 0.3) / 2)


def test_curves_begin_at_nothing_and_end_at_all_with_few_points() -> None:
    random = np.random.default_rng(0)
    score = random.random(5_000)
    drawn = curves(judged(score=score, label=(random.random(5_000) < score).astype(int)))
    assert drawn.roc[0] == (0.0, 0.0)
    assert drawn.roc[-1] == drawn.found[-1] == drawn.value[-1] == (1.0, 1.0)
    assert max(map(len, (drawn.roc, drawn.precision, drawn.found, drawn.value))) <= 400
