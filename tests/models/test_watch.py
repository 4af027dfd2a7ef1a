"""Drift, alerts and precision by segment, against numbers worked out by hand."""

import math

import numpy as np
import pytest

from models.checks import stability
from models.watch import DAY_MS, FEW, Seen, cohorts, drifts, level_of, segments

BEGIN_MS = 10 * DAY_MS  # of the window; the reference is before


def seen(rank, label=None, score=None, at_ms=None, **segment):
    """Orders of the window, unless times say otherwise."""
    count = len(rank)
    return Seen(
        at_ms=np.array([BEGIN_MS] * count if at_ms is None else at_ms, dtype=np.int64),
        rank=np.array(rank, dtype=np.intp),
        score=np.full(count, np.nan) if score is None else np.array(score, dtype=np.float64),
        label=np.full(count, np.nan) if label is None else np.array(label, dtype=np.float64),
        segments=segment,
    )


def both(before, now):
    """Scores of the reference and of the window."""
    at_ms = [BEGIN_MS - 1] * len(before) + [BEGIN_MS] * len(now)
    return seen([0] * len(at_ms), score=[*before, *now], at_ms=at_ms)


def test_the_index_is_the_one_that_is_worked_out_by_hand() -> None:
    before = np.repeat(np.arange(10.0), 10)  # ten of each tenth
    after = np.full(100, 9.0)  # all of the last tenth
    # Half an order is added to each of ten bins and to that of absent values: 105.5 in all.
    emptied = 9 * (0.5 - 10.5) / 105.5 * math.log(0.5 / 10.5)
    filled = (100.5 - 10.5) / 105.5 * math.log(100.5 / 10.5)
    assert stability(before, after) == pytest.approx(emptied + filled)
    assert emptied + filled == pytest.approx(4.524, abs=0.001)


def test_absent_values_are_a_bin_of_their_own() -> None:
    before, after = np.zeros(100), np.where(np.arange(100) < 50, np.nan, 0.0)
    shares = [(100.5, 50.5), (0.5, 50.5), (0.5, 0.5)]
    expected = sum((b - a) / 101.5 * math.log(b / a) for a, b in shares)
    assert stability(before, after) == pytest.approx(expected)


def test_scores_are_compared_with_the_reference_and_named_by_how_far_they_moved() -> None:
    even = np.linspace(0, 1, 1_000)
    (same,) = segments(both(even, even), BEGIN_MS)
    assert (same.score_psi, same.level, same.orders, same.reference_orders) == (0.0, "same", 1_000, 1_000)
    (other,) = segments(both(even, even**4), BEGIN_MS)
    assert other.level == "another"
    assert [level_of(psi) for psi in (0.0999, 0.1, 0.2499, 0.25, None)] == ["same", "moved", "moved", "another", "few"]


def test_a_segment_with_few_orders_on_either_side_has_no_index_and_says_so() -> None:
    even = np.linspace(0, 1, FEW)
    assert segments(both(even, even), BEGIN_MS)[0].level == "same"
    for before, now in ((even[1:], even), (even, even[1:]), ([], even)):
        (found,) = segments(both(before, now), BEGIN_MS)
        assert (found.score_psi, found.level) == (None, "few")


def test_scores_that_do_not_compare_do_not_count_as_orders_to_compare() -> None:
    scores = np.where(np.arange(FEW) == 0, np.nan, 0.5)
    assert segments(both(np.full(FEW, 0.5), scores), BEGIN_MS)[0].level == "few"


def test_a_constant_column_has_not_moved_and_one_that_was_never_there_neither() -> None:
    constant = np.column_stack([np.full(1_000, 7.0), np.full(1_000, np.nan), np.linspace(0, 1, 1_000)])
    later = constant.copy()
    later[:, 2] += 1
    found = {drift.feature: (drift.psi, drift.level) for drift in drifts(constant, later, ("c", "n", "x"))}
    assert found["c"] == found["n"] == (0.0, "same")
    assert found["x"][1] == "another"
    assert next(iter(found)) == "x"


def test_features_of_few_or_no_orders_have_no_index() -> None:
    few = drifts(np.zeros((FEW, 1)), np.zeros((FEW - 1, 1)), ("c",))
    none = drifts(np.zeros((0, 1)), np.zeros((FEW, 1)), ("c",))
    assert [(each.psi, each.level) for each in few + none] == [(None, "few")] * 2


def test_precision_is_over_alerts_whose_label_is_known_and_missed_are_the_approved_frauds() -> None:
    rank = [1, 1, 2, 2, 0, 0, 0]
    label = [1, 0, 1, np.nan, 1, 0, np.nan]
    (found,) = segments(seen(rank, label), BEGIN_MS)
    assert (found.orders, found.alerts, found.known, found.frauds, found.missed) == (7, 4, 3, 2, 1)
    assert found.precision == pytest.approx(2 / 3)
    assert found.alert_rate == pytest.approx(4 / 7)
    assert found.reference_alert_rate is None  # of no orders


@pytest.mark.parametrize(("label", "precision"), [(1, 1.0), (0, 0.0), (np.nan, None)])
def test_with_one_class_only_or_none_the_precision_is_what_it_is(label, precision) -> None:
    (found,) = segments(seen([1, 2, 0], [label] * 3), BEGIN_MS)
    assert found.precision == precision


def test_segments_come_by_kind_and_the_most_frequent_first_and_the_rare_ones_as_one() -> None:
    values = ["SA"] * 30 + ["AE"] * 40 + [f"{number:02}" for number in range(20)]
    found = segments(seen([0] * 90, country=values, method=["card"] * 90), BEGIN_MS)
    named = [(each.kind, each.value, each.orders) for each in found]
    assert named[:3] == [("all", "all", 90), ("country", "AE", 40), ("country", "SA", 30)]
    assert named[-2:] == [("country", "other", 2), ("method", "card", 90)]
    assert sum(orders for kind, _, orders in named if kind == "country") == 90


def test_alerts_are_told_day_by_day_with_how_many_labels_are_known() -> None:
    times = [0, 1, DAY_MS, 3 * DAY_MS]
    found = cohorts(seen([1, 1, 0, 2], [1, np.nan, np.nan, np.nan], at_ms=times))
    told = [(day.from_ms // DAY_MS, day.orders, day.alerts, day.labelled, day.precision) for day in found]
    assert told == [(0, 2, 2, 0.5, 1.0), (1, 1, 0, None, None), (3, 1, 1, 0.0, None)]
