"""YAML read as nodes, so that what is wrong can be shown where it stands: file, line, column, and the text itself."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import msgspec
import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

MAX_BYTES = 900_000  # what a Kafka record holds by default, with room for the rest of the message

# The pure reader: the C one leaves out where in the text a node is.
_LOADER = yaml.SafeLoader


class Problem(msgspec.Struct, frozen=True):
    """`line` and `column` count from 1; `shown` is the text in question with carets below what is wrong, if any."""

    line: int
    column: int
    message: str
    shown: str = ""

    def text(self, file: str) -> str:
        head = f"{file}:{self.line}:{self.column}: {self.message}"
        return f"{head}\n{self.shown}" if self.shown else head


class Unread(Exception):
    """A text that is no YAML of the form expected."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Entry(NamedTuple):
    """A mapping's values by their keys."""

    node: MappingNode
    values: dict[str, Node]


def compose(text: str) -> Node:
    """The document's node. Raises Unread."""
    if len(text.encode()) > MAX_BYTES:
        raise Unread(Problem(1, 1, f"expected at most {MAX_BYTES:,} bytes"))
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise Unread(Problem(line, column, f"not YAML: {error.problem or error.context}")) from None
    except (yaml.YAMLError, RecursionError):
        raise Unread(Problem(1, 1, "not YAML: a character or a depth that it does not have")) from None
    if node is None:
        raise Unread(Problem(1, 1, "is empty"))
    return node


def problem(node: Node, message: str) -> Problem:
    return Problem(node.start_mark.line + 1, node.start_mark.column + 1, message)


def mapping(node: Node, required: tuple[str, ...], optional: tuple[str, ...], what: str) -> Entry | list[Problem]:
    """The node's values by key, or what is wrong with it."""
    if not isinstance(node, MappingNode):
        return [problem(node, f"{what}: expected `key: value` pairs")]
    known, found, wrong = (*required, *optional), {}, []
    for key, value in node.value:
        name = key.value if isinstance(key, ScalarNode) else ""
        if name not in known:
            wrong.append(problem(key, f"{what}: unknown key; expected {', '.join(known)}"))
        elif name in found:
            wrong.append(problem(key, f"{what}: {name} is there twice"))
        found[name] = value
    wrong += [problem(node, f"{what}: {key} is missing") for key in required if key not in found]
    return wrong or Entry(node, found)


def sequence(node: Node) -> list[Node] | None:
    return list(node.value) if isinstance(node, SequenceNode) else None


def scalar(node: Node) -> str | None:
    """A scalar's text, whatever YAML would make of it; None for what is not one, or is empty."""
    return str(node.value) if isinstance(node, ScalarNode) and node.value.strip() else None


def within(node: ScalarNode, document: str, start: int, end: int) -> tuple[int, int, str]:
    """Line and column in the document of a place in a scalar's text, and the text's line with carets.

    A folded or quoted scalar's text is not the document's letter by letter, so the places are found by counting what is
    no space; where that fails too (escapes), the place is the scalar's beginning.
    """
    at = _place(node, document, start)
    before = document[:at]
    line, column = before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1
    return line, column, _carets(node.value, start, end)


def _place(node: ScalarNode, document: str, start: int) -> int:
    begin, finish = node.start_mark.index, node.end_mark.index
    raw = document[begin:finish]
    header = re.match(r"[|>][^\n]*\n|['\"]?", raw)
    skipped = header.end() if header else 0
    wanted = [c for c in node.value[: start + 1] if not c.isspace()]
    found = list(islice(_dense(raw, skipped), len(wanted)))
    return begin + found[-1][0] if found and [c for _, c in found] == wanted else begin


def _dense(raw: str, skipped: int) -> Iterator[tuple[int, str]]:
    return ((place, c) for place, c in enumerate(raw) if place >= skipped and not c.isspace())


def _carets(text: str, start: int, end: int) -> str:
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", start)
    shown = text[first : last if last >= 0 else len(text)]
    width = max(1, min(end, first + len(shown)) - start)
    return f"    {shown}\n    {' ' * (start - first)}{'^' * width}"
