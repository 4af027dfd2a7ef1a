"""From a rules file's text to rules that judge: read, checked as a whole, compiled."""

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import get_args

from yaml.nodes import Node, ScalarNode

from models.errors import BadRules
from models.rules import places
from models.rules.fields import LISTED, PSEUDONYM
from models.rules.judging import Action, Rule, Ruleset
from models.rules.language import Expression, Fault, Known, compiled
from models.rules.places import Entry, Problem

DEFAULT_FILE = Path(__file__).with_name("default.yaml")
_ACTIONS: tuple[Action, ...] = get_args(Action)
_RULE = ("name", "code", "when", "action", "owner", "expiry")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_LIST = re.compile(r"[a-z][a-z0-9_]{0,63}")
_CODE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+")
MAX_RULES = 1_000
_RESERVED = ("refused.", "model.")  # reasons that no rule gives
_BOOLS: Mapping[str, bool] = {"true": True, "false": False}


def loaded(path: Path, names: Sequence[str]) -> Ruleset:
    """The rules of a file, for vectors of those features. Raises BadRules, which names every mistake; OSError."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadRules(str(path), [Problem(1, 1, "expected UTF-8")]) from None
    return parsed(text, names, str(path))


def default(names: Sequence[str]) -> Ruleset:
    """The rules that come with Amana; a feature that the definitions do not have is absent."""
    return _default(tuple(names))


@lru_cache(8)
def _default(names: tuple[str, ...]) -> Ruleset:
    return parsed(DEFAULT_FILE.read_text(encoding="utf-8"), names, DEFAULT_FILE.name, lenient=True)


def hash_of(text: str) -> str:
    """32 hexadecimal digits that stand for a rules file's text, comments and all."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def parsed(text: str, names: Sequence[str], file: str = "rules", *, lenient: bool = False) -> Ruleset:
    """The rules of a text. Raises BadRules, which names every mistake."""
    try:
        node = places.compose(text)
    except places.Unread as unread:
        raise BadRules(file, [unread.problem]) from None
    reader = _Reader(text, names, lenient)
    found = reader.ruleset(node)
    if reader.problems or found is None:
        raise BadRules(file, sorted(reader.problems, key=lambda each: (each.line, each.column)))
    return found


