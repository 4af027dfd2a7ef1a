"""`amana features backfill`: training vectors from facts, by whatever definitions are the current ones."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from events.facts import OrderFact
from features.definitions import DEFINITIONS
from features.formulas import Floats
from features.replay import decoded, vectors
from features.server import PATIENCE_S, embedded
from features.store import Store, connect
from history.labels import KnownLabels
from history.parquet import Writer
from streams.errors import NothingToReplay
from streams.replay import Scope, Source, gather_facts

_BEFORE = (
    ("decision_id", pa.string()),
    ("order_id", pa.string()),
    ("occurred_at_ms", pa.int64()),
    ("amount_minor", pa.int64()),
    ("currency", pa.string()),
)
ROWS = 10_000  # written at a time

Bar = Callable[[str, float], Callable[[float], None]]  # what is done, of how much -> what to tell of it


class Summary(msgspec.Struct):
    """Figures of a backfill."""

    facts: int = 0
    repeats: int = 0
    late: int = 0
    replayed: int = 0
    orders: int = 0
    frauds: int = 0
    labelled: int = 0


async def backfill(source: Source, out: Path, scope: Scope, labels_at_ms: int, bar: Bar) -> Summary:
    """A row for each order of the scope, in event-time order, into a Parquet file.

    Columns: decision_id, order_id, occurred_at_ms, amount_minor, currency, the vector's by name (NaN where absent), and
    `label` (1, 0 or null) as it was known at `labels_at_ms`. Takes a temporary folder for the facts of the scope and
    its warm-up, and memory for an hour's facts, ROWS vectors, every label, and the scratch server's entities.

    Raises Unwritable before anything is read, Unreadable, NothingToReplay.
    """
    labels = KnownLabels(labels_at_ms)
    with (
        Writer(out, _schema(DEFINITIONS.names), DEFINITIONS.hash) as writer,
        tempfile.TemporaryDirectory(prefix="amana-backfill-") as folder,
        embedded() as url,
    ):
        gathered = await gather_facts(source, Path(folder), scope, labels.take, bar("reading facts", source.total))
        summary = Summary(gathered.read, gathered.repeats, gathered.late, gathered.facts.count)
        async with connect(url, timeout_s=PATIENCE_S) as client:
            facts = (fact for _, fact in decoded(gathered.facts, source.unreadable))
            replayed = vectors(Store(client, DEFINITIONS), facts, scope.from_ms)
            async for orders, matrix in _pieces(replayed, bar("replaying", gathered.facts.count)):
                known = [labels.of(order.order_id) for order in orders]
                await asyncio.to_thread(writer.write, _part(writer.schema, orders, matrix, known))
                summary.orders += len(orders)
                summary.frauds += known.count(1)
                summary.labelled += len(known) - known.count(None)
            if not summary.orders:
                raise NothingToReplay(f"no order among {gathered.read:,} facts is of that range")
    return summary


async def _pieces(
    replayed: AsyncIterator[tuple[int, list[OrderFact], Floats]], on_replayed: Callable[[float], None]
) -> AsyncIterator[tuple[list[OrderFact], Floats]]:
    """The orders and vectors of many chunks at a time: a Parquet file wants large parts."""
    orders: list[OrderFact] = []
    matrices: list[Floats] = []
    async for count, more, matrix in replayed:
        on_replayed(count)
        orders += more
        matrices.append(matrix)
        if len(orders) >= ROWS:
            yield orders, np.concatenate(matrices)
            orders, matrices = [], []
    if orders:
        yield orders, np.concatenate(matrices)


def _schema(names: Sequence[str]) -> pa.Schema:
    return pa.schema([*_BEFORE, *((name, pa.float64()) for name in names), ("label", pa.int8())])


def _part(schema: pa.Schema, orders: Sequence[OrderFact], matrix: Floats, known: Sequence[int | None]) -> pa.Table:
    columns = [
        [order.source.text() for order in orders],
        [order.order_id for order in orders],
        [order.occurred_at_ms for order in orders],
        [order.amount_minor for order in orders],
        [order.currency for order in orders],
        *np.ascontiguousarray(matrix.T),
        known,
    ]
    return pa.table([pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)], schema=schema)
