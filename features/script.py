"""The script that applies a chunk to a shard, with the definitions' constants before it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from features.declared import Definitions, Wanted
from features.numbers import DISTINCT, LATENESS_S, MOST_DOLLARS, REPEATED_S, SUMMED, WINDOWS, Column, Roll, Window
from features.sources import CLASSES, ORDER_CLASSES, REFUSED, SOURCES, UNCOUNTED

# Up to the last class of orders, a fact asks for a row; the script knows that by ORDERS.
NUMBER_OF: Mapping[str, int] = {name: n for n, name in enumerate((REFUSED, *CLASSES, UNCOUNTED))}
ORDERS = NUMBER_OF[ORDER_CLASSES[-1]]
DAY_S = 86_400
# Ids of events are kept so long after the last of their hour: twice as long as a repeat is looked for.
REMEMBERED_S = 2 * REPEATED_S
_MOST_VALUES = 7_900
_KEPT = ("min", "max", "last", "earliest")
_BODY = Path(__file__).with_name("apply.lua").read_text(encoding="utf-8")


def ttl_s(windows: Iterable[Window]) -> int:
    """A key not written for so long has nothing that a window can see; its expiry is renewed once a day."""
    return max(w.width_s + w.hop_s for w in windows) + LATENESS_S + DAY_S


TTL_S = ttl_s(WINDOWS.values())


def lua(definitions: Definitions) -> str:
    """The source of the script for these definitions; raises ValueError where an entity's state would be too wide."""
    windows = definitions.windows
    _check_width(definitions)
    columns, rolls = definitions.columns.values(), definitions.rolls.values()
    by_kind = list(zip(columns, rolls, strict=True))
    constants = {
        "DEFINITIONS": f'"{definitions.hash}"',
        "LATENESS": LATENESS_S,
        "TTL": ttl_s(windows),
        "REPEATED": REPEATED_S,
        "REMEMBERED": REMEMBERED_S,
        "ORDERS": ORDERS,
        "NUMBERS": len(definitions.numbers),
        "DISTINCT": DISTINCT,
        "MOST_DOLLARS": MOST_DOLLARS,
        "WIDTHS": _table(w.width_s for w in windows),
        "HOPS": _table(w.hop_s for w in windows),
        "SUMS": _table(sum(c.aggregate in SUMMED for c in of_kind) for of_kind in columns),
        "KEPT": _table(_table(_how(c) for c in of_kind if c.aggregate in _KEPT) for of_kind in columns),
        "ROLLS": _table(len(of_kind) for of_kind in rolls),
        # A function each, since a call of one order should not pay for the tables of all classes and kinds.
        "CHANGES": _table(
            f"function() return {_table(_changes(name, *of_kind) for of_kind in by_kind)} end" for name in CLASSES
        ),
        "WANTED": _table(f"function() return {_wanted(wanted)} end" for wanted in definitions.wanted.values()),
    }
    return "".join(f"local {name} = {value}\n" for name, value in constants.items()) + _BODY


def most_tiles(windows: Sequence[Window]) -> int:
    """How many an entity can have once they are merged: of a minute at the near end, then of each window's hop.

    Tiles of a hop lie between where the next narrower window begins, as of five minutes behind the entity's clock, and
    the hop of the next wider one that its own window begins in.
    """
    hops = [60, *(w.hop_s for w in windows), windows[-1].hop_s]
    widths = [0, *(w.width_s for w in windows)]
    of_each = ((hops[w + 1] - hops[w - 1] + widths[w] - widths[w - 1]) // hops[w] for w in range(1, len(widths)))
    return (hops[1] + LATENESS_S) // 60 + sum(of_each)


def _check_width(definitions: Definitions) -> None:
    """Lua has room for some 8,000 values at once: an entity's tiles must fit, and so must its rolls."""
    tiles = most_tiles(definitions.windows)
    for kind, columns in definitions.columns.items():
        values = max(tiles * (1 + len(columns)), len(definitions.rolls[kind]) * (1 + 2 * DISTINCT))
        if values > _MOST_VALUES:
            raise ValueError(
                f"a {kind} could need {values} values ({len(columns)} columns in up to {tiles} tiles, "
                f"{len(definitions.rolls[kind])} rolls): expected {_MOST_VALUES} at most"
            )


def _table(values: Iterable[object]) -> str:
    return "{" + ", ".join(map(str, values)) + "}"


def _changes(name: str, columns: Sequence[Column], rolls: Sequence[Roll]) -> str:
    """What a fact of a class changes of an entity: (column, how) of each column, the rolls."""
    return _table(
        (
            _table(f"{n}, {_how(c)}" for n, c in enumerate(columns, 1) if _is_of(name, c)),
            _table(n for n, roll in enumerate(rolls, 1) if _is_of(name, roll)),
        )
    )


def _how(column: Column) -> int:
    return 1 + (SUMMED if column.aggregate in SUMMED else _KEPT).index(column.aggregate)


def _wanted(wanted: Wanted) -> str:
    """Where the numbers of an entity are in a row: by window and column, the age, by roll."""
    return _table((_table(map(_table, wanted.by_window)), wanted.age, _table(map(_table, wanted.rolls))))


def _is_of(name: str, counted: Column | Roll) -> bool:
    return name in SOURCES[counted.source].classes
