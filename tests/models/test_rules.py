"""The rules that come with Amana, and what a set of rules says of orders."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from features.definitions import DEFINITIONS
from models.decisions import Reason
from models.policy import ORDERED
from models.rules import SILENT, Orders, Verdict, default, parsed
from models.rules.source import DEFAULT_FILE

NAMES = ("card.orders.count.1h", "ip.declines.count.1h", "order.amount_usd")
WHO = "c" * 22
# What the constants were that the default file took the place of.
CONSTANTS = (
    ("card.velocity", "card.orders.count.1h", 4),
    ("device.velocity", "device.orders.count.1h", 5),
    ("ip.velocity", "ip.orders.count.1h", 10),
    ("card.declines", "card.declines.count.1h", 3),
    ("ip.declines", "ip.declines.count.1h", 8),
)


def orders(matrix, fields=None, at_ms=0):
    matrix = np.array(matrix, dtype=np.float64)
    given_fields = fields or {}
    return Orders(
        matrix,
        np.full(len(matrix), at_ms, dtype=np.int64),
        lambda name: given_fields.get(name, [None] * len(matrix)),
    )


def rule(name="a-rule", code="a.rule", when="x >= 1", action="review", **more):
    entry = {"name": name, "code": code, "when": when, "action": action, "owner": "risk", "expiry": "never"} | more
    return "- " + "\n  ".join(f"{key}: {value}" for key, value in entry.items())


def ruleset(*rules, names=("x",), lists=""):
    return parsed(f"{lists}\nrules:\n" + "\n".join(rules), names)


def test_a_fourth_order_with_one_card_within_an_hour_is_reviewed():
    assert default(NAMES).judge(orders([[3.0, 0.0, 9.0], [4.0, 0.0, 9.0]])) == [
        SILENT,
        Verdict("review", reasons=(Reason("card.velocity", "card.orders.count.1h", 4.0),)),
    ]


def test_a_visit_that_looks_scripted_is_a_reason_of_its_own_to_review_an_order():
    scripted = Verdict("review", reasons=(Reason("session.automation", "session.automation", 0.88),))
    assert default(("session.automation",)).judge(orders([[0.87], [0.88]])) == [SILENT, scripted]


def test_the_strictest_of_several_rules_decides_and_each_gives_its_reason():
    rules = ruleset(
        rule("a", "a.a"),
        rule("b", "b.b", "x >= 2", "block"),
        rule("c", "c.c", "x >= 9", "block"),
        rule("d", "d.d", "x >= 2"),
    )
    reasons = (Reason("a.a", "x", 2.0), Reason("b.b", "x", 2.0), Reason("d.d", "x", 2.0))
    assert rules.judge(orders([[2.0]])) == [Verdict("block", reasons=reasons)]


def test_an_absent_feature_and_a_missing_value_never_fire():
    assert default(("something.else",)).judge(orders([[math.nan], [100.0]])) == [SILENT, SILENT]
    assert default(("card.orders.count.1h",)).judge(orders([[math.nan]])) == [SILENT]
    assert default(NAMES).judge(orders(np.empty((0, 3)))) == []


def test_every_default_rule_looks_at_a_feature_of_the_default_definitions():
    strictly = parsed(DEFAULT_FILE.read_text(), DEFINITIONS.names)
    assert strictly.hash == default(DEFINITIONS.names).hash


def test_an_approving_rule_stands_against_the_others_and_its_reason_comes_first():
    rules = ruleset(rule("a", "a.a", action="block"), rule("b", "b.b", action="approve"))
    reasons = (Reason("b.b", "x", 2.0), Reason("a.a", "x", 2.0))
    assert rules.judge(orders([[2.0]])) == [Verdict("block", approved=True, reasons=reasons)]


def test_points_of_several_rules_add_up_without_naming_an_outcome():
    rules = ruleset(
        rule("a", "a.a", action="add_score", score=0.25),
        rule("b", "b.b", "x >= 2", action="add_score", score=-0.125),
    )
    assert [(v.outcome, v.points) for v in rules.judge(orders([[0], [1], [2]]))] == [
        (None, 0.0),
        (None, 0.25),
        (None, 0.125),
    ]


def test_a_shadow_rule_is_noted_and_changes_nothing_else():
    rules = ruleset(
        rule("a", "a.a", action="block", shadow="true"),
        rule("b", "b.b", action="approve", shadow="true"),
        rule("c", "c.c", action="add_score", score=1, shadow="true"),
        rule("d", "a.a", shadow="true"),
    )
    assert rules.judge(orders([[1.0], [0.0]])) == [Verdict(shadow=("a.a", "b.b", "c.c")), SILENT]


def test_a_rule_expires_by_the_orders_own_time():
    rules = ruleset(rule(expiry="2026-03-01"))
    midnight_ms = 1_772_323_200_000  # 2026-03-01T00:00:00Z
    moments = np.array([midnight_ms - 1, midnight_ms, 0], dtype=np.int64)
    batch = Orders(np.ones((3, 1)), moments, lambda _: [None] * 3)
    assert [verdict.outcome for verdict in rules.judge(batch)] == ["review", None, "review"]


def test_a_list_of_pseudonyms_allows_whom_it_names():
    lists = f"lists:\n- name: trusted\n  of: customer\n  members: [{WHO}]"
    rules = ruleset(rule("t", "list.trusted", "entity.customer in lists.trusted", "approve"), lists=lists)
    batch = orders([[0.0], [0.0], [0.0]], {"entity.customer": [WHO, "d" * 22, None]})
    assert rules.judge(batch) == [Verdict(approved=True, reasons=(Reason("list.trusted"),)), SILENT, SILENT]


def test_a_reason_has_each_number_that_its_rule_looked_at_and_the_order_has():
    rules = ruleset(rule("a", "a.a", "x > 1 and event.quantity > 1 or y > 1 or event.currency == 'SAR'"), names="xy")
    fields = {"event.quantity": [3, None], "event.currency": ["USD", "SAR"]}
    first, second = rules.judge(orders([[2.0, math.nan], [math.nan, math.nan]], fields))
    assert first.reasons == (Reason("a.a", "x", 2.0), Reason("a.a", "event.quantity", 3.0))
    assert second.reasons == (Reason("a.a"),)


def naive(row, names, constants):
    values = dict(zip(names, row, strict=True))
    hits = [one for one in constants if values.get(one[1], math.nan) >= one[2]]
    outcome = max((one[3] for one in hits), key=ORDERED.index, default=None)
    return Verdict(outcome, reasons=tuple(Reason(code, name, float(values[name])) for code, name, *_ in hits))


values = st.one_of(st.just(math.nan), st.integers(0, 12).map(float))


@given(matrix=arrays(np.float64, st.tuples(st.integers(0, 20), st.just(5)), elements=values))
def test_the_default_rules_conclude_as_the_constants_did(matrix):
    names = tuple(name for _, name, _ in CONSTANTS)
    constants = [(*one, "review") for one in CONSTANTS]
    assert default(names).judge(orders(matrix)) == [naive(row, names, constants) for row in matrix]


@pytest.mark.parametrize("cut", [1, 2, 6, 7])
def test_what_rules_say_of_an_order_does_not_depend_on_its_chunk(cut):
    rules = ruleset(
        rule("a", "a.a", "x / y > 1.5 or event.amount_minor * x - y > 3"),
        rule("b", "b.b", "not x > y and event.currency in ('SAR', 'AED')", "add_score", score=0.1),
        names="xy",
    )
    random = np.random.default_rng(3)
    matrix = np.where(random.random((8, 2)) < 0.2, np.nan, random.normal(size=(8, 2)))
    fields = {"event.amount_minor": [1, 2, 3, 4, 5, 6, 7, 8], "event.currency": ["SAR", None, "USD", "AED"] * 2}
    whole = rules.judge(orders(matrix, fields))
    parts = [
        verdict
        for part in (slice(cut), slice(cut, None))
        for verdict in rules.judge(orders(matrix[part], {name: each[part] for name, each in fields.items()}))
    ]
    assert parts == whole
    assert len({verdict.outcome for verdict in whole}) == 2


def test_rules_of_no_rules_say_nothing():
    assert parsed("rules: []", ("x",)).judge(orders([[1.0]])) == [SILENT]
