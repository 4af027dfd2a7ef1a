import json
import math
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.facts import Coordinates, Entities, OrderFact, RefusedOrder
from models.decisions import Decision, Reason, decode, encode
from models.errors import ForeignVectors
from models.policy import RULES_FIND, Costs, Policy
from models.rules import default, parsed
from models.screening import conclude

POLICY = Policy(review_at=0.3, block_at=0.8)
WHO = Entities(customer="c" * 22, ip="i" * 22)


def order(offset):
    return OrderFact(
        source=Coordinates("orders", "T" * 22, 3, offset),
        event_id=f"e{offset}",
        occurred_at_ms=1_780_000_000_000 + offset,
        recorded_at_ms=1_780_000_000_500 + offset,
        entities=WHO,
        order_id=f"order-{offset}",
        amount_minor=12_500,
        currency="SAR",
        method="card",
    )


def refused(offset):
    return RefusedOrder(
        source=Coordinates("orders", "T" * 22, 3, offset),
        event_id=f"e{offset}",
        occurred_at_ms=9,
        recorded_at_ms=10,
        order_id=f"order-{offset}",
        reason="refused.card_number",
        field="items.title",
    )


class FirstColumn:
    """The score is the first feature."""

    version = "20260101-aaaaaaaaaa"
    definitions = "h"
    names = ("a", "b")

    def scores(self, matrix):
        return matrix[:, 0].copy()

    def reasons(self, matrix):
        return [(Reason("a.a", "a", value),) for value in matrix[:, 0].tolist()]


DEFINITIONS = SimpleNamespace(names=("a", "b"), hash="h")


def priority_of(score):
    """Of an order of 100 US dollars, which is what an amount that is not known counts as, by the default costs."""
    approve, block = score * 12_500, (1 - score) * 4_000
    return round((min(approve, block) - (200 + (1 - 0.8) * approve + 0.03 * block)) / 5, 2)


def test_a_decision_says_everything_that_it_was_made_from():
    vector = np.array([[0.9, math.nan]])
    assert conclude([order(17)], vector, FirstColumn(), POLICY, DEFINITIONS, flags=("gap",)) == [
        Decision(
            decision_id="TTTTTTTTTTTTTTTTTTTTTT:3:17",
            revision=1,
            order_id="order-17",
            source=Coordinates("orders", "T" * 22, 3, 17),
            occurred_at_ms=1_780_000_000_017,
            outcome="block",
            mode="model",
            score=0.9,
            reasons=(Reason("a.a", "a", 0.9),),
            priority=priority_of(0.9),
            amount_minor=12_500,
            currency="SAR",
            entities=WHO,
            model="20260101-aaaaaaaaaa",
            definitions="h",
            vector=vector.astype("<f8").tobytes(),
            flags=("gap",),
            rules=default(("a", "b")).hash,
        )
    ]


def rules_of(*rules):
    """Rules as (code, condition, action, other keys)."""
    entries = [
        {"name": f"r{at}", "code": code, "when": when, "action": action, "owner": "o", "expiry": "never", **more}
        for at, (code, when, action, more) in enumerate(rules)
    ]
    return parsed(json.dumps({"rules": entries}), ("a", "b"))  # JSON is YAML


def concluded(score, *rules):
    (decision,) = conclude(
        [order(0)], np.array([[score, 1.0]]), FirstColumn(), POLICY, DEFINITIONS, ruleset=rules_of(*rules)
    )
    return decision.outcome, decision.mode, [reason.code for reason in decision.reasons]


@pytest.mark.parametrize(
    ("score", "rules", "expected"),
    [
        (0.1, [("r.r", "b > 0", "review", {})], ("review", "rules", ["r.r"])),
        (0.5, [("r.r", "b > 0", "block", {})], ("block", "rules", ["r.r", "a.a"])),
        (0.9, [("r.r", "b > 0", "review", {})], ("block", "model", ["a.a", "r.r"])),
        (0.5, [("r.r", "b > 0", "review", {})], ("review", "model", ["a.a", "r.r"])),
        (0.9, [("ok.ok", "b > 0", "approve", {})], ("approve", "rules", ["ok.ok"])),
        (0.1, [("ok.ok", "b > 0", "approve", {})], ("approve", "model", ["ok.ok"])),
        (
            0.9,
            [("r.r", "b > 0", "block", {}), ("ok.ok", "b > 0", "approve", {})],
            ("approve", "rules", ["ok.ok", "r.r"]),
        ),
        (0.2, [("p.p", "b > 0", "add_score", {"score": 0.2})], ("review", "rules", ["p.p", "a.a"])),
        (0.9, [("p.p", "b > 0", "add_score", {"score": -0.7})], ("approve", "rules", ["p.p"])),
        (0.9, [("p.p", "b > 0", "add_score", {"score": 1})], ("block", "model", ["a.a", "p.p"])),
        (0.9, [("s.s", "b > 0", "approve", {"shadow": True})], ("block", "model", ["a.a"])),
        (0.1, [("r.r", "b > 1", "block", {})], ("approve", "model", [])),
        (0.9, [("a.a", "b > 0", "review", {})], ("block", "model", ["a.a"])),  # each code once
    ],
)
def test_model_and_rules_both_conclude_and_the_decision_says_which_decided(score, rules, expected):
    assert concluded(score, *rules) == expected


