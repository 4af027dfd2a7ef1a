"""The picture of orders that share an entity with this one: places and lines alone, for the template to draw."""

from collections.abc import Sequence
from typing import NamedTuple

from history.links import KINDS, Kind, Shared

MOST_ORDERS = 22  # with seven others it stays under thirty nodes
WIDTH, ROW, EDGE = 720, 40, 90
_MIDDLE = WIDTH // 2


class Node(NamedTuple):
    x: int
    y: int


class Line(NamedTuple):
    start: Node
    end: Node


class Picture(NamedTuple):
    height: int
    order: Node
    entities: tuple[tuple[Kind, Node], ...]
    orders: tuple[tuple[Shared, Node], ...]
    lines: tuple[Line, ...]


def drawn(found: Sequence[Shared], *, mirrored: bool) -> Picture:
    """The order at the side where reading begins, what is shared in the middle, the other orders at the far side."""
    shared = found[:MOST_ORDERS]
    kinds = [kind for kind in KINDS if any(kind in each.kinds for each in shared)]
    height = ROW * max(len(kinds), len(shared), 1)
    near, far = (WIDTH - EDGE, EDGE) if mirrored else (EDGE, WIDTH - EDGE)
    order = Node(near, height // 2)
    middle = dict(zip(kinds, _column(_MIDDLE, height, len(kinds)), strict=True))
    ends = tuple(zip(shared, _column(far, height, len(shared)), strict=True))
    lines = [Line(order, node) for node in middle.values()]
    lines += [Line(middle[kind], node) for each, node in ends for kind in each.kinds]
    return Picture(height, order, tuple(middle.items()), ends, tuple(lines))


def _column(x: int, height: int, count: int) -> list[Node]:
    return [Node(x, (2 * number + 1) * height // (2 * count)) for number in range(count)]
