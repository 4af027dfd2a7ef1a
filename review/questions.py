"""Questions to the order service: each waits in the outbox like a verdict's label, and is answered once."""

import hashlib
from datetime import UTC, datetime

import msgspec
import sqlalchemy as sa

from events.questions import Answer, InformationAsked, Question
from events.topics import QUESTIONS
from history.database import reading
from review import tables
from review.cases import Case
from review.errors import TransitionRefused, UnknownCase

_HELD = tables.questions.c


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """`answer` and `answered_at_ms` are None until the order service has answered."""

    question_id: str
    question: Question
    asked_by: str
    asked_at_ms: int
    answer: Answer | None = None
    answered_at_ms: int | None = None


def of(engine: sa.Engine, case_id: str) -> tuple[Asked, ...]:
    """What was asked about a case, the oldest first."""
    columns = [_HELD[name] for name in Asked.__struct_fields__]
    query = sa.select(*columns).where(_HELD.case_id == case_id).order_by(_HELD.asked_at_ms, _HELD.question_id)
    with reading(engine) as connection:
        return tuple(Asked(**row) for row in connection.execute(query).mappings())


def ask(connection: sa.Connection, asked: Case, question: Question, actor: str, now_ms: int, leaves_at_ms: int) -> None:
    """Leave the question where it waits for its time. `asked` is the case since then: its version makes the id."""
    event = InformationAsked(
        event_id=f"question-{hashlib.sha256(f'{asked.decision_id} {asked.version}'.encode()).hexdigest()[:32]}",
        occurred_at=datetime.fromtimestamp(now_ms / 1000, UTC),
        order_id=asked.order_id,
        decision_id=asked.decision_id,
        question=question,
    )
    row = {"question_id": event.event_id, "case_id": asked.decision_id, "question": question}
    connection.execute(sa.insert(tables.questions).values(row | {"asked_by": actor, "asked_at_ms": now_ms}))
    left = {"event_id": event.event_id, "body": msgspec.json.encode(event), "topic": QUESTIONS}
    connection.execute(sa.insert(tables.outbox).values(left | {"not_before_ms": leaves_at_ms}))


def take_back(connection: sa.Connection, case: Case, actor: str, now_ms: int) -> None:
    """Of the case's questions the newest, if it is the person's and has not left. Raises TransitionRefused."""
    newest = sa.select(_HELD.question_id, _HELD.asked_by).where(_HELD.case_id == case.decision_id)
    row = connection.execute(newest.order_by(_HELD.asked_at_ms.desc()).limit(1)).first()
    if row is None:
        raise TransitionRefused("the order service was asked nothing")
    if row.asked_by != actor:
        raise TransitionRefused("only {asker}, who asked, may take it back", asker=row.asked_by)
    waits = tables.outbox.c
    waiting = sa.delete(tables.outbox).where(waits.event_id == row.question_id, waits.not_before_ms > now_ms)
    if connection.execute(waiting).rowcount != 1:
        raise TransitionRefused("the question has left already")
    connection.execute(sa.delete(tables.questions).where(_HELD.question_id == row.question_id))


def answer(connection: sa.Connection, case_id: str, question_id: str, said: Answer, now_ms: int) -> bool:
    """Keep the answer; whether it is new. Raises UnknownCase for no question of the case, TransitionRefused for an
    answer that is another than before.
    """
    this = (_HELD.question_id == question_id, _HELD.case_id == case_id)
    values = {"answer": said, "answered_at_ms": now_ms}
    fresh = sa.update(tables.questions).where(*this, _HELD.answer.is_(None)).values(values)
    if connection.execute(fresh).rowcount == 1:
        return True
    before = connection.execute(sa.select(_HELD.answer).where(*this)).first()
    if before is None:
        raise UnknownCase("no question by that id about this case")
    if before.answer != said:
        raise TransitionRefused("the question was answered otherwise before")
    return False
