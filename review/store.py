"""The case database: cases, the subjects' keys, and the outbox of labels. SQLite embedded, PostgreSQL in full."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from events.questions import InformationAsked
from events.topics import QUESTIONS
from events.types import LabelEvent
from history.database import reading
from models.decisions import Decision, Reason, decode
from review import tables, triggers
from review.cases import Case
from review.errors import StaleCase, UnknownCase
from review.workflow import State

_REASONS = msgspec.json.Decoder(tuple[Reason, ...])
_QUESTION = msgspec.json.Decoder(InformationAsked)
_LABEL = msgspec.json.Decoder(LabelEvent)
INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class CaseStore:
    """Cases by their decision. Every method is one transaction, and safe beside others on the same database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._insert = INSERTS[engine.dialect.name]

    def take_in(self, case: Case) -> bool:
        """Keep the case unless its decision has one already; whether it was kept."""
        return self.take_in_all([case]) == 1

    def take_in_all(self, cases: Iterable[Case]) -> int:
        """Keep those whose decision has no case yet, whoever else takes them in meanwhile; how many were kept.

        Each that is kept leaves its trigger with it.
        """
        # In one order everywhere, so that two openers with the same cases wait for each other and never deadlock.
        rows = [row_of(case) for case in sorted(cases, key=lambda case: case.decision_id)]
        if not rows:
            return 0
        with self._engine.begin() as connection:
            return len(keep(connection, rows))

    def known(self, decision_ids: Sequence[str]) -> frozenset[str]:
        """Of those decisions, the ones that have a case."""
        if not decision_ids:
            return frozenset()
        query = sa.select(tables.cases.c.decision_id).where(tables.cases.c.decision_id.in_(decision_ids))
        with reading(self._engine) as connection:
            return frozenset(connection.scalars(query))

    def list(self, status: State | None = None, *, limit: int) -> tuple[Case, ...]:
        """The newest cases first, of one status or of all."""
        newest = (tables.cases.c.opened_at_ms.desc(), tables.cases.c.decision_id)
        query = sa.select(tables.cases).order_by(*newest).limit(limit)
        if status is not None:
            query = query.where(tables.cases.c.status == status)
        with reading(self._engine) as connection:
            return tuple(case_of(row) for row in connection.execute(query).mappings())

    def get(self, case_id: str) -> Case:
        """The case of a decision's or an order's id. Raises UnknownCase for none, and for an order that has several."""
        named = sa.or_(tables.cases.c.decision_id == case_id, tables.cases.c.order_id == case_id)
        query = sa.select(tables.cases).where(named).order_by(tables.cases.c.decision_id)
        with reading(self._engine) as connection:
            found = [case_of(row) for row in connection.execute(query).mappings()]
        if not found:
            raise UnknownCase("no case by that id; expected an order's or a decision's id")
        if len(found) > 1:
            ids = ", ".join(case.decision_id for case in found)
            raise UnknownCase("the order has {count} cases; name one by its decision: {ids}", count=len(found), ids=ids)
        return found[0]

    def find(self, decision_id: str) -> Case | None:
        """The case of a decision, or None."""
        query = sa.select(tables.cases).where(tables.cases.c.decision_id == decision_id)
        with reading(self._engine) as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else case_of(row)

    def pending_labels(self, now_ms: int) -> tuple[LabelEvent, ...]:
        """Labels whose time to leave has come, in the order of the verdicts; encoded again they have the same bytes."""
        return tuple(_LABEL.decode(body) for _, body in self._due("labels", now_ms))

    def pending_decisions(self, now_ms: int) -> tuple[tuple[str, Decision], ...]:
        """Superseding decisions whose time has come, each with the id that it is forgotten by."""
        return tuple((event_id, decode(body)) for event_id, body in self._due("decisions", now_ms))

    def pending_questions(self, now_ms: int) -> tuple[InformationAsked, ...]:
        """What the order service is to be asked whose time has come."""
        return tuple(_QUESTION.decode(body) for _, body in self._due(QUESTIONS, now_ms))

    def _due(self, topic: str, now_ms: int) -> Sequence[tuple[str, bytes]]:
        columns = tables.outbox.c
        due = sa.select(columns.event_id, columns.body).where(columns.topic == topic, columns.not_before_ms <= now_ms)
        with reading(self._engine) as connection:
            return [(row[0], row[1]) for row in connection.execute(due.order_by(columns.place))]

    def mark_published(self, event_ids: Sequence[str]) -> None:
        """Forget labels, decisions and questions that the broker, or the file, has durably."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(tables.outbox).where(tables.outbox.c.event_id.in_(event_ids)))


class SubjectKeyTable:
    """The vault's `SubjectKeys` in the case database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._insert = INSERTS[engine.dialect.name]

    def get(self, subject: str) -> bytes | None:
        with reading(self._engine) as connection:
            return connection.scalar(_wrapped_of(subject))

    def of(self, subjects: Iterable[str]) -> dict[str, bytes]:
        """The keys of many subjects in one query; those erased are not in it."""
        keys = tables.subject_keys.c
        query = sa.select(keys.subject, keys.wrapped).where(keys.subject.in_(sorted(set(subjects))))
        with reading(self._engine) as connection:
            return {row.subject: row.wrapped for row in connection.execute(query)}

    def put(self, subject: str, wrapped: bytes) -> bytes:
        row = {"subject": subject, "wrapped": wrapped}
        with self._engine.begin() as connection:
            connection.execute(self._insert(tables.subject_keys).values(row).on_conflict_do_nothing())
            return connection.execute(_wrapped_of(subject)).scalar_one()

    def delete(self, subject: str) -> None:
        """With the key goes a trigger for each of the subject's cases: partners are told to delete what they hold."""
        with self._engine.begin() as connection:
            erased(connection, subject)


