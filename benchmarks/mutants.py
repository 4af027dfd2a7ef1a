"""Small changes to a module's source, each of which a test should notice.

A mutant is a place in the syntax tree and what is done there. Docstrings, annotations, `__all__`, class settings of
msgspec (`tag=...`) and type-checking code are left alone: no test can, or should, notice these.
"""

import ast
import copy
from collections.abc import Iterator
from typing import NamedTuple

_COMPARES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_SUMS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip
_LEFT_ALONE = ("annotation", "returns", "decorator_list", "bases", "keywords")


class Mutant(NamedTuple):
    """`path` leads to the node, as (field, index) pairs; `to` says what becomes of it."""

    line: int
    path: tuple[tuple[str, int], ...]
    to: str


def mutants(source: str) -> list[Mutant]:
    """All of a module's, in the order of the source."""
    tree = ast.parse(source)
    return [Mutant(getattr(node, "lineno", 0), path, to) for node, path in _nodes(tree) for to in _changes(node)]


def mutated(source: str, mutant: Mutant) -> str:
    """The module's source with that one change."""
    tree = ast.parse(source)
    parent: ast.AST = tree
    for field, index in mutant.path[:-1]:
        parent = _at(parent, field, index)
    field, index = mutant.path[-1]
    changed = _changed(copy.deepcopy(_at(parent, field, index)), mutant.to)
    if index < 0:
        setattr(parent, field, changed)
    else:
        getattr(parent, field)[index] = changed
    return ast.unparse(ast.fix_missing_locations(tree))


def described(source: str, mutant: Mutant) -> str:
    """The line as it was, and what was done to it."""
    return f"`{source.splitlines()[mutant.line - 1].strip()}`: {mutant.to}"


def _at(node: ast.AST, field: str, index: int) -> ast.AST:
    found = getattr(node, field)
    child: ast.AST = found if index < 0 else found[index]
    return child


def _nodes(
    node: ast.AST, path: tuple[tuple[str, int], ...] = ()
) -> Iterator[tuple[ast.AST, tuple[tuple[str, int], ...]]]:
    """Every node that may be changed, with its path."""
    if path:
        yield node, path
    for field, value in ast.iter_fields(node):
        if field in _LEFT_ALONE and not (field == "keywords" and isinstance(node, ast.Call)):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(-1, value)]:
            if isinstance(child, ast.AST) and not _is_left_alone(child):
                yield from _nodes(child, (*path, (field, index)))


def _is_left_alone(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)  # a docstring
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets)
    return isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr | ast.FormattedValue)


def _changes(node: ast.AST) -> list[str]:  # noqa: PLR0911 - a kind of node a line
    if isinstance(node, ast.Compare):
        return [f"{type(node.ops[0]).__name__} -> {_COMPARES[type(node.ops[0])].__name__}"]
    if isinstance(node, ast.BinOp) and type(node.op) in _SUMS and not _is_type(node):
        return [f"{type(node.op).__name__} -> {_SUMS[type(node.op)].__name__}"]
    if isinstance(node, ast.BoolOp):
        return ["And -> Or" if isinstance(node.op, ast.And) else "Or -> And"]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return ["without not"]
    if isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        return ["returns None"]
    if isinstance(node, ast.IfExp):
        return ["always the first", "always the second"]
    return _constants(node)


def _constants(node: ast.AST) -> list[str]:
    if not isinstance(node, ast.Constant):
        return []
    if isinstance(node.value, bool):
        return [f"{node.value} -> {not node.value}"]
    if isinstance(node.value, int):
        return [f"{node.value} -> {node.value + 1}"]
    return ["another string"] if isinstance(node.value, str) and node.value else []


def _is_type(node: ast.BinOp) -> bool:
    """`A | None` and the like, which is a type."""
    return isinstance(node.op, ast.BitOr) and any(
        _is_none(side) or (isinstance(side, ast.Name) and side.id[:1].isupper()) for side in (node.left, node.right)
    )


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _changed(node: ast.AST, to: str) -> ast.AST:  # noqa: PLR0911 - a kind of change a line
    if isinstance(node, ast.Compare):
        node.ops[0] = _COMPARES[type(node.ops[0])]()
        return node
    if isinstance(node, ast.BinOp):
        node.op = _SUMS[type(node.op)]()
        return node
    if isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return node
    if isinstance(node, ast.UnaryOp):
        return node.operand
    if isinstance(node, ast.Return):
        return ast.Return(ast.Constant(None))
    if isinstance(node, ast.IfExp):
        return node.body if to == "always the first" else node.orelse
    assert isinstance(node, ast.Constant)
    if isinstance(node.value, bool):
        return ast.Constant(not node.value)
    return ast.Constant(node.value + 1 if isinstance(node.value, int) else f"{node.value!s}X")
