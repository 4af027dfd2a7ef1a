"""Triggers: what has become of a case, left for the projector in the transaction that changed the case."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from review import tables
from review.cases import Verdict

Kind = Literal["flagged", "confirmed", "cleared", "corrected", "erased", "requested"]

BY_VERDICT: Mapping[Verdict, Kind] = {"confirm_fraud": "confirmed", "dismiss": "cleared"}
_FAILED_LENGTH = 200


class Trigger(msgspec.Struct, frozen=True):
    """`reference` is a request's, on a trigger of that kind alone."""

    place: int
    case_id: str
    kind: Kind
    reference: str | None = None


def put(
    connection: sa.Connection,
    kind: Kind,
    decision_ids: Iterable[str],
    reference: str | None = None,
    not_before_ms: int = 0,
) -> None:
    """Leave a trigger for each of the cases, inside the caller's transaction; none is taken before its time."""
    row = {"kind": kind, "reference": reference, "not_before_ms": not_before_ms}
    rows = [row | {"decision_id": each} for each in decision_ids]
    if rows:
        connection.execute(sa.insert(tables.triggers), rows)


class TriggerTable:
    """Takes triggers in the order in which they were left; every method works inside the caller's transaction."""

    def take(self, connection: sa.Connection, limit: int, now_ms: int) -> list[Trigger]:
        """The first ones whose time has come and that have not failed, ours until the transaction ends.

        Whoever else takes waits, and then finds what is left: never a later trigger of a case before an earlier one.
        """
        columns = tables.triggers.c
        query = (
            sa.select(columns.place, columns.decision_id, columns.kind, columns.reference)
            .where(columns.failed.is_(None), columns.not_before_ms <= now_ms)
            .order_by(columns.place)
            .limit(limit)
            .with_for_update()
        )
        return [Trigger(*row) for row in connection.execute(query)]

    def done(self, connection: sa.Connection, triggers: Sequence[Trigger]) -> None:
        places = [trigger.place for trigger in triggers]
        connection.execute(sa.delete(tables.triggers).where(tables.triggers.c.place.in_(places)))

    def fail(self, connection: sa.Connection, trigger: Trigger, why: str) -> None:
        """Set aside until somebody has it tried again; `why` names partner and field, never a value."""
        _set(connection, tables.triggers.c.place == trigger.place, {"failed": why[:_FAILED_LENGTH]})

    def failed(self, connection: sa.Connection) -> list[tuple[Trigger, str]]:
        columns = tables.triggers.c
        query = (
            sa.select(columns.place, columns.decision_id, columns.kind, columns.reference, columns.failed)
            .where(columns.failed.is_not(None))
            .order_by(columns.place)
        )
        return [(Trigger(*row[:4]), row[4]) for row in connection.execute(query)]

    def retry(self, connection: sa.Connection) -> None:
        """Have everything that failed tried again."""
        _set(connection, tables.triggers.c.failed.is_not(None), {"failed": None})


def _set(connection: sa.Connection, where: sa.ColumnElement[bool], values: dict[str, Any]) -> None:
    connection.execute(sa.update(tables.triggers).where(where).values(values))
