"""Cases: made-up orders with the outcome that rules should give them, in a YAML file beside the rules."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from models.decisions import Outcome
from models.errors import BadRules
from models.policy import ORDERED, Policy, amounts_of
from models.rules import places
from models.rules.deciding import concluded
from models.rules.fields import FIELDS, PSEUDONYM
from models.rules.judging import Ruleset
from models.rules.orders import Orders
from models.rules.places import Entry, Problem

# Ends of features' names that count or measure: what is below 0 in a case is a slip of the pen.
_NEVER_BELOW = tuple(
    f".{what}{window}"
    for what in ("count", "distinct", "sum", "age_s", "earliest_s")
    for window in ("", ".1h", ".24h", ".7d", ".30d")
)


class Case(msgspec.Struct, frozen=True):
    """An order by its `numbers` (features) and `fields`, all else absent, placed at `at_ms`; `score` is the model's."""

    name: str
    line: int
    numbers: Mapping[str, float]
    fields: Mapping[str, Any]
    at_ms: int
    score: float | None
    expect: Outcome
    codes: tuple[str, ...] | None
    shadow: tuple[str, ...] | None


class Failure(msgspec.Struct, frozen=True):
    """A case of which something is otherwise than it says."""

    case: Case
    what: str
    expected: str
    found: str


def failures(cases: Sequence[Case], ruleset: Ruleset, names: Sequence[str], policy: Policy) -> list[Failure]:
    """What the rules make of the cases otherwise than these say."""
    column = {name: at for at, name in enumerate(names)}
    matrix = np.full((len(cases), len(names)), np.nan)
    for row, case in enumerate(cases):
        for name, value in case.numbers.items():
            matrix[row, column[name]] = value
    times = np.array([case.at_ms for case in cases], dtype=np.int64)
    orders = Orders(matrix, times, lambda name: [case.fields.get(name, _silence(name)) for case in cases])
    verdicts, amounts_usd = ruleset.judge(orders), amounts_of(matrix, names)
    found = []
    for row, (case, verdict) in enumerate(zip(cases, verdicts, strict=True)):
        codes = tuple(dict.fromkeys(reason.code for reason in verdict.reasons))
        score = None if case.score is None else np.array([case.score])
        (outcome,) = concluded(score, [verdict], policy, amounts_usd[row : row + 1]).outcomes
        compared: list[tuple[str, str, str]] = [("outcome", case.expect, outcome)]
        compared += [] if case.codes is None else [("codes", _set(case.codes), _set(codes))]
        compared += [] if case.shadow is None else [("shadow", _set(case.shadow), _set(verdict.shadow))]
        found += [Failure(case, what, expected, got) for what, expected, got in compared if expected != got]
    return found


def _set(codes: Sequence[str]) -> str:
    return ", ".join(sorted(codes)) or "none"


def _silence(name: str) -> bool | None:
    """What an order says that says nothing: yes and no are never absent."""
    return False if FIELDS[name].kind == "truth" else None


def loaded(path: Path, names: Sequence[str]) -> list[Case]:
    """The cases of a file. Raises BadRules, which names every mistake; OSError."""
    try:
        node = places.compose(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise BadRules(str(path), [Problem(1, 1, "expected UTF-8")]) from None
    except places.Unread as unread:
        raise BadRules(str(path), [unread.problem]) from None
    reader = _Reader(frozenset(names))
    cases = reader.cases(node)
    if reader.problems:
        raise BadRules(str(path), reader.problems)
    return cases


class _Reader:
    def __init__(self, names: frozenset[str]) -> None:
        self.problems: list[Problem] = []
        self._names = names

    def cases(self, node: Node) -> list[Case]:
        top = places.mapping(node, ("cases",), (), "the file")
        if not isinstance(top, Entry):
            self.problems += top
            return []
        entries = places.sequence(top.values["cases"])
        if not entries:
            self._wrong(top.values["cases"], "cases: expected a list, an entry a `-`")
        return [case for entry in entries or () if (case := self._case(entry))]

    def _case(self, node: Node) -> Case | None:
        entry = places.mapping(node, ("name", "order", "expect"), ("at", "score", "codes", "shadow"), "a case")
        if not isinstance(entry, Entry):
            self.problems += entry
            return None
        values = entry.values
        name = places.scalar(values["name"])
        if name is None:
            self._wrong(values["name"], "a case: name: expected a text")
        expect = places.scalar(values["expect"])
        if expect not in ORDERED:
            self._wrong(values["expect"], f"case {name}: expect: expected one of {', '.join(ORDERED)}")
        numbers, fields = self._order(values["order"], f"case {name}")
        score = self._number(values["score"], f"case {name}: score") if "score" in values else None
        if score is not None and not 0.0 <= score <= 1.0:
            self._wrong(values["score"], f"case {name}: score: expected a probability, 0 to 1")
        at_ms = self._moment(values["at"], f"case {name}") if "at" in values else 0
        codes, shadow = (self._codes(values.get(key), f"case {name}: {key}") for key in ("codes", "shadow"))
        line = node.start_mark.line + 1
        return Case(str(name), line, numbers, fields, at_ms, score, expect, codes, shadow)  # type: ignore[arg-type]

    def _order(self, node: Node, what: str) -> tuple[dict[str, float], dict[str, Any]]:
        numbers: dict[str, float] = {}
        fields: dict[str, Any] = {}
        if not isinstance(node, MappingNode):
            self._wrong(node, f"{what}: order: expected `feature: value` pairs")
            return numbers, fields
        for key, value in node.value:
            name = str(key.value)
            if name in FIELDS:
                fields[name] = self._field(name, value, what)
            elif name in self._names:
                numbers[name] = self._number(value, f"{what}: {name}")
                if numbers[name] < 0 and name.endswith(_NEVER_BELOW):
                    self._wrong(value, f"{what}: {name}: is never below 0")
            else:
                self._wrong(key, f"{what}: unknown feature or field {name}")
        return numbers, fields

    def _field(self, name: str, node: Node, what: str) -> Any:
        kind, text = FIELDS[name].kind, places.scalar(node)
        if kind == "texts" and isinstance(node, SequenceNode):
            words = tuple(str(each.value) for each in node.value)
            if all(map(FIELDS[name].may_be, words)):
                return words
        if kind == "number":
            number = self._number(node, f"{what}: {name}")
            if number < 0:
                self._wrong(node, f"{what}: {name}: is never below 0")
            return number
        if kind == "truth" and text in {"true", "false"}:
            return text == "true"
        if kind == "text" and text is not None and FIELDS[name].may_be(text):
            return text
        if kind == "pseudonym" and text is not None and PSEUDONYM.fullmatch(text):
            return text
        self._wrong(node, f"{what}: {name}: {FIELDS[name].text}")
        return None

    def _number(self, node: Node, what: str) -> float:
        try:
            number = float(places.scalar(node) or "")
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            self._wrong(node, f"{what}: expected a number")
        return number

    def _moment(self, node: Node, what: str) -> int:
        try:
            moment = datetime.fromisoformat(places.scalar(node) or "")
        except ValueError:
            self._wrong(node, f"{what}: at: expected a time as 2026-03-01T12:00:00Z, or a date")
            return 0
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)

    def _codes(self, node: Node | None, what: str) -> tuple[str, ...] | None:
        if node is None:
            return None
        if not isinstance(node, SequenceNode) or not all(isinstance(each, ScalarNode) for each in node.value):
            self._wrong(node, f"{what}: expected a list of reason codes")
            return None
        return tuple(str(each.value) for each in node.value)

    def _wrong(self, node: Node, message: str) -> None:
        self.problems.append(places.problem(node, message))
