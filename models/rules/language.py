"""The language of rules: a small part of Python's expressions, over a chunk's columns at once.

Numbers, texts in quotes, `+ - * /`, comparisons (chained too), `in`, `and`, `or`, `not`, and the functions FUNCTIONS.
Python's own parser reads it, after a look at every character; what it gives is translated node by node, so nothing
that is not named here can be said. Every step is elementwise, so what a rule says of an order depends on it alone.
"""

import ast
import math
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

import numpy as np

from models.parsing import ALONE
from models.rules.fields import FIELDS, TEXT, Kind
from models.rules.orders import ABSENT, Bools, Floats, Orders
from models.rules.truths import (
    absence,
    among,
    compared,
    contrary,
    every,
    finite,
    holding,
    same_numbers,
    same_texts,
    some,
    truth_of,
)

MAX_LENGTH, MAX_DEPTH = 2_000, 50
FUNCTIONS = ("abs", "min", "max", "absent", "present")

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<text>'[^'\\\n]*'|"[^"\\\n]*")
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*)
    | (?P<number>(?:[0-9][0-9_]*(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![A-Za-z0-9_.]))
    | (?P<sign><=|>=|==|!=|[-+*/<>(),\[\]])""",
    re.VERBOSE | re.ASCII,
)


class Fault(Exception):
    """What is wrong with an expression, and where: [start, end) in its text."""

    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.message, self.start, self.end = message, start, max(end, start + 1)


Compute = Callable[[Orders], Any]


class Part(NamedTuple):
    """A piece of an expression: what kind of value it has, and how it comes of a chunk."""

    kind: Kind
    compute: Compute
    what: str = ""  # of a pseudonym or a list: whose it is
    constant: float | str | None = None
    field: str = ""
    listed: frozenset[str] = frozenset()


class Expression(NamedTuple):
    """`fires(orders)` has a truth for each order.

    `looked_at` are the features, by their columns, and the fields (None) that it names, in its order.
    """

    text: str
    looked_at: tuple[tuple[str, int | None], ...]
    fires: Callable[[Orders], Bools]

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(name for name, column in self.looked_at if column is None)


class Known(NamedTuple):
    """What an expression may name: features by their columns, and lists, each of a kind of entity."""

    features: Mapping[str, int]
    lists: Mapping[str, tuple[str, frozenset[str]]] = {}
    lenient: bool = False  # a feature that is not there is absent, not a mistake


def compiled(text: str, known: Known) -> Expression:
    """Raises Fault."""
    names, plain = _read(text)
    try:
        with ALONE:
            tree = ast.parse(plain, mode="eval").body
    except SyntaxError as error:
        lead = len(text) - len(text.lstrip())
        at = len(text.rstrip()) if not error.offset or error.offset > len(plain) else error.offset - 1 + lead
        raise Fault(f"cannot be read here: {error.msg}", at, at + 1) from None
    except (RecursionError, MemoryError, ValueError):
        raise Fault("nested too deeply", 0, len(text)) from None
    compiler = _Compiler(text, names, known)
    part = compiler.part(tree, 0)
    if part.kind != "truth":
        raise compiler.fault(tree, f"expected something true or false, this is {_A[part.kind]}")
    if not compiler.looked_at:
        raise Fault("looks at no feature and no field: it would always fire, or never", 0, len(text))
    return Expression(text, tuple(compiler.looked_at.items()), _firing(part.compute))


def _firing(compute: Compute) -> Callable[[Orders], Bools]:
    def fires(orders: Orders) -> Bools:
        return np.broadcast_to(compute(orders).yes, (len(orders),))

    return fires


def _read(text: str) -> tuple[dict[int, str], str]:
    """The names by their places, and the text as Python's parser takes it: of the same length, each name one word."""
    if not text.strip():
        raise Fault("is empty", 0, 1)
    if len(text) > MAX_LENGTH:
        raise Fault(f"is longer than {MAX_LENGTH} characters: make two rules of it", MAX_LENGTH, MAX_LENGTH + 1)
    names: dict[int, str] = {}
    plain, at = "", 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise Fault(f"unexpected {text[at]!r}", at, at + 1)
        token = found[0]
        if found.lastgroup == "name":
            names[at] = token
            plain += token.replace(".", "_")
        elif found.lastgroup == "text":
            if text[at - 1 : at].isalnum():  # to Python, a text of another sort: f'', b'', r''
                raise Fault("expected a space before a text", at, at + 1)
            plain += "'" + "".join(c if c.isascii() else "?" for c in token[1:-1].replace("'", "?")) + "'"
        else:
            plain += " " * len(token) if found.lastgroup == "space" else token
        at = found.end()
    lead = len(plain) - len(plain.lstrip())
    return {place - lead: name for place, name in names.items()}, plain.strip()


_A = {
    "number": "a number", "text": "a text", "truth": "true or false", "texts": "several texts",
    "pseudonym": "a pseudonym", "list": "a list",
}  # fmt: skip
_ARITHMETIC: Mapping[type[ast.operator], Any] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide,
}  # fmt: skip
_ORDER: Mapping[type[ast.cmpop], tuple[Any, Any]] = {
    ast.Lt: (np.less, np.greater_equal), ast.LtE: (np.less_equal, np.greater), ast.Gt: (np.greater, np.less_equal),
    ast.GtE: (np.greater_equal, np.less),
}  # fmt: skip