class _Reader:
    """Reads one document and collects what is wrong with it."""

    def __init__(self, text: str, names: Sequence[str], lenient: bool) -> None:
        self.problems: list[Problem] = []
        self._text = text
        self._lenient = lenient
        self._lists_unread = False
        self._features = {name: index for index, name in enumerate(names)}

    def ruleset(self, node: Node) -> Ruleset | None:
        top = self._mapping(node, ("rules",), ("set", "lists"), "the file")
        if top is None:
            return None
        name: str | None = "default"
        if "set" in top.values:
            name = self._matching(top, "set", _NAME, "small letters, digits, '-'", "the file")
        lists = self._lists(top.values.get("lists"))
        self._lists_unread = bool(self.problems)
        known = Known(self._features, lists, self._lenient)
        entries = self._each(top.values["rules"], "rules")
        if len(entries) > MAX_RULES:
            self._wrong(entries[MAX_RULES], f"rules: expected at most {MAX_RULES:,}")
        rules = [self._rule(each, known) for each in entries[:MAX_RULES]]
        self._once([(rule.name, node) for rule, node in rules if rule], "a rule")
        return Ruleset(str(name), hash_of(self._text), self._text, tuple(rule for rule, _ in rules if rule))

    def _lists(self, node: Node | None) -> dict[str, tuple[str, frozenset[str]]]:
        found = {}
        for each in self._each(node, "lists") if node is not None else []:
            entry = self._mapping(each, ("name", "of", "members"), ("note",), "a list")
            if entry is None:
                continue
            name = self._matching(entry, "name", _LIST, "small letters, digits, '_'", "a list")
            of = self._one_of(entry, "of", LISTED, f"list {name}")
            if name in found:
                self._wrong(entry.values["name"], f"list {name} is there twice")
            if name and of:
                found[name] = (of, self._members(entry.values["members"], name, of))
        return found

    def _members(self, node: Node, name: str, of: str) -> frozenset[str]:
        members = set()
        for each in self._each(node, f"list {name}: members"):
            member = places.scalar(each)
            if member is None or not PSEUDONYM.fullmatch(member):  # it may be a value in clear, so it is not shown
                self._wrong(each, f"list {name}: expected a pseudonym; `amana rules pseudonym {of}` makes one")
            else:
                members.add(member)
        return frozenset(members)

    def _rule(self, node: Node, known: Known) -> tuple[Rule | None, Node]:
        before = len(self.problems)
        entry = self._mapping(node, _RULE, ("score", "shadow", "note"), "a rule")
        if entry is None:
            return None, node
        name = self._matching(entry, "name", _NAME, "small letters, digits, '-'", "a rule")
        what = f"rule {name}" if name else "a rule"
        code = self._matching(entry, "code", _CODE, "words with dots between, as card.velocity", what)
        if code and code.startswith(_RESERVED):
            self._wrong(entry.values["code"], f"{what}: codes of {' and '.join(_RESERVED)}* are not rules'")
        action = self._one_of(entry, "action", _ACTIONS, what)
        owner = places.scalar(entry.values["owner"])
        if owner is None or len(owner) > 100:
            self._wrong(entry.values["owner"], f"{what}: owner: expected who answers for it, in 100 characters")
        expires_ms = self._expiry(entry.values["expiry"], what)
        shadow = self._one_of(entry, "shadow", tuple(_BOOLS), what) if "shadow" in entry.values else "false"
        points = self._points(entry, action, what)
        when = self._expression(entry.values["when"], known, what)
        if len(self.problems) > before or not (name and code and action and owner and shadow and when):
            return None, node
        rule = Rule(name, code, when, action, owner, expires_ms, _BOOLS[shadow], points)  # type: ignore[arg-type]
        return rule, entry.values["name"]

    def _expression(self, node: Node, known: Known, what: str) -> Expression | None:
        if not isinstance(node, ScalarNode):
            self._wrong(node, f"{what}: when: expected an expression")
            return None
        if self._lists_unread and "lists." in node.value:
            return None  # what is wrong with the lists has been said
        try:
            return compiled(node.value, known)
        except Fault as fault:
            line, column, shown = places.within(node, self._text, fault.start, fault.end)
            self.problems.append(Problem(line, column, f"{what}: when: {fault.message}", shown))
            return None

    def _expiry(self, node: Node, what: str) -> float:
        text = places.scalar(node) or ""
        if text == "never":
            return math.inf
        try:
            if len(text) != 10:
                raise ValueError
            day = date.fromisoformat(text)
        except ValueError:
            self._wrong(node, f"{what}: expiry: expected a date as 2027-01-31, when it ceases, or never")
            return math.inf
        return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000

    def _points(self, entry: Entry, action: str | None, what: str) -> float:
        node = entry.values.get("score")
        if action != "add_score":
            if node is not None and action is not None:
                self._wrong(node, f"{what}: score: goes with action add_score alone")
            return 0.0
        try:
            points = float(places.scalar(node) or "" if node is not None else "")
        except ValueError:
            points = math.nan
        if not -1 <= points <= 1 or points == 0:
            self._wrong(node or entry.node, f"{what}: score: expected what to add, from -1 to 1, not 0")
        return points

    def _mapping(self, node: Node, required: tuple[str, ...], optional: tuple[str, ...], what: str) -> Entry | None:
        found = places.mapping(node, required, optional, what)
        if isinstance(found, Entry):
            return found
        self.problems += found
        return None

    def _each(self, node: Node, what: str) -> list[Node]:
        found = places.sequence(node)
        if found is None:
            self._wrong(node, f"{what}: expected a list, an entry a `-`")
        return found or []

    def _matching(self, entry: Entry, key: str, pattern: re.Pattern[str], expected: str, what: str) -> str | None:
        return self._checked(entry, key, lambda text: pattern.fullmatch(text) is not None, expected, what)

    def _one_of(self, entry: Entry, key: str, values: Sequence[str], what: str) -> str | None:
        return self._checked(entry, key, lambda text: text in values, f"one of {', '.join(values)}", what)

    def _checked(self, entry: Entry, key: str, good: Callable[[str], bool], expected: str, what: str) -> str | None:
        text = places.scalar(entry.values[key])
        if text is not None and good(text):
            return text
        self._wrong(entry.values[key], f"{what}: {key}: expected {expected}")
        return None

    def _once(self, named: Sequence[tuple[str, Node]], what: str) -> None:
        seen: set[str] = set()
        for name, node in named:
            if name in seen:
                self._wrong(node, f"{what} of that name is there twice: {name}")
            seen.add(name)

    def _wrong(self, node: Node, message: str) -> None:
        self.problems.append(places.problem(node, message))
