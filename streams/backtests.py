"""Tables of past orders for `amana rules backtest`: vectors from Parquet, and the orders' fields from their facts."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow.parquet

from events.facts import OrderFact
from events.facts import decode as decode_fact
from features.rates import RATES
from history import parquet
from models.rules.backtest import Past
from models.rules.fields import FIELDS
from models.rules.orders import Orders, field_of
from streams.errors import NothingToReplay, Unreadable

_COLUMNS = {"event.amount_minor": "amount_minor", "event.currency": "currency"}


def past(vectors: Path, facts: Sequence[Path], definitions: str, names: Sequence[str]) -> Past:
    """Orders of a file of `amana features backfill` or `amana history export`; with the facts' files, all their fields.

    Raises ForeignFile for another definition's vectors, NothingToReplay for a file without orders.
    """
    table = parquet.read(vectors, definitions)
    if table.empty:
        raise NothingToReplay(f"{vectors} holds no order")
    labels = pyarrow.parquet.read_table(vectors, columns=["label"])["label"].to_pandas()
    return Past(
        Orders(
            table[list(names)].to_numpy(dtype=np.float64), table["occurred_at_ms"].to_numpy(), _fields(table, facts)
        ),
        labels.astype("float64").to_numpy(),
        _cents(table),
        frozenset(FIELDS) if facts else frozenset(_COLUMNS),
    )


def _fields(table: pd.DataFrame, paths: Sequence[Path]) -> Any:
    if not paths:
        return lambda name: table[_COLUMNS[name]].tolist() if name in _COLUMNS else [None] * len(table)
    wanted = set(table["decision_id"])
    held = {fact.source.text(): fact for path in paths for fact in _orders_in(path) if fact.source.text() in wanted}
    if missing := len(wanted) - len(held):
        raise NothingToReplay(f"{missing:,} of {len(wanted):,} orders are not in the facts given")
    facts = [held[decision_id] for decision_id in table["decision_id"]]
    return lambda name: field_of(facts, name)


def _orders_in(path: Path) -> Iterator[OrderFact]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                fact = decode_fact(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                raise Unreadable(f"{path}, line {number}: expected a fact") from None
            if isinstance(fact, OrderFact):
                yield fact


def _cents(table: pd.DataFrame) -> Any:
    rows = zip(table["amount_minor"], table["currency"], table["occurred_at_ms"], strict=True)
    cents = [RATES.cents(int(amount), currency, int(at_ms)) for amount, currency, at_ms in rows]
    return np.array(cents, dtype=np.float64)
