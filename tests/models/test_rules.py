import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from features.definitions import DEFINITIONS
from models.decisions import Reason
from models.policy import ORDERED
from models.rules import RULES, Rule, Verdict, judge

NAMES = ("card.orders.count.1h", "ip.declines.count.1h", "order.amount_usd")


def naive(row, names, rules):
    values = dict(zip(names, row, strict=True))
    hits = [rule for rule in rules if values.get(rule.feature, math.nan) >= rule.at_least]
    outcome = max((rule.outcome for rule in hits), key=ORDERED.index, default="approve")
    return Verdict(outcome, tuple(Reason(rule.code, rule.feature, float(values[rule.feature])) for rule in hits))


def test_a_fourth_order_with_one_card_within_an_hour_is_reviewed():
    matrix = np.array([[3.0, 0.0, 9.0], [4.0, 0.0, 9.0]])
    assert judge(matrix, NAMES) == [
        Verdict(),
        Verdict("review", (Reason("card.velocity", "card.orders.count.1h", 4.0),)),
    ]


def test_the_strictest_of_several_rules_decides_and_each_gives_its_reason():
    rules = (Rule("a", "x", 1, "review"), Rule("b", "x", 2, "block"), Rule("c", "x", 9, "block"))
    assert judge(np.array([[2.0]]), ("x",), rules) == [Verdict("block", (Reason("a", "x", 2.0), Reason("b", "x", 2.0)))]


def test_an_absent_feature_and_a_missing_value_never_fire():
    assert judge(np.array([[math.nan], [100.0]]), ("something.else",)) == [Verdict(), Verdict()]
    assert judge(np.array([[math.nan]]), ("card.orders.count.1h",)) == [Verdict()]
    assert judge(np.empty((0, 3)), NAMES) == []


def test_every_rule_looks_at_a_feature_of_the_default_definitions():
    assert [rule.feature for rule in RULES if rule.feature not in DEFINITIONS.names] == []


values = st.one_of(st.just(math.nan), st.integers(0, 12).map(float))


@given(matrix=arrays(np.float64, st.tuples(st.integers(0, 20), st.just(3)), elements=values))
def test_rules_over_a_matrix_equal_rules_row_by_row(matrix):
    rules = (*RULES, Rule("order.amount", "order.amount_usd", 5, "block"))
    assert judge(matrix, NAMES, rules) == [naive(row, NAMES, rules) for row in matrix]