class _Compiler:
    """Translates one expression's tree, and notes what it looks at."""

    def __init__(self, text: str, names: Mapping[int, str], known: Known) -> None:
        self._lead = len(text) - len(text.lstrip())
        self._text = text
        self._names = names
        self._known = known
        self.looked_at: dict[str, int | None] = {}

    def fault(self, node: ast.AST, message: str) -> Fault:
        return Fault(message, node.col_offset + self._lead, node.end_col_offset + self._lead)  # type: ignore[attr-defined]

    def part(self, node: ast.expr, depth: int) -> Part:  # noqa: PLR0911  # a return a kind of node
        if depth > MAX_DEPTH:
            raise self.fault(node, f"nested more than {MAX_DEPTH} deep")
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name():
                return self._name(node)
            case ast.UnaryOp(op=ast.Not()):
                inner = self._of(node.operand, "truth", depth)
                return Part("truth", lambda o: contrary(inner.compute(o)))
            case ast.UnaryOp(op=ast.USub()):
                return self._negative(node, depth)
            case ast.BinOp():
                return self._arithmetic(node, depth)
            case ast.BoolOp():
                return self._junction(node, depth)
            case ast.Compare():
                return self._comparisons(node, depth)
            case ast.Call():
                return self._call(node, depth)
        raise self.fault(node, "is not part of the rules' language")

    def _of(self, node: ast.expr, kind: Kind, depth: int) -> Part:
        part = self.part(node, depth + 1)
        if part.kind != kind:
            raise self.fault(node, f"expected {_A[kind]}, this is {_A[part.kind]}")
        return part

    def _constant(self, node: ast.Constant) -> Part:
        value = node.value
        if isinstance(value, str):
            start = node.col_offset + self._lead
            value = self._text[start + 1 : start + 1 + len(value)]
            if not TEXT.fullmatch(value):
                raise self.fault(node, "expected a category: letters, digits, '_', '-' and spaces, 64 at most")
            return Part("text", lambda o: o.code(value), constant=value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fault(node, "say `field` or `not field`; for what is not there, `absent(field)`")
        number = _float(value)
        if not math.isfinite(number):
            raise self.fault(node, "is larger than any number here")
        return Part("number", lambda _: number, constant=number)

    def _name(self, node: ast.Name) -> Part:
        name = self._names[node.col_offset]
        if name in FIELDS:
            return self._field(name)
        if name.startswith("lists."):
            return self._list(node, name.removeprefix("lists."))
        if name not in self._known.features and not self._known.lenient:
            raise self.fault(node, f"unknown {_sort(name)} {name}{self._nearest(name)}")
        column = self._known.features.get(name, ABSENT)
        self.looked_at[name] = column
        return Part("number", lambda o: o.column(column))

    def _field(self, name: str) -> Part:
        self.looked_at[name] = None
        field = FIELDS[name]
        match field.kind:
            case "number":
                return Part("number", lambda o: o.numbers(name))
            case "truth":
                return Part("truth", lambda o: truth_of(o.numbers(name)))
            case "texts":
                return Part("texts", lambda o: o.several(name), name, field=name)
        return Part(field.kind, lambda o: o.texts(name), field.of or name, field=name)

    def _list(self, node: ast.Name, name: str) -> Part:
        if name not in self._known.lists:
            raise self.fault(node, f"unknown list {name}{_listed(get_close_matches(name, self._known.lists, 3))}")
        of, listed = self._known.lists[name]
        return Part("list", lambda _: listed, of, listed=listed)

    def _nearest(self, name: str) -> str:
        names = [*self._known.features, *FIELDS]
        return _listed(get_close_matches(name, names, 3, cutoff=0.75))

    def _negative(self, node: ast.UnaryOp, depth: int) -> Part:
        inner = self._of(node.operand, "number", depth)
        return Part("number", lambda o: -inner.compute(o), constant=_minus(inner.constant))

    def _arithmetic(self, node: ast.BinOp, depth: int) -> Part:
        function = _ARITHMETIC.get(type(node.op))
        if function is None:
            raise self.fault(node, "expected +, -, * or /")
        left, right = (self._of(side, "number", depth) for side in (node.left, node.right))
        if isinstance(node.op, ast.Div) and right.constant == 0:
            raise self.fault(node.right, "divides by zero")

        def compute(orders: Orders) -> Floats:
            return finite(function(left.compute(orders), right.compute(orders)))

        return Part("number", compute)

    def _junction(self, node: ast.BoolOp, depth: int) -> Part:
        computes = [self._of(value, "truth", depth).compute for value in node.values]
        joined = every if isinstance(node.op, ast.And) else some
        return Part("truth", lambda o: joined([compute(o) for compute in computes]))

    def _comparisons(self, node: ast.Compare, depth: int) -> Part:
        sides = [node.left, *node.comparators]
        computes = [
            self._comparison(op, left, right, depth)
            for op, left, right in zip(node.ops, sides, sides[1:], strict=False)
        ]
        if len(computes) == 1:
            return Part("truth", computes[0])
        return Part("truth", lambda o: every([compute(o) for compute in computes]))

    def _comparison(self, op: ast.cmpop, left: ast.expr, right: ast.expr, depth: int) -> Compute:
        if isinstance(op, ast.In | ast.NotIn):
            inside = self._inside(left, right, depth)
            return inside if isinstance(op, ast.In) else lambda o: contrary(inside(o))
        one, other = self.part(left, depth + 1), self.part(right, depth + 1)
        if one.kind != other.kind or one.kind not in {"number", "text", "pseudonym"}:
            raise self.fault(right, f"compares {_A[one.kind]} with {_A[other.kind]}")
        if one.kind == "number" and type(op) in _ORDER:
            below, above = _ORDER[type(op)]
            return lambda o: compared(one.compute(o), other.compute(o), below, above)
        if not isinstance(op, ast.Eq | ast.NotEq):
            raise self.fault(right, f"{_A[one.kind]} can be compared by == and != alone")
        self._check_texts(one, other, right)
        same = same_numbers if one.kind == "number" else same_texts
        if isinstance(op, ast.Eq):
            return lambda o: same(one.compute(o), other.compute(o))
        return lambda o: contrary(same(one.compute(o), other.compute(o)))

    def _inside(self, left: ast.expr, right: ast.expr, depth: int) -> Compute:
        one = self.part(left, depth + 1)
        if isinstance(right, ast.Tuple | ast.List):
            return self._among(one, left, right, depth)
        other = self.part(right, depth + 1)
        if (one.kind, other.kind) == ("pseudonym", "list"):
            if one.what != other.what:
                raise self.fault(right, f"is a list of {other.what}, expected one of {one.what}")
            return lambda o: among(o.members(one.field, other.listed), one.compute(o))
        if one.constant is not None and (one.kind, other.kind) == ("text", "texts"):
            self._check_texts(one, other, left)
            return lambda o: holding(other.compute(o), str(one.constant))
        raise self.fault(right, f"cannot look for {_A[one.kind]} in {_A[other.kind]}")

    def _among(self, one: Part, left: ast.expr, right: ast.Tuple | ast.List, depth: int) -> Compute:
        if one.kind not in {"number", "text"}:
            raise self.fault(left, f"expected a number or a text, this is {_A[one.kind]}")
        same = same_numbers if one.kind == "number" else same_texts
        values = [self._of(value, one.kind, depth) for value in right.elts]
        if not values:
            raise self.fault(right, "is empty")
        for value, each in zip(right.elts, values, strict=True):
            self._check_texts(one, each, value)

        def compute(orders: Orders) -> Any:
            wanted = one.compute(orders)
            return some([same(wanted, each.compute(orders)) for each in values])

        return compute

    def _check_texts(self, one: Part, other: Part, node: ast.expr) -> None:
        """A text that a field never has is a mistake; which ones it can have is known for most fields."""
        if one.kind == "pseudonym" and one.what != other.what:
            raise self.fault(node, f"compares a {one.what} with a {other.what}")
        for part, field in ((one, other), (other, one)):
            known = FIELDS.get(field.what) if part.kind == "text" and part.constant is not None else None
            if known is not None and not known.may_be(str(part.constant)):
                raise self.fault(node, f"{field.what} is never that: {known.text}")

    def _call(self, node: ast.Call, depth: int) -> Part:
        name = self._names.get(node.func.col_offset) if isinstance(node.func, ast.Name) else None
        if name not in FUNCTIONS or node.keywords:
            raise self.fault(node.func, f"unknown function; there are {', '.join(FUNCTIONS)}")
        if name in {"absent", "present"}:
            return self._presence(node, name, depth)
        parts = [self._of(argument, "number", depth) for argument in node.args]
        if (name == "abs" and len(parts) != 1) or (name != "abs" and len(parts) < 2):
            raise self.fault(node, "abs takes one number, min and max take two or more")
        if name == "abs":
            return Part("number", lambda o: np.abs(parts[0].compute(o)))
        function = np.minimum if name == "min" else np.maximum  # of which any is absent, is absent

        def compute(orders: Orders) -> Floats:
            found: Floats = parts[0].compute(orders)
            for part in parts[1:]:
                found = function(found, part.compute(orders))
            return found

        return Part("number", compute)

    def _presence(self, node: ast.Call, name: str, depth: int) -> Part:
        if len(node.args) != 1:
            raise self.fault(node, f"{name} takes one feature or field")
        part = self.part(node.args[0], depth + 1)
        if part.kind in {"truth", "list", "texts"} or part.constant is not None:
            raise self.fault(node.args[0], "expected a number or a text of the order")

        numeric = part.kind == "number"
        if name == "absent":
            return Part("truth", lambda o: absence(part.compute(o), numeric))
        return Part("truth", lambda o: contrary(absence(part.compute(o), numeric)))


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _minus(constant: float | str | None) -> float | None:
    return -constant if isinstance(constant, float) else None


def _sort(name: str) -> str:
    return "field" if name.startswith(("event.", "entity.")) else "feature"


def _listed(names: Sequence[str]) -> str:
    return f"; nearest: {', '.join(names)}" if names else ""
