"""What was decided, each order's fact beside its decision, from logs that are only read; and the labels known of them.

No consumer group, no store, no database: nothing here leaves a trace where it reads.
"""

import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from events.facts import LabelFact, OrderFact, RefusedOrder
from events.facts import decode as decode_fact
from features.formulas import Floats
from features.replay import decode_head
from history.labels import KnownLabels
from models.decisions import Decision
from models.decisions import decode as decode_decision
from models.screening import Decided, Definitions
from streams.backfill import Bar
from streams.errors import NothingToReplay
from streams.log import batched
from streams.replay import Scope, Source

CHUNK = 500
_JUDGED = frozenset({"order", "refused"})


class Judged(NamedTuple):
    """An order, or a refused one, with the decision that screening made on it."""

    fact: Decided
    decision: Decision


class Counts(msgspec.Struct):
    """What was read, and what of it can't be looked at: without its other half, or on numbers of other definitions."""

    decisions: int = 0
    facts: int = 0
    without_fact: int = 0
    without_decision: int = 0
    other_definitions: int = 0


class Traffic:
    """A range of what was decided, on disk, in the order of time; gathered in two passes over its logs."""

    def __init__(self, path: Path, definitions: Definitions, labels: KnownLabels) -> None:
        self.counts = Counts()
        self.labels = labels
        self._definitions = definitions
        self._sql = sqlite3.connect(path, isolation_level=None)
        self._sql.executescript(
            "pragma journal_mode=off; pragma synchronous=off;"
            "create table decisions (id text primary key, revision int, at_ms int, ours int, body blob) without rowid;"
            "create table facts (id text primary key, body blob) without rowid"
        )

    def put_decisions(self, decisions: Sequence[Decision], bodies: Sequence[bytes]) -> None:
        """The highest revision of an id stays, and the first of equals."""
        rows = [
            (d.decision_id, d.revision, d.occurred_at_ms, d.definitions in {None, self._definitions.hash}, body)
            for d, body in zip(decisions, bodies, strict=True)
        ]
        self._write(
            "insert into decisions values (?, ?, ?, ?, ?) on conflict (id) do update set revision=excluded.revision,"
            " ours=excluded.ours, body=excluded.body where excluded.revision > decisions.revision",
            rows,
        )

    def put_facts(self, rows: Sequence[tuple[str, bytes]]) -> None:
        """The first of an id stays: a repeat is the same."""
        self._write("insert or ignore into facts values (?, ?)", rows)

    def settle(self) -> None:
        """Count what there is, once everything was put."""
        both = "from decisions join facts using (id)"
        self.counts = Counts(
            decisions=self._one("select count(*) from decisions"),
            facts=self._one("select count(*) from facts"),
            without_fact=self._one("select count(*) from decisions where id not in (select id from facts)"),
            without_decision=self._one("select count(*) from facts where id not in (select id from decisions)"),
            other_definitions=self._one(f"select count(*) {both} where not ours"),
        )

    def chunks(self, size: int = CHUNK) -> Iterator[list[Judged]]:
        rows = self._sql.execute(
            "select facts.body, decisions.body from decisions join facts using (id) where ours order by at_ms, id"
        )
        for part in batched(rows, size):
            # Both were decoded before, when they were put.
            facts = (decode_fact(fact) for fact, _ in part)
            decisions = (decode_decision(decision) for _, decision in part)
            yield [
                Judged(f, d) for f, d in zip(facts, decisions, strict=True) if isinstance(f, OrderFact | RefusedOrder)
            ]

    def between(self, from_ms: int, until_ms: int) -> int:
        """How many decisions, with or without a fact, are of orders of [from_ms, until_ms)."""
        return self._one("select count(*) from decisions where at_ms >= ? and at_ms < ?", from_ms, until_ms)

    def matrix(self, chunk: Sequence[Judged]) -> Floats:
        """The vectors that the decisions were made on, (orders, features); NaN throughout for a refused order."""
        absent = np.full(len(self._definitions.names), np.nan)
        rows = [np.frombuffer(d.vector, dtype="<f8") if d.vector is not None else absent for _, d in chunk]
        return np.array(rows, dtype=np.float64).reshape(len(chunk), len(absent))

    def close(self) -> None:
        self._sql.close()

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        self._sql.execute("begin")
        self._sql.executemany(statement, rows)
        self._sql.execute("commit")

    def _one(self, query: str, *values: int) -> int:
        return int(self._sql.execute(query, values).fetchone()[0])


@contextmanager
def on_disk(definitions: Definitions, labels_at_ms: int) -> Iterator[Traffic]:
    """An empty one, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="amana-traffic-") as folder:
        traffic = Traffic(Path(folder) / "traffic", definitions, KnownLabels(labels_at_ms))
        try:
            yield traffic
        finally:
            traffic.close()


async def gather(
    facts: Source, decisions: Source, scope: Scope, definitions: Definitions, traffic: Traffic, bar: Bar
) -> None:
    """All of the range that screening decided, and every label.

    What the fallback and analysts decided is passed over: it was not screening that did. Raises Unreadable, and
    NothingToReplay where nothing is left to look at.
    """
    await _gather_decisions(decisions, scope, definitions, traffic, bar("reading decisions", decisions.total))
    await _gather_facts(facts, scope, traffic, bar("reading facts", facts.total))
    traffic.settle()
    found = traffic.counts
    if found.decisions - found.without_fact - found.other_definitions <= 0:
        raise NothingToReplay(
            f"no order of that range was decided on definitions {definitions.hash}: {found.decisions:,} decisions, "
            f"{found.without_fact:,} of them without a fact, {found.other_definitions:,} of other definitions; "
            f"{found.without_decision:,} facts without a decision"
        )


async def _gather_decisions(
    source: Source, scope: Scope, definitions: Definitions, traffic: Traffic, on_read: Callable[[float], None]
) -> None:
    width = 8 * len(definitions.names)
    async for records in source.records(on_read):
        kept, bodies = [], []
        for partition, number, body in records:
            try:
                decision = decode_decision(body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                source.unreadable(partition, number, "a decision")
                continue
            if decision.mode in {"fallback", "analyst"} or not scope.asks(decision.occurred_at_ms):
                continue
            vector = decision.vector or b""
            if decision.definitions == definitions.hash and len(vector) != width:
                source.unreadable(partition, number, f"a decision on {len(definitions.names)} numbers")
                continue
            kept.append(decision)
            bodies.append(body)
        traffic.put_decisions(kept, bodies)


async def _gather_facts(source: Source, scope: Scope, traffic: Traffic, on_read: Callable[[float], None]) -> None:
    async for records in source.records(on_read):
        rows = []
        for partition, number, body in records:
            try:
                head = decode_head(body)
                wanted = head.fact == "label" or (head.fact in _JUDGED and scope.asks(head.occurred_at_ms))
                fact = decode_fact(body) if wanted else None
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                source.unreadable(partition, number)
                continue
            if isinstance(fact, LabelFact):
                traffic.labels.take(fact)
            elif fact is not None:
                rows.append((fact.source.text(), body))
        traffic.put_facts(rows)
