"""The script that applies a chunk to a shard, with the definitions' constants before it."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from features.declared import Definitions
from features.numbers import DISTINCT, LATENESS_S, REPEATED_S, SUMMED, WINDOWS, Column, Window
from features.sources import CLASSES, ORDER_CLASSES, REFUSED, SOURCES, UNCOUNTED

# Up to the last class of orders, a fact asks for a row; the script knows that by ORDERS.
NUMBER_OF: Mapping[str, int] = {name: n for n, name in enumerate((REFUSED, *CLASSES, UNCOUNTED))}
ORDERS = NUMBER_OF[ORDER_CLASSES[-1]]
DAY_S = 86_400
# Ids of events are kept so long after the last of their hour: twice as long as a repeat is looked for.
REMEMBERED_S = 2 * REPEATED_S
_KEPT = ("min", "max", "last")
_BODY = Path(__file__).with_name("apply.lua").read_text(encoding="utf-8")


def ttl_s(windows: Iterable[Window]) -> int:
    """A key not written for so long has nothing that a window can see; its expiry is renewed once a day."""
    return max(w.width_s + w.hop_s for w in windows) + LATENESS_S + DAY_S


TTL_S = ttl_s(WINDOWS.values())


def lua(definitions: Definitions) -> str:
    """The source of the script for these definitions."""
    windows = definitions.windows
    columns, rolls = definitions.columns.values(), definitions.rolls.values()
    summed = [[c for c in of_kind if c.aggregate in SUMMED] for of_kind in columns]
    kept = [[c for c in of_kind if c.aggregate in _KEPT] for of_kind in columns]
    constants = {
        "DEFINITIONS": f'"{definitions.hash}"',
        "LATENESS": LATENESS_S,
        "TTL": ttl_s(windows),
        "REPEATED": REPEATED_S,
        "REMEMBERED": REMEMBERED_S,
        "ORDERS": ORDERS,
        "DISTINCT": DISTINCT,
        "WIDTHS": _table(w.width_s for w in windows),
        "HOPS": _table(w.hop_s for w in windows),
        "SUMS": _table(len(of_kind) for of_kind in summed),
        "ADDS": _table(_by_class(of_kind, lambda c: 1 + SUMMED.index(c.aggregate)) for of_kind in summed),
        "KEPT": _table(_table(1 + _KEPT.index(c.aggregate) for c in of_kind) for of_kind in kept),
        "KEEPS": _table(_by_class(of_kind, lambda c: 1 + _KEPT.index(c.aggregate)) for of_kind in kept),
        "ROLLS": _table(len(of_kind) for of_kind in rolls),
        "MEETS": _table(
            _table(
                _table(n for n, roll in enumerate(of_kind, 1) if name in SOURCES[roll.source].classes)
                for name in CLASSES
            )
            for of_kind in rolls
        ),
    }
    return "".join(f"local {name} = {value}\n" for name, value in constants.items()) + _BODY


def _table(values: Iterable[object]) -> str:
    return "{" + ", ".join(map(str, values)) + "}"


def _by_class(columns: Iterable[Column], how: Callable[[Column], int]) -> str:
    """For each class: place and how of each column that it changes, one after another."""
    columns = list(columns)
    return _table(
        _table(f"{n}, {how(c)}" for n, c in enumerate(columns, 1) if name in SOURCES[c.source].classes)
        for name in CLASSES
    )