def test_points_leave_the_models_score_as_it_was():
    rules = rules_of(("p.p", "b > 0", "add_score", {"score": 0.25}), ("s.s", "b > 0", "block", {"shadow": True}))
    (decision,) = conclude([order(0)], np.array([[0.1, 1.0]]), FirstColumn(), POLICY, DEFINITIONS, ruleset=rules)
    assert (decision.score, decision.points, decision.outcome) == (0.1, 0.25, "review")
    assert (decision.rules, decision.shadow) == (rules.hash, ("s.s",))


def test_without_a_model_points_alone_are_held_against_the_policy():
    rules = rules_of(("p.p", "b > 0", "add_score", {"score": 0.5}), ("q.q", "b > 1", "add_score", {"score": 0.5}))
    matrix = np.array([[9.0, 0.0], [9.0, 1.0], [9.0, 2.0]])
    decisions = conclude([order(0), order(1), order(2)], matrix, None, POLICY, DEFINITIONS, ruleset=rules)
    assert [(each.outcome, each.score, each.points) for each in decisions] == [
        ("approve", None, 0.0),
        ("review", None, 0.5),
        ("block", None, 1.0),
    ]


def test_rules_never_let_a_refused_order_through():
    rules = rules_of(("ok.ok", "b >= 0 or absent(b)", "approve", {}))
    (decision,) = conclude([refused(4)], np.zeros((1, 2)), None, POLICY, DEFINITIONS, ruleset=rules)
    assert (decision.outcome, decision.mode, decision.rules) == ("review", "refused", rules.hash)


def test_rules_see_the_orders_own_fields():
    rules = rules_of(("c.c", "event.currency == 'SAR' and event.amount_minor > 12_000", "review", {}))
    (decision,) = conclude([order(0)], np.zeros((1, 2)), None, POLICY, DEFINITIONS, ruleset=rules)
    assert decision.reasons == (Reason("c.c", "event.amount_minor", 12_500.0),)


def test_only_flagged_orders_have_reasons():
    matrix = np.array([[0.1, 0.0], [0.3, 0.0], [0.8, 0.0]])
    decisions = conclude([order(0), order(1), order(2)], matrix, FirstColumn(), POLICY, DEFINITIONS)
    assert [decision.outcome for decision in decisions] == ["approve", "review", "block"]
    assert [len(decision.reasons) for decision in decisions] == [0, 1, 1]


def test_a_flagged_order_says_what_a_review_saves_a_minute():
    policy = Policy(0.3, 0.8, costs=Costs(), typical_usd=100.0)
    decisions = conclude([order(0), order(1)], np.array([[0.1, 0.0], [0.5, 0.0]]), FirstColumn(), policy, DEFINITIONS)
    assert [decision.priority for decision in decisions] == [None, priority_of(0.5)]


@pytest.mark.parametrize("scorer", [None, FirstColumn()])
def test_what_a_rule_alone_flagged_is_worth_a_review_by_its_amount(scorer):
    names = ("a", "order.amount_usd")
    matrix = np.array([[0.001, 10.0], [0.001, 5_000.0], [0.001, math.nan], [0.001, 5_000.0]])
    definitions = SimpleNamespace(names=names, hash="h")
    source = {"name": "r", "code": "r.r", "when": "event.amount_minor > 0", "action": "review", "owner": "o"}
    ruleset = parsed(json.dumps({"rules": [{**source, "expiry": "never"}]}), names)
    facts = [order(0), order(1), order(2), refused(3)]
    decisions = conclude(facts, matrix, scorer, Policy(), definitions, ruleset=ruleset)
    small, large, unknown, refused_one = (decision.priority for decision in decisions)
    assert (unknown, refused_one) == (priority_of(RULES_FIND), priority_of(RULES_FIND))
    assert small < unknown < large


