"""`amana features audit`: the vectors that decisions were made on against those that the facts give."""

import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import json
from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from events.facts import AnyFact, Coordinates, OrderFact
from features.audit import CAUSES, Cause, Difference, Inquiry, Suspect, compare
from features.replay import WARM_UP_MS, Placed, decoded, vectors
from features.server import PATIENCE_S, embedded
from features.store import Positions, Store, connect
from models.decisions import Decision
from models.decisions import decode as decode_decision
from streams.backfill import Bar
from streams.errors import NothingToReplay
from streams.replay import Gathered, Scope, Source, gather_facts


class Figures(msgspec.Struct, frozen=True):
    """What an audit found: orders compared, `rate` of them that differ, and what could not be compared."""

    definitions: str
    from_ms: int
    until_ms: int
    as_applied: bool
    facts: int
    repeats: int
    orders: int
    equal: int
    differing: dict[Cause, int]
    rate: float
    without_decision: int
    without_fact: int
    other_definitions: int


class Report(msgspec.Struct, frozen=True):
    figures: Figures
    differences: list[Difference]


def write_metrics(figures: Figures, path: Path, now_s: float) -> None:
    """The figures for the node exporter's textfile collector, replaced in one step."""
    registry = CollectorRegistry()
    told = {
        "orders": ("Orders compared by the last audit", figures.orders),
        "mismatch_ratio": ("Share of them whose logged vector is not the recomputed one", figures.rate),
        "last_run_timestamp_seconds": ("When the last audit ended", now_s),
    }
    for name, (text, value) in told.items():
        Gauge(f"amana_features_audit_{name}", text, registry=registry).set(value)
    differing = Gauge("amana_features_audit_differing", "Orders that differ", ["cause"], registry=registry)
    for cause in CAUSES:
        differing.labels(cause).set(figures.differing.get(cause, 0))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(path), registry)


class Logged(NamedTuple):
    definitions: str | None
    flags: tuple[str, ...]
    vector: bytes
    positions: Positions


_positions = json.Decoder(Positions).decode


class Vectors:
    """Logged vectors by decision id, on disk: of the highest revision that has one, and the first of equals."""

    def __init__(self, path: Path) -> None:
        self._sql = sqlite3.connect(path, isolation_level=None)
        self._sql.executescript(
            "pragma journal_mode=off; pragma synchronous=off;"
            "create table logged (id text primary key, revision int, definitions text, flags text, vector blob,"
            " positions text) without rowid"
        )

    def put(self, decisions: Sequence[Decision]) -> None:
        rows = [
            (d.decision_id, d.revision, d.definitions, " ".join(d.flags), d.vector, json.encode(d.positions))
            for d in decisions
        ]
        self._sql.execute("begin")
        self._sql.executemany(
            "insert into logged values (?, ?, ?, ?, ?, ?) on conflict (id) do update set revision=excluded.revision,"
            " definitions=excluded.definitions, flags=excluded.flags, vector=excluded.vector,"
            " positions=excluded.positions"
            " where excluded.revision > logged.revision",
            rows,
        )
        self._sql.execute("commit")

    def of(self, orders: Sequence[OrderFact]) -> list[Logged | None]:
        ids = [order.source.text() for order in orders]
        query = f"select id, definitions, flags, vector, positions from logged where id in ({','.join('?' * len(ids))})"  # noqa: S608
        found = {
            name: Logged(by, tuple(flags.split()), vector, _positions(at))
            for name, by, flags, vector, at in self._sql.execute(query, ids)
        }
        return [found.get(name) for name in ids]

    def __len__(self) -> int:
        return int(self._sql.execute("select count(*) from logged").fetchone()[0])

    def close(self) -> None:
        self._sql.close()


class Tally(msgspec.Struct):
    """What the comparison counts as it goes; `suspects` are the orders that differ."""

    suspects: list[Suspect]
    compared: int = 0
    without_decision: int = 0
    other_definitions: int = 0


