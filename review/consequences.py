"""What a verdict sets off: a label, a trigger for the partners' messages, a decision for the order service.

It waits in its place for a minute: readers of the outbox and of the triggers take nothing before its time, and an undo
takes it out again. Each function is part of its caller's transaction.
"""

import msgspec
import sqlalchemy as sa

from models import decisions
from review import tables, triggers
from review.cases import Case, Verdict
from review.errors import TransitionRefused
from review.labels import label_of
from review.superseding import event_id, superseding


def set_off(connection: sa.Connection, case: Case, verdict: Verdict, now_ms: int, leaves_at_ms: int) -> None:
    label = label_of(case, verdict, now_ms)
    row = {"event_id": label.event_id, "body": msgspec.json.encode(label), "not_before_ms": leaves_at_ms}
    connection.execute(sa.insert(tables.outbox).values(row))
    triggers.put(connection, triggers.BY_VERDICT[verdict], [case.decision_id], not_before_ms=leaves_at_ms)


def supersede(connection: sa.Connection, decided: Case, leaves_at_ms: int) -> None:
    """What holds now, for the order service. A default leaves this alone: nobody has said what the order was."""
    body = decisions.encode(superseding(decided))
    row = {"event_id": event_id(decided.decision_id, decided.version), "body": body, "topic": "decisions"}
    connection.execute(sa.insert(tables.outbox).values(row | {"not_before_ms": leaves_at_ms}))


def take_back(connection: sa.Connection, case: Case, now_ms: int) -> None:
    """Nothing of these rows has left: who takes them out looks at their time. Raises TransitionRefused where it has."""
    assert case.verdict is not None
    assert case.decided_at_ms is not None
    decided = msgspec.structs.replace(case, version=case.version - 1)
    label = label_of(decided, case.verdict, case.decided_at_ms)
    waits = tables.outbox.c
    ruled = waits.event_id == event_id(case.decision_id, case.version)
    connection.execute(sa.delete(tables.outbox).where(ruled, waits.not_before_ms > now_ms))
    waiting = sa.delete(tables.outbox).where(waits.event_id == label.event_id, waits.not_before_ms > now_ms)
    if connection.execute(waiting).rowcount != 1:
        raise TransitionRefused("what the verdict set off has left already; have the case contested")
    left = tables.triggers.c
    connection.execute(
        sa.delete(tables.triggers).where(left.decision_id == case.decision_id, left.not_before_ms > now_ms)
    )
