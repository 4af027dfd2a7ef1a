"""Each order's decision then beside the one now: counted, and worked out in money, by hand."""

from itertools import count

import numpy as np
import pytest

from events.facts import Coordinates, OrderFact, RefusedOrder
from models.decisions import Decision, Reason
from models.policy import Policy
from models.whatif import Compared, Comparison

HOUR_MS = 3_600_000
START_MS = 1_767_225_600_000  # 2026-01-01T00:00Z
POLICY = Policy()  # reviews for 2 dollars; a missed fraud costs the amount and 25; a lost order .3 of it and 10


def fact(number, hour=0, refused=False):
    made = {
        "source": Coordinates("orders", "T", 0, number),
        "event_id": f"e{number}",
        "occurred_at_ms": START_MS + hour * HOUR_MS,
        "recorded_at_ms": START_MS,
        "order_id": f"o-{number}",
    }
    if refused:
        return RefusedOrder(**made, reason="refused.ill_formed")
    return OrderFact(**made, amount_minor=10_000, currency="USD", method="card")


def decision(of, outcome, score=None, codes=()):
    return Decision(
        decision_id=of.source.text(), revision=1, order_id=of.order_id, source=of.source,
        occurred_at_ms=of.occurred_at_ms, outcome=outcome, mode="rules", score=score,
        reasons=tuple(Reason(code) for code in codes),
    )  # fmt: skip


def compared(*orders, limit=10) -> Comparison:
    """Orders as (then, now, usd, label, hour), scores as third and fourth of an outcome."""
    found = Compared(limit)
    numbers = count()
    labels = []
    for then, now, usd, label, hour in orders:
        of = fact(next(numbers), hour)
        sides = [decision(of, *each) if isinstance(each, tuple) else decision(of, each) for each in (then, now)]
        found.take([of], [sides[0]], [sides[1]], np.array([float(usd)]), POLICY)
        labels.append(label)
    return found.result(labels)


def test_outcomes_are_counted_then_by_now() -> None:
    result = compared(
        ("approve", "review", 100, 1, 0),
        ("approve", "review", 50, 0, 0),
        ("approve", "review", 7, None, 0),
        ("block", "approve", 30, None, 0),
        ("review", "review", 20, 1, 0),
    )
    cells = {(cell.then, cell.now): cell for cell in result.cells}
    assert len(cells) == 9
    moved = cells["approve", "review"]
    assert (moved.orders, moved.known, moved.frauds, moved.usd, moved.fraud_usd) == (3, 2, 1, 157.0, 100.0)
    assert cells["block", "approve"].orders == cells["review", "review"].orders == 1
    assert sum(cell.orders for cell in cells.values()) == result.orders == 5
    assert result.changed == 4


def test_money_by_labels_is_what_the_outcomes_cost() -> None:
    result = compared(
        ("approve", "block", 100, 1, 0),  # 125 lost, then nothing
        ("approve", "review", 100, 1, 0),  # 125 lost, then 2 and a fifth of 125
        ("approve", "block", 100, 0, 0),  # nothing, then 30 and 10
        ("approve", "review", 100, 0, 0),  # nothing, then 2 and .03 of 40
        ("approve", "block", 100, None, 0),  # nobody knows
    )
    (by_label,) = (each for each in result.money if each.by == "label")
    assert by_label.orders == 4
    assert by_label.then_usd == pytest.approx(250.0)
    assert by_label.now_usd == pytest.approx(0 + 27.0 + 40.0 + 3.2)


def test_expected_money_is_by_the_scores_of_either_side() -> None:
    result = compared(
        (("approve", 0.1), ("block", 0.5), 100, None, 0),
        ("approve", ("block", 0.5), 100, None, 0),  # no model then
    )
    by = {each.by: each for each in result.money}
    assert by["score_then"].orders == 1
    assert (by["score_then"].then_usd, by["score_then"].now_usd) == pytest.approx((12.5, 36.0))
    assert by["score_now"].orders == 2
    assert (by["score_now"].then_usd, by["score_now"].now_usd) == pytest.approx((125.0, 40.0))


def test_the_queue_is_told_hour_by_hour_those_without_orders_too() -> None:
    result = compared(
        ("review", "approve", 1, None, 0), ("review", "review", 1, None, 2), ("approve", "block", 1, None, 2)
    )
    told = [(h.from_ms - START_MS, h.reviews_then, h.reviews_now, h.blocks_then, h.blocks_now) for h in result.hours]
    assert told == [(0, 1, 0, 0, 0), (HOUR_MS, 0, 0, 0, 0), (2 * HOUR_MS, 1, 1, 0, 1)]
    assert (result.review_hours_then, result.review_hours_now) == pytest.approx((10 / 60, 5 / 60))


def test_reasons_are_those_of_flagged_orders_each_counted_once_an_order() -> None:
    result = compared(
        (("review", None, ("a.a", "a.a", "b.b")), ("block", None, ("b.b",)), 1, None, 0),
        (("approve", None, ("a.a",)), ("approve", None, ("c.c",)), 1, None, 0),
    )
    assert [(each.code, each.then, each.now) for each in result.codes] == [("a.a", 1, 0), ("b.b", 1, 1)]


def test_of_the_changed_orders_the_dearest_are_kept_and_an_unknown_amount_comes_last() -> None:
    orders = [("approve", "block", usd, 1, 0) for usd in (5, 300, float("nan"), 40)]
    assert [each.usd for each in compared(*orders, limit=2).examples] == [300.0, 40.0]
    assert [each.usd for each in compared(*orders).examples] == [300.0, 40.0, 5.0, None]
    assert {each.label for each in compared(*orders).examples} == {1}


def test_a_refused_order_is_reviewed_on_both_sides_and_counted() -> None:
    found, of = Compared(5), fact(0, refused=True)
    found.take([of], [decision(of, "review")], [decision(of, "review")], np.array([np.nan]), POLICY)
    result = found.result([None])
    assert (result.orders, result.refused, result.changed) == (1, 1, 0)
    assert result.hours[0].reviews_now == 1