async def audit(facts: Source, decisions: Source, scope: Scope, bar: Bar) -> Report:
    """Replay the facts, compare each logged vector, explain what differs.

    Takes a temporary folder for the facts and the vectors, and memory as a backfill does and for every order that
    differs. Raises Unreadable, NothingToReplay.
    """
    scope = msgspec.structs.replace(scope, after_ms=WARM_UP_MS)
    with tempfile.TemporaryDirectory(prefix="amana-audit-") as folder, embedded() as url:
        spool = Path(folder) / "facts"
        spool.mkdir()
        logged = Vectors(Path(folder) / "vectors")
        try:
            await _gather_decisions(decisions, logged, scope, bar("reading decisions", decisions.total))
            gathered = await gather_facts(facts, spool, scope, lambda _: None, bar("reading facts", facts.total))
            if len(gathered.partitions) > 1 and not facts.offsets:
                raise NothingToReplay(
                    f"the facts are of {len(gathered.partitions)} partitions, and files do not say their offsets "
                    "there, which decisions go by: audit them on the topic, without --facts"
                )
            async with connect(url, timeout_s=PATIENCE_S) as client:
                store = Store(client)
                tally = await _compare(store, _Facts(gathered, facts, scope), logged, scope, bar)
            if not tally.compared:
                raise NothingToReplay(
                    f"no order of that range has a logged vector of definitions {store.definitions.hash}: "
                    f"{tally.without_decision:,} without a decision, {tally.other_definitions:,} of other definitions"
                )
            differences = _explained(store, gathered, facts, tally.suspects, scope)
            return Report(_figures(store, scope, gathered, tally, len(logged), differences), differences)
        finally:
            logged.close()


async def _gather_decisions(source: Source, logged: Vectors, scope: Scope, on_read: Callable[[float], None]) -> None:
    async for records in source.records(on_read):
        decisions = []
        for partition, number, body in records:
            try:
                decision = decode_decision(body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                source.unreadable(partition, number, "a decision")
                continue
            if decision.vector is not None and decision.mode != "refused" and scope.asks(decision.occurred_at_ms):
                decisions.append(decision)
        logged.put(decisions)


class _Facts:
    """The facts that are replayed, and where each order that is not yet compared was."""

    def __init__(self, gathered: Gathered, source: Source, scope: Scope) -> None:
        self.places: dict[Coordinates, Placed] = {}
        self.count = gathered.facts.count
        self._gathered, self._source, self._scope = gathered, source, scope

    def __iter__(self) -> Iterator[AnyFact]:
        scope = self._scope
        records = takewhile(lambda placed: scope.as_applied or placed.rank < scope.until_ms, self._gathered.facts)
        for placed, fact in decoded(records, self._source.unreadable):
            if isinstance(fact, OrderFact):
                self.places[fact.source] = placed._replace(body=b"")
            yield fact


async def _compare(store: Store, facts: _Facts, logged: Vectors, scope: Scope, bar: Bar) -> Tally:
    tally = Tally([])
    on_replayed = bar("replaying", facts.count)
    names = store.definitions.names
    async for count, orders, matrix in vectors(store, facts, scope.from_ms):
        on_replayed(count)
        for order, row, there in zip(orders, matrix, logged.of(orders), strict=True):
            placed = facts.places.pop(order.source)
            if not scope.asks(order.occurred_at_ms):
                continue
            if there is None:
                tally.without_decision += 1
            elif there.definitions != store.definitions.hash:
                tally.other_definitions += 1
            else:
                tally.compared += 1
                if changed := compare(names, there.vector, row):
                    tally.suspects.append(Suspect(order, placed, changed, there.flags, there.positions))
    return tally


def _explained(
    store: Store, gathered: Gathered, source: Source, suspects: Sequence[Suspect], scope: Scope
) -> list[Difference]:
    """As they were applied, one after another, no fact explains a difference."""
    if scope.as_applied or not suspects:
        return [suspect.difference() for suspect in suspects]
    inquiry = Inquiry(store.definitions, suspects, gathered.repeated)
    for placed, fact in decoded(gathered.facts, source.unreadable):
        inquiry.hear(placed, fact)
    return [inquiry.explain(suspect) for suspect in suspects]


def _figures(
    store: Store, scope: Scope, gathered: Gathered, tally: Tally, logged: int, differences: Sequence[Difference]
) -> Figures:
    differing = {cause: sum(difference.cause == cause for difference in differences) for cause in CAUSES}
    return Figures(
        definitions=store.definitions.hash,
        from_ms=scope.from_ms,
        until_ms=scope.until_ms,
        as_applied=scope.as_applied,
        facts=gathered.read,
        repeats=gathered.repeats,
        orders=tally.compared,
        equal=tally.compared - len(differences),
        differing={cause: count for cause, count in differing.items() if count},
        rate=len(differences) / tally.compared,
        without_decision=tally.without_decision,
        without_fact=logged - tally.compared - tally.other_definitions,
        other_definitions=tally.other_definitions,
    )
