"""YAML with the line of every value, for errors that say where; without what two people could read differently.

That is: aliases and merges, keys that stand twice, numbers in other notations (`030` is 24), and characters that end a
line or turn its direction for one reader and not for another: a comment in an editor must be a comment here.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import yaml

from events.legible import plain
from sharing.errors import ContractError

MAX_CHARACTERS = 64 * 1024
_INT = "tag:yaml.org,2002:int"
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,17})")
# What YAML takes for a line's end and editors do not (next line, line and paragraph separators), and bidi controls.
_AMBIGUOUS = re.compile("[\x85\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# A message of msgspec's: its words, which quote what was read, and the path, of names of ours alone.
_TOLD = re.compile(r"(.*?)(?: - at `(\$[\w.\[\]]*)`)?", re.DOTALL)
_UNKNOWN = re.compile("Object contains unknown field `(.*)`", re.DOTALL)
_QUOTED = 1_000
# What PyYAML raises, besides its own, where an explicit tag (`!!int ""`) does not fit the text.
_UNFIT = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)


class Located(NamedTuple):
    """The plain value, and the line (from 1) of each path in msgspec's notation: `$.fields[0].operator`."""

    plain: object
    lines: dict[str, int]

    def line(self, path: str) -> int:
        """The line of a path, or of the nearest that there is above it."""
        while path not in self.lines and path:
            path = path.rpartition(".")[0]
        return self.lines.get(path, 1)


def read(text: str, name: str) -> Located:
    """Read one document. Raises ContractError naming `name` and the line."""
    if len(text) > MAX_CHARACTERS:
        raise ContractError(f"{name}: longer than {MAX_CHARACTERS} characters")
    if found := _AMBIGUOUS.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise ContractError(
            f"{name}:{line}: holds U+{ord(found[0]):04X}, which editors show otherwise than YAML reads it"
        )
    lines: dict[str, int] = {}
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None:
            raise ContractError(f"{name}: empty; expected a contract")
        _walk(root, "$", name, lines, set())
        _check_scalars(loader, root, name)
        return Located(loader.construct_document(root), lines)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ContractError(f"{name}:{line}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ContractError(f"{name}: not YAML that a contract may hold") from None


def told(message: str, source: Located, name: str, expected: Mapping[str, Sequence[str]]) -> str:
    """The decoder's words with file and line; `expected` has the values of keys whose type says them too poorly."""
    found = _TOLD.fullmatch(message)
    text, path = (found[1], found[2] or "$") if found else (message, "$")
    values = expected.get(path.rpartition(".")[2])
    hint = f"; expected one of: {', '.join(values)}" if values else ""
    unknown = _UNKNOWN.fullmatch(text)
    line = source.line(f"{path}.{unknown[1]}" if unknown and f"{path}.{unknown[1]}" in source.lines else path)
    return f"{name}:{line}: {path}: {plain(text, _QUOTED)}{hint}"


def _walk(node: yaml.Node, path: str, name: str, lines: dict[str, int], seen: set[int]) -> None:
    line = node.start_mark.line + 1
    if id(node) in seen:
        raise ContractError(f"{name}:{line}: used again by an alias; write the value out each time")
    seen.add(id(node))
    lines.setdefault(path, line)
    if isinstance(node, yaml.SequenceNode):
        for place, child in enumerate(node.value):
            _walk(child, f"{path}[{place}]", name, lines, seen)
    elif isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                raise ContractError(f"{name}:{key.start_mark.line + 1}: merged by `<<`; write the values out")
            inner = f"{path}.{key.value}"
            if inner in lines:
                raise ContractError(f"{name}:{key.start_mark.line + 1}: {key.value!r} stands here twice")
            lines[inner] = key.start_mark.line + 1
            _walk(child, inner, name, lines, seen)


def _check_scalars(loader: yaml.SafeLoader, node: yaml.Node, name: str) -> None:
    """Raises ContractError for a value that is not what its tag says, or a number that is not plain."""
    if isinstance(node, yaml.CollectionNode):
        pairs = isinstance(node, yaml.MappingNode)
        for child in (each for pair in node.value for each in pair) if pairs else node.value:
            _check_scalars(loader, child, name)
        return
    where = f"{name}:{node.start_mark.line + 1}"
    if node.tag == _INT and not _DECIMAL.fullmatch(node.value):
        raise ContractError(f"{where}: expected a plain decimal number, without leading zeros")
    try:
        loader.construct_object(node)
    except _UNFIT:
        raise ContractError(f"{where}: not a {node.tag.rpartition(':')[2]} that there is") from None
