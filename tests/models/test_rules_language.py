"""The language of rules: what it means, against a naive reading of one order at a time, and what it refuses."""

import ast
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models.rules.language import MAX_DEPTH, MAX_LENGTH, Fault, Known, compiled
from models.rules.orders import Orders

NAN = math.nan
KNOWN = Known(
    {"a": 0, "b": 1, "card.orders.count.1h": 2, "card.orders.count.24h": 3, "ip.orders.count.1h": 4},
    {"stolen": ("card", frozenset({"c" * 22}))},
)
FIELDS = {
    "event.currency": "SAR",
    "event.billing_country": "SA",
    "event.shipping_country": None,
    "event.has_account": True,
    "event.is_gift": False,
    "event.amount_minor": 900,
    "event.quantity": None,
    "event.categories": ("phones", "toys"),
    "entity.card": "c" * 22,
    "entity.device": None,
    "entity.address": "x" * 22,
    "entity.billing_address": "x" * 22,
}


def says(text, a=1.0, b=NAN, fields=FIELDS):
    """Whether it fires, and whether its contrary does."""
    orders = Orders(np.array([[a, b, 4.0, 9.0, NAN]]), np.zeros(1, dtype=np.int64), lambda name: [fields.get(name)])
    with np.errstate(all="ignore"):
        fires, contrary = (compiled(each, KNOWN).fires(orders) for each in (text, f"not ({text})"))
    return bool(fires[0]), bool(contrary[0])


YES, NO, UNKNOWN = (True, False), (False, True), (False, False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("card.orders.count.1h >= 4", YES),
        ("card.orders.count.1h >= 4.5", NO),
        ("ip.orders.count.1h >= 4", UNKNOWN),
        ("b == b", UNKNOWN),
        ("b != 1", UNKNOWN),
        ("a != 1", NO),
        ("b > 1 or a > 0", YES),
        ("b > 1 or a > 1", UNKNOWN),
        ("b > 1 and a > 1", NO),
        ("b > 1 and a > 0", UNKNOWN),
        ("absent(b) and present(a)", YES),
        ("absent(b + a)", YES),
        ("1 <= a < 2 < card.orders.count.1h", YES),
        ("1 < a < b", NO),
        ("0 < a < b", UNKNOWN),
        ("a in (1, 2)", YES),
        ("a in (2, 3)", NO),
        ("a in (2, b)", UNKNOWN),
        ("a not in [2, 3]", YES),
        ("card.orders.count.1h / card.orders.count.24h > 0.4", YES),
        ("a / (a - 1) > 0", UNKNOWN),
        ("a / (a - 1) <= 0", UNKNOWN),
        ("(a - 1) / (a - 1) == 1", UNKNOWN),
        ("absent(a / (a - 1))", YES),
        ("a * 1e308 * 10 > 0", UNKNOWN),
        ("-a < 0", YES),
        ("abs(-a) == 1", YES),
        ("min(a, 3, 0.5) == 0.5", YES),
        ("max(a, b) > 0", UNKNOWN),
        ("event.currency == 'SAR'", YES),
        ('event.currency in ("AED", "SAR")', YES),
        ("event.currency != 'AED'", YES),
        ("event.shipping_country == 'SA'", UNKNOWN),
        ("event.shipping_country not in ('SA', 'AE')", UNKNOWN),
        ("event.billing_country == event.shipping_country", UNKNOWN),
        ("'SAR' == event.currency", YES),
        ("event.has_account and not event.is_gift", YES),
        ("event.amount_minor > 1_000", NO),
        ("event.quantity > 1", UNKNOWN),
        ("'phones' in event.categories", YES),
        ("'games' in event.categories", NO),
        ("entity.card in lists.stolen", YES),
        ("entity.card not in lists.stolen", NO),
        ("entity.address == entity.billing_address", YES),
        ("absent(entity.device)", YES),
        ("\n  a > 0\n  and a < 2\n", YES),
    ],
)  # fmt: skip
def test_an_expression_says_yes_no_or_nothing(text, expected):
    assert says(text) == expected


def test_what_an_order_has_no_categories_of_is_unknown():
    assert says("'phones' in event.categories", fields={"event.categories": ()}) == UNKNOWN
    assert says("entity.card in lists.stolen", fields={}) == UNKNOWN


def refusal(text):
    with pytest.raises(Fault) as caught:
        compiled(text, KNOWN)
    return caught.value.message, text[caught.value.start : caught.value.end]