def erased(connection: sa.Connection, subject: str) -> None:
    """The subject's key goes, inside the caller's transaction, and each of its cases has its trigger."""
    of_subject = sa.select(tables.cases.c.decision_id).where(tables.cases.c.subject == subject)
    gone = sa.delete(tables.subject_keys).where(tables.subject_keys.c.subject == subject)
    if connection.execute(gone).rowcount:
        triggers.put(connection, "erased", connection.scalars(of_subject.order_by(tables.cases.c.decision_id)))


def keep(connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> frozenset[str]:
    """Those of the rows whose decision has no case yet, each with its trigger; which they were."""
    statement = INSERTS[connection.dialect.name](tables.cases).on_conflict_do_nothing()
    kept = frozenset(connection.scalars(statement.returning(tables.cases.c.decision_id), rows))
    triggers.put(connection, "flagged", sorted(kept))
    return kept


def change(connection: sa.Connection, case: Case, changed: Case) -> None:
    """A case becomes another version of itself. Raises StaleCase where it is not as it was read any more.

    Only what has changed is written: who works on cases need not be allowed to write what they were opened with.
    """
    before = row_of(case)
    values = {name: value for name, value in row_of(changed).items() if value != before[name]}
    as_read = (tables.cases.c.decision_id == case.decision_id, tables.cases.c.version == case.version)
    if connection.execute(sa.update(tables.cases).where(*as_read).values(values)).rowcount != 1:
        values = {"order": case.order_id, "version": case.version}
        raise StaleCase("order {order}: the case was changed since version {version} was read", **values)


def _wrapped_of(subject: str) -> sa.Select[bytes]:
    return sa.select(tables.subject_keys.c.wrapped).where(tables.subject_keys.c.subject == subject)


def row_of(case: Case) -> dict[str, Any]:
    return msgspec.structs.asdict(case) | {"reasons": msgspec.json.encode(case.reasons).decode()}


def case_of(row: sa.RowMapping | dict[str, Any]) -> Case:
    return Case(**{**row, "reasons": _REASONS.decode(row["reasons"])})
