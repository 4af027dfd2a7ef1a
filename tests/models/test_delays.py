import numpy as np
import pytest

from models.delays import LEAST_KNOWN, share_known, standing

DAY_MS = 86_400_000


def test_the_share_known_is_the_product_over_longer_delays_of_the_frauds_old_enough_to_show_them() -> None:
    # By hand: all by 3; one of the two that were 3 or older took 3, so half by 2; one of two took 2, so a quarter by 1.
    delays, ages = np.array([1.0, 1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0, 4.0])
    assert share_known(delays, ages, np.array([0.5, 1.0, 1.5, 2.0, 3.0, 9.0])).tolist() == [
        0.0,
        0.25,
        0.25,
        0.5,
        1.0,
        1.0,
    ]


def test_of_no_fraud_nothing_is_said() -> None:
    assert share_known(np.empty(0), np.empty(0), np.array([0.0, 5.0])).tolist() == [1.0, 1.0]


def test_what_is_known_stands_for_all_fraud_there_is() -> None:
    random = np.random.default_rng(5)
    occurred = np.sort(random.integers(0, 40 * DAY_MS, 60_000))
    fraud = random.random(60_000) < 0.05
    labelled = occurred + random.lognormal(np.log(7), 0.7, 60_000) * DAY_MS
    known = fraud & (labelled <= 40 * DAY_MS)
    stands = standing(occurred, known.astype(np.int64), np.where(known, labelled, np.nan), 40 * DAY_MS)
    old = stands > 0
    assert known[old].sum() < 0.9 * fraud[old].sum()
    assert stands[known & old].sum() == pytest.approx(fraud[old].sum(), rel=0.05)
    assert (stands[old & ~known] == 1).all()


def test_orders_too_young_for_their_frauds_to_be_known_stand_for_nothing_and_are_the_latest() -> None:
    occurred = np.arange(10) * DAY_MS
    label = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    stands = standing(occurred, label, np.where(label == 1, occurred + 5 * DAY_MS, np.nan), 9 * DAY_MS)
    assert stands.tolist() == [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]


def test_no_fraud_stands_for_more_than_is_believable() -> None:
    random = np.random.default_rng(1)
    occurred = np.sort(random.integers(0, 10 * DAY_MS, 5_000))
    delays = random.exponential(8, 5_000) * DAY_MS
    known = occurred + delays <= 10 * DAY_MS
    stands = standing(occurred, known.astype(np.int64), np.where(known, occurred + delays, np.nan), 10 * DAY_MS)
    assert 1 <= stands[stands > 0].min() <= stands.max() <= 1 / LEAST_KNOWN


def test_a_label_from_before_its_order_was_known_at_once() -> None:
    occurred, label = np.array([0, DAY_MS]), np.array([1, 0])
    assert standing(occurred, label, np.array([-5.0, np.nan]), 2 * DAY_MS).tolist() == [1, 1]
