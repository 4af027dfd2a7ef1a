"""The script that applies a chunk to a shard, with the definitions' constants before it."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from features.definitions import LATENESS_S, WINDOWS, Definitions
from features.sources import SOURCES

REFUSED, UNCOUNTED = "refused", "uncounted"
# Up to the second, a fact asks for a row; the script knows that by ORDERS.
CLASSES: Mapping[str, int] = {name: n for n, name in enumerate((REFUSED, *SOURCES, UNCOUNTED))}
DAY_S = 86_400
# A key not written for so long has nothing that a window can see; the last day lets its expiry be renewed once a day.
TTL_S = max(w.width_s + w.hop_s for w in WINDOWS.values()) + LATENESS_S + DAY_S
_BODY = Path(__file__).with_name("apply.lua").read_text(encoding="utf-8")


def lua(definitions: Definitions) -> str:
    """The source of the script for these definitions."""
    windows = WINDOWS.values()
    columns = definitions.columns.values()
    constants = {
        "DEFINITIONS": f'"{definitions.hash}"',
        "LATENESS": LATENESS_S,
        "TTL": TTL_S,
        "ORDERS": CLASSES["orders"],
        "WIDTHS": _table(w.width_s for w in windows),
        "HOPS": _table(w.hop_s for w in windows),
        "COLUMNS": _table(len(c) for c in columns),
        "COUNT": _places(definitions, "count"),
        "SUM": _places(definitions, "sum"),
    }
    return "".join(f"local {name} = {value}\n" for name, value in constants.items()) + _BODY


def _table(values: Iterable[object]) -> str:
    return "{" + ", ".join(map(str, values)) + "}"


def _places(definitions: Definitions, aggregate: str) -> str:
    """For each kind, for each class: the column that the class's aggregate is kept in, false if in none."""
    return _table(
        _table(
            next((n for n, c in enumerate(columns, 1) if (c.source, c.aggregate) == (source, aggregate)), "false")
            for source in SOURCES
        )
        for columns in definitions.columns.values()
    )