def test_a_score_that_says_more_than_a_rule_is_what_a_review_is_worth_by():
    rules = rules_of(("r.r", "b > 0", "block", {}))
    policy = Policy(review_at=0.9)
    (decision,) = conclude([order(0)], np.array([[0.5, 1.0]]), FirstColumn(), policy, DEFINITIONS, ruleset=rules)
    assert (decision.outcome, decision.priority) == ("block", priority_of(0.5))


def test_the_amount_is_the_vectors_own():
    names = ("a", "order.amount_usd")
    matrix = np.array([[0.02, 10.0], [0.02, 5_000.0]])
    definitions = SimpleNamespace(names=names, hash="h")
    decisions = conclude([order(0), order(1)], matrix, FirstColumn(), Policy(), definitions)
    assert [decision.outcome for decision in decisions] == ["approve", "review"]


def test_a_refused_order_is_reviewed_for_the_reason_of_its_refusal():
    matrix = np.zeros((2, 2))
    for scorer in (None, FirstColumn()):
        found = conclude([refused(4), order(5)], matrix, scorer, POLICY, DEFINITIONS)[0]
        assert (found.outcome, found.mode, found.reasons) == ("review", "refused", (Reason("refused.card_number"),))
        assert (found.decision_id, found.order_id) == ("TTTTTTTTTTTTTTTTTTTTTT:3:4", "order-4")
        assert (found.score, found.vector, found.model, found.amount_minor) == (None, None, None, None)


def test_a_refused_orders_row_is_never_scored():
    matrix = np.array([[math.nan, math.nan], [0.9, 0.0]])
    decisions = conclude([refused(4), order(5)], matrix, FirstColumn(), POLICY, DEFINITIONS)
    assert [decision.outcome for decision in decisions] == ["review", "block"]
    assert decisions[1].score == 0.9


def test_without_a_model_the_rules_decide_and_the_decision_says_so():
    definitions = SimpleNamespace(names=("card.orders.count.1h",), hash="h")
    decisions = conclude([order(0), order(1)], np.array([[1.0], [6.0]]), None, POLICY, definitions)
    assert [(d.outcome, d.mode, d.score, d.model) for d in decisions] == [
        ("approve", "rules", None, None),
        ("review", "rules", None, None),
    ]
    assert decisions[1].reasons == (Reason("card.velocity", "card.orders.count.1h", 6.0),)
    assert decisions[1].definitions == "h"
    assert decisions[1].vector == np.array([6.0]).tobytes()


def test_a_model_of_other_definitions_is_refused():
    other = SimpleNamespace(names=("a", "b"), hash="other")
    with pytest.raises(ForeignVectors, match="was trained on definitions h, not on other"):
        conclude([order(0)], np.zeros((1, 2)), FirstColumn(), POLICY, other)


def test_a_matrix_of_another_shape_is_refused():
    with pytest.raises(ForeignVectors, match=r"expected a matrix of \(1, 2\), got \(2, 2\)"):
        conclude([order(0)], np.zeros((2, 2)), FirstColumn(), POLICY, DEFINITIONS)


def test_no_facts_give_no_decisions(scorer, definitions):
    for one in (None, scorer):
        assert conclude([], np.empty((0, 6)), one, POLICY, definitions) == []


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 59), max_size=6, unique=True))
def test_decisions_have_the_same_bytes_however_the_orders_are_chunked(scorer, definitions, matrix, cuts):
    facts = [refused(offset) if offset % 9 == 4 else order(offset) for offset in range(60)]
    rows = matrix[1_000:1_060]
    whole = [encode(decision) for decision in conclude(facts, rows, scorer, scorer.policy, definitions)]
    bounds = [0, *sorted(cuts), 60]
    parts = [
        encode(decision)
        for start, end in pairwise(bounds)
        for decision in conclude(facts[start:end], rows[start:end], scorer, scorer.policy, definitions)
    ]
    assert parts == whole


def test_a_decision_survives_its_json(scorer, definitions, matrix):
    decisions = conclude([order(i) for i in range(200)], matrix[:200], scorer, Policy(0.001, 0.5), definitions)
    assert [decode(encode(decision)) for decision in decisions] == decisions
    assert np.frombuffer(decisions[3].vector, "<f8").tobytes() == matrix[3].tobytes()