@pytest.mark.parametrize(
    ("text", "message", "where"),
    [
        ("a > 0 and card.orders.count.3h > 1",
         ("unknown feature card.orders.count.3h; nearest: "
          "card.orders.count.1h, card.orders.count.24h, ip.orders.count.1h"),
         "card.orders.count.3h"),
        ("qqqqqqqqqq > 1", "unknown feature qqqqqqqqqq", "qqqqqqqqqq"),
        ("event.curency == 'SAR'",
         "unknown field event.curency; nearest: event.currency",
         "event.curency"),
        ("a / 0 > 1", "divides by zero", "0"),
        ("a / -0.0 > 1", "divides by zero", "-0.0"),
        ("a", "expected something true or false, this is a number", "a"),
        ("a > 'x'", "compares a number with a text", "'x'"),
        ("a and a > 1", "expected true or false, this is a number", "a"),
        ("event.currency < 'SAR'", "a text can be compared by == and != alone", "'SAR'"),
        ("event.currency == 'sar'", "event.currency is never that: a currency of three capital letters (ISO 4217)",
         "'sar'"),
        ("event.avs in ('match', 'good')", "event.avs is never that: one of match, mismatch, partial, unavailable",
         "'good'"),
        ("event.browser == 'a@b.example'", "expected a category: letters, digits, '_', '-' and spaces, 64 at most",
         "'a@b.example'"),
        ("entity.ip in lists.stolen", "is a list of card, expected one of ip", "lists.stolen"),
        ("entity.card in lists.stollen", "unknown list stollen; nearest: stolen", "lists.stollen"),
        ("entity.card == 'x'", "compares a pseudonym with a text", "'x'"),
        ("entity.card == entity.ip", "compares a card with a ip", "entity.ip"),
        ("1 < 2", "looks at no feature and no field: it would always fire, or never", "1 < 2"),
        ("True or a > 1", "say `field` or `not field`; for what is not there, `absent(field)`", "True"),
        ("", "is empty", ""),
        ("a ** 2 > 1", "expected +, -, * or /", "a ** 2"),
        ("a % 2 > 1", "unexpected '%'", "%"),
        ("a > 1 if a else a", "is not part of the rules' language", "a > 1 if a else a"),
        ("event.currency == f'{a}'", "expected a space before a text", "'"),
        ("[a for a in b]", "is not part of the rules' language", "[a for a in b]"),
        ("a > 1 # often", "unexpected '#'", "#"),
        ("__import__('os')", "unknown function; there are abs, min, max, absent, present", "__import__"),
        ("a.__class__ > 1", "unknown feature a.__class__", "a.__class__"),
        ("abs(a, b) > 1", "abs takes one number, min and max take two or more", "abs(a, b)"),
        ("absent(1)", "expected a number or a text of the order", "1"),
        ("a in ()", "is empty", "()"),
        ("a > 1e999", "is larger than any number here", "1e999"),
        ("event.currency == 'é'", "expected a category: letters, digits, '_', '-' and spaces, 64 at most", "'é'"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_and_shown(text, message, where):
    assert refusal(text) == (message, where)


@pytest.mark.parametrize(("text", "at"), [("a > (1", 4), ("  a > ", 5), ("a b", 2), ("a > )", 4), ("a > 1)", 5)])
def test_what_does_not_follow_the_grammar_is_shown_where_it_goes_wrong(text, at):
    with pytest.raises(Fault, match=r"^cannot be read here: ") as caught:
        compiled(text, KNOWN)
    assert caught.value.start == at


def test_what_is_too_long_or_nested_too_deep_is_refused():
    assert refusal("a > 1 or " * MAX_LENGTH + "a > 1")[0].startswith(f"is longer than {MAX_LENGTH}")
    assert refusal("not " * (MAX_DEPTH + 5) + "a > 1")[0] == f"nested more than {MAX_DEPTH} deep"
    assert refusal("not " * 450 + "a > 1")[0].startswith("nested")
    assert refusal("(" * 900 + "a > 1")[0].startswith(("nested", "cannot be read"))
    assert refusal("a > " + "9" * 1_000)[0] == "is larger than any number here"


# A naive second reading: one order, Python's own evaluation over None, True and False.
def expressions():
    numbers = st.recursive(
        st.sampled_from(["a", "b", "0", "1", "2.5"]),
        lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda parts: f"({' '.join(parts)})"),
        max_leaves=4,
    )
    comparisons = st.tuples(numbers, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), numbers).map(" ".join)
    return st.recursive(
        comparisons,
        lambda inner: st.one_of(
            inner.map(lambda text: f"not ({text})"),
            st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda p: f"(({p[0]}) {p[1]} ({p[2]}))"),
        ),
        max_leaves=5,
    )


class Number:
    """A number that may be absent."""

    def __init__(self, value):
        self.value = value if math.isfinite(value) else NAN

    def _with(self, other, function):
        return Number(function(self.value, other.value))

    def __add__(self, other):
        return self._with(other, lambda x, y: x + y)

    def __sub__(self, other):
        return self._with(other, lambda x, y: x - y)

    def __mul__(self, other):
        return self._with(other, lambda x, y: x * y)

    def __truediv__(self, other):
        return self._with(other, lambda x, y: x / y if y else NAN)


def kleene(tree, names):
    """True, False or None."""
    match tree:
        case ast.UnaryOp():
            inner = kleene(tree.operand, names)
            return None if inner is None else not inner
        case ast.BoolOp():
            found = [kleene(value, names) for value in tree.values]
            decisive = isinstance(tree.op, ast.Or)
            return decisive if decisive in found else None if None in found else not decisive
    left, right = (number(side, names).value for side in (tree.left, tree.comparators[0]))
    if math.isnan(left) or math.isnan(right):
        return None
    return _holds(type(tree.ops[0]).__name__, left, right)


def _holds(operator, left, right):
    return {
        "Lt": left < right, "LtE": left <= right, "Gt": left > right, "GtE": left >= right, "Eq": left == right,
        "NotEq": left != right,
    }[operator]  # fmt: skip


def number(tree, names):
    match tree:
        case ast.Constant():
            return Number(float(tree.value))
        case ast.Name():
            return Number(names[tree.id])
    left, right = number(tree.left, names), number(tree.right, names)
    return {"Add": left.__add__, "Sub": left.__sub__, "Mult": left.__mul__, "Div": left.__truediv__}[
        type(tree.op).__name__
    ](right)


@given(expressions(), st.sampled_from([NAN, -1.0, 0.0, 1.0, 2.5]), st.sampled_from([NAN, -1.0, 0.0, 1.0, 1e308]))
def test_an_expression_means_what_a_naive_reading_of_one_order_says(text, a, b):
    expected = kleene(ast.parse(text, mode="eval").body, {"a": a, "b": b})
    try:
        found = says(text, a, b)
    except Fault as fault:
        assume(not fault.message.startswith(("divides by zero", "looks at no feature")))
        raise
    assert found == (expected is True, expected is False)
