"""The index of orders, decisions and sessions' last pages: recorded from `decisions` and `facts`, asked by labels,
training, cases and people.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from events.facts import ActivityFact, Coordinates, Entities, LabelFact, Pseudonym, VisitFact
from history.errors import BadVector
from history.labels import IndexedOrder
from history.links import linked
from history.pages import Page
from history.tables import decisions, labels, links, pages, verifications
from models.decisions import Decision

KEPT_PAGES = 50
KEPT_PAGES_MS = 24 * 3_600_000
KEPT_VERIFICATIONS_MS = 72 * 3_600_000  # as long as the raw records that they point to
_FETCH_ROWS = 5_000
_DIALECTS: dict[str, Any] = {"sqlite": sqlite, "postgresql": postgresql}
_NEWEST_PAGES_FIRST = (pages.c.occurred_at_ms.desc(), pages.c.source_offset.desc(), pages.c.event_id.desc())
_encode = msgspec.json.Encoder().encode
_decode_entities = msgspec.json.Decoder(Entities).decode
_decode_source = msgspec.json.Decoder(Coordinates).decode


class LoggedVector(msgspec.Struct, frozen=True):
    """What a decision was made on: little-endian float64 in the order of the definitions of that hash."""

    decision_id: str
    occurred_at_ms: int
    outcome: str
    score: float | None
    definitions: str
    vector: bytes
    entities: Entities


class Index:
    """One database; safe to share between threads and processes."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._insert = _DIALECTS[engine.dialect.name].insert
        self._record = self._upsert()

    def record(self, batch: Sequence[tuple[Decision, int]]) -> None:
        """Decisions with the time (ms) of their record, in the log's order, in one transaction.

        The highest revision of an id stays, and the first of equals; a revision without a vector keeps the one before,
        its entities and model.
        """
        if not batch:
            return
        touched = [row for decision, _ in batch for row in linked(decision)]
        with self._engine.begin() as connection:
            connection.execute(self._record, [_row(decision, decided_at_ms) for decision, decided_at_ms in batch])
            if touched:
                connection.execute(self._insert(links).on_conflict_do_nothing(), touched)

    def record_label(self, fact: LabelFact) -> None:
        """Once for each source record."""
        row = {
            "label_id": fact.source.text(),
            "order_id": fact.order_id,
            "decision_id": fact.decision_id,
            "label": fact.label,
            "occurred_at_ms": fact.occurred_at_ms,
            "recorded_at_ms": fact.recorded_at_ms,
        }
        with self._engine.begin() as connection:
            connection.execute(self._insert(labels).on_conflict_do_nothing(), row)

    def record_visits(self, facts: Sequence[VisitFact]) -> None:
        """Keep the last 50 pages of each session, in one transaction; a repeat changes nothing.

        Sessions whose last page is more than 24 h before the first of these are forgotten: before the first, so that
        none goes whose order was placed within a long chunk. A visit without a session (cookies refused) has no path.
        """
        rows = [_page_row(fact) for fact in facts if fact.entities.session is not None]
        if not rows:
            return
        first_ms = min(row["occurred_at_ms"] for row in rows)
        with self._engine.begin() as connection:
            connection.execute(self._insert(pages).on_conflict_do_nothing(), rows)
            connection.execute(_drop_all_but_the_last({row["session"] for row in rows}))
            connection.execute(_drop_sessions_ended_before(first_ms - KEPT_PAGES_MS))

    def record_verifications(self, facts: Sequence[ActivityFact]) -> None:
        """Remember where verifications stand, and forget those whose raw records have expired; a repeat is nothing."""
        rows = [
            {"customer": fact.entities.customer, "occurred_at_ms": fact.occurred_at_ms,
             "source": _encode(fact.source).decode()}
            for fact in facts
            if fact.activity == "IdentityVerified" and fact.entities.customer is not None
        ]  # fmt: skip
        if not rows:
            return
        before_ms = min(fact.occurred_at_ms for fact in facts) - KEPT_VERIFICATIONS_MS
        with self._engine.begin() as connection:
            connection.execute(self._insert(verifications).on_conflict_do_nothing(), rows)
            connection.execute(sa.delete(verifications).where(verifications.c.occurred_at_ms < before_ms))

    def verification_of(self, customer: Pseudonym, until_ms: int) -> Coordinates | None:
        """Where the customer's last verification up to that time (inclusive) stands, of those not yet expired."""
        columns = verifications.c
        query = (
            sa.select(columns.source)
            .where(columns.customer == customer, columns.occurred_at_ms <= until_ms)
            .where(columns.occurred_at_ms >= until_ms - KEPT_VERIFICATIONS_MS)
            .order_by(columns.occurred_at_ms.desc())
            .limit(1)
        )
        with self._engine.connect() as connection:
            source = connection.scalar(query)
        return None if source is None else _decode_source(source)

    def path_of(self, session: Pseudonym, until_ms: int) -> tuple[Page, ...]:
        """What of the session's last 50 pages came up to that time (inclusive), the oldest first."""
        columns = pages.c
        query = (
            sa.select(columns.occurred_at_ms, columns.route, columns.status, columns.duration_ms)
            .where(columns.session == session, columns.occurred_at_ms <= until_ms)
            .order_by(*_NEWEST_PAGES_FIRST)
            .limit(KEPT_PAGES)
        )
        with self._engine.connect() as connection:
            return tuple(Page(*row) for row in reversed(connection.execute(query).all()))

    def entities_of(self, order_id: str) -> IndexedOrder | None:
        """The order's first decision, where it was sent more than once: the earliest, then the lowest coordinates."""
        columns = decisions.c
        query = (
            sa.select(columns.decision_id, columns.entities, columns.amount_minor, columns.currency)
            .where(columns.order_id == order_id)
            .order_by(columns.occurred_at_ms, columns.source_partition, columns.source_offset)
            .limit(1)
        )
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return row and IndexedOrder(row.decision_id, _decode_entities(row.entities), row.amount_minor, row.currency)

    def vectors_of(self, order_id: str) -> list[LoggedVector]:
        """Of each decision of an order that has a vector: the earliest first, then by coordinates."""
        columns = decisions.c
        query = (
            sa.select(*(columns[name] for name in LoggedVector.__struct_fields__))
            .where(columns.order_id == order_id, columns.vector.is_not(None))
            .order_by(columns.occurred_at_ms, columns.source_partition, columns.source_offset)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return [LoggedVector(**{**row, "entities": _decode_entities(row["entities"])}) for row in rows]

    def training_table(
        self, definitions_hash: str, names: Sequence[str], *, from_ms: int, until_ms: int, labels_known_at_ms: int
    ) -> pd.DataFrame:
        """A row for each decision with a vector of these definitions whose order is of [from_ms, until_ms).

        Columns: `names`, decision_id, order_id, occurred_at_ms, amount_minor, currency, label, labelled_at_ms (when it
        became known, absent without); by time, then id. The label is 1 where the last label of the order known by
        `labels_known_at_ms` is a chargeback or a confirmation, else 0. A label names an order, so each decision of an
        order that was sent twice has it.
        """
        query = _training_query(definitions_hash, from_ms, until_ms, labels_known_at_ms)
        with self._engine.connect().execution_options(yield_per=_FETCH_ROWS) as connection:
            parts = list(_training_parts(connection.execute(query), len(names)))
        matrix = np.concatenate([vectors for vectors, _ in parts] or [np.empty((0, len(names)))])
        others = [column.name for column in query.selected_columns if column.name != "vector"]
        rest = pd.DataFrame([row for _, rows in parts for row in rows], columns=others)
        return pd.concat([pd.DataFrame(matrix, columns=list(names), copy=False), rest], axis=1)

    def _upsert(self) -> Any:
        insert = self._insert(decisions)
        new = {column.name: insert.excluded[column.name] for column in decisions.columns if not column.primary_key}
        for kept in ("vector", "definitions", "entities", "model"):
            new[kept] = sa.case((insert.excluded.vector.is_(None), decisions.c[kept]), else_=insert.excluded[kept])
        # A person's revision says nothing of rules and models: what they said stays to be read beside it.
        for said in ("rules", "points", "shadow", "scores"):
            new[said] = sa.case((insert.excluded.mode == "analyst", decisions.c[said]), else_=insert.excluded[said])
        return insert.on_conflict_do_update(
            index_elements=[decisions.c.decision_id],
            set_=new,
            where=insert.excluded.revision > decisions.c.revision,
        )


def _row(decision: Decision, decided_at_ms: int) -> dict[str, Any]:
    return {
        "decision_id": decision.decision_id,
        "revision": decision.revision,
        "order_id": decision.order_id,
        "source_partition": decision.source.partition,
        "source_offset": decision.source.offset,
        "occurred_at_ms": decision.occurred_at_ms,
        "decided_at_ms": decided_at_ms,
        "outcome": decision.outcome,
        "mode": decision.mode,
        "score": decision.score,
        "amount_minor": decision.amount_minor,
        "currency": decision.currency,
        "entities": _encode(decision.entities).decode(),
        "reasons": _encode(decision.reasons).decode(),
        "model": decision.model,
        "definitions": decision.definitions,
        "vector": decision.vector,
        "rules": decision.rules,
        "points": decision.points,
        "shadow": _encode(decision.shadow).decode(),
        "scores": _encode(decision.scores).decode(),
    }


def _page_row(fact: VisitFact) -> dict[str, Any]:
    return {
        "session": fact.entities.session,
        "occurred_at_ms": fact.occurred_at_ms,
        "event_id": fact.event_id,
        "source_offset": fact.source.offset,
        "route": fact.route,
        "status": fact.status,
        "duration_ms": fact.duration_ms,
    }


def _drop_all_but_the_last(sessions: Collection[Pseudonym]) -> sa.Delete:
    rank = sa.func.row_number().over(partition_by=pages.c.session, order_by=_NEWEST_PAGES_FIRST).label("rank")
    ranked = sa.select(*pages.primary_key, rank).where(pages.c.session.in_(sessions)).subquery()
    beyond = sa.select(*(ranked.c[column.name] for column in pages.primary_key)).where(ranked.c.rank > KEPT_PAGES)
    return sa.delete(pages).where(sa.tuple_(*pages.primary_key).in_(beyond))


def _drop_sessions_ended_before(before_ms: int) -> sa.Delete:
    old, later = pages.alias("old"), pages.alias("later")
    goes_on = sa.exists().where(later.c.session == old.c.session, later.c.occurred_at_ms >= before_ms)
    ended = sa.select(*old.primary_key).where(old.c.occurred_at_ms < before_ms, ~goes_on)
    # Whoever drops the same sessions at the same time is passed over: workers never wait for each other in a circle.
    ended = ended.with_for_update(of=old, skip_locked=True)
    return sa.delete(pages).where(sa.tuple_(*pages.primary_key).in_(ended))


def _training_query(definitions_hash: str, from_ms: int, until_ms: int, known_at_ms: int) -> sa.Select[Any]:
    newest_first = (labels.c.occurred_at_ms.desc(), labels.c.recorded_at_ms.desc(), labels.c.label_id.desc())
    rank = sa.func.row_number().over(partition_by=labels.c.order_id, order_by=newest_first).label("rank")
    ranked = (
        sa.select(labels.c.order_id, labels.c.label, labels.c.occurred_at_ms, rank)
        .where(labels.c.occurred_at_ms <= known_at_ms)
        .subquery()
    )
    fraud = sa.case((ranked.c.label.in_(("chargeback", "confirmed")), 1), else_=0).label("label")
    columns = decisions.c
    return (
        sa.select(
            columns.decision_id,
            columns.order_id,
            columns.occurred_at_ms,
            columns.amount_minor,
            columns.currency,
            fraud,
            ranked.c.occurred_at_ms.label("labelled_at_ms"),
            columns.vector,
        )
        .outerjoin(ranked, sa.and_(ranked.c.order_id == columns.order_id, ranked.c.rank == 1))
        .where(columns.definitions == definitions_hash, columns.vector.is_not(None))
        .where(columns.occurred_at_ms >= from_ms, columns.occurred_at_ms < until_ms)
        .order_by(columns.occurred_at_ms, columns.decision_id)
    )


def _training_parts(result: sa.CursorResult[Any], width: int) -> Iterator[tuple[np.ndarray, list[tuple[Any, ...]]]]:
    for rows in result.partitions():
        for row in rows:
            if len(row.vector) != 8 * width:
                raise BadVector(
                    f"decision {row.decision_id}: a vector of {len(row.vector)} bytes, expected {8 * width}"
                )
        joined = b"".join(row.vector for row in rows)
        yield np.frombuffer(joined, dtype="<f8").reshape(-1, width), [tuple(row[:-1]) for row in rows]
