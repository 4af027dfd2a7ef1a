"""What partners report becomes labels, each with its source: they count as an analyst's do, and are told apart."""

import hashlib
from datetime import UTC, datetime

import msgspec
import sqlalchemy as sa

from events.types import FraudConfirmed, FraudDismissed
from history.database import reading
from review import tables
from sharing import reports
from sharing.reports import Report

_LABELS: dict[reports.Verdict, type[FraudConfirmed] | type[FraudDismissed]] = {
    "confirmed": FraudConfirmed,
    "false_alarm": FraudDismissed,
}


def take_reports(engine: sa.Engine, limit: int = 100) -> int:
    """Put a label into review's outbox for each report on a case, in one transaction; how many labels that were.

    A report that is repeated is the same label.
    """
    with reading(engine) as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        labels = [_labelled(connection, report) for report in reports.take(connection, limit)]
        connection.commit()
    return sum(labels)


def label_of(report: Report, order_id: str) -> FraudConfirmed | FraudDismissed:
    """Its id depends on the message and the verdict alone."""
    moment = datetime.fromtimestamp(report.at_ms / 1000, UTC)
    return _LABELS[report.verdict](
        event_id=f"label-{hashlib.sha256(f'{report.jti} {report.verdict}'.encode()).hexdigest()[:32]}",
        occurred_at=moment,
        order_id=order_id,
        labelled_at=moment,
        source=f"partner.{report.partner}",
    )


def _labelled(connection: sa.Connection, report: Report) -> bool:
    order = sa.select(tables.cases.c.order_id).where(tables.cases.c.decision_id == report.case_id)
    order_id = connection.scalar(order)
    if order_id is None:
        return False
    label = label_of(report, order_id)
    waits = sa.select(tables.outbox.c.place).where(tables.outbox.c.event_id == label.event_id)
    if connection.scalar(waits) is not None:
        return False
    connection.execute(sa.insert(tables.outbox).values(event_id=label.event_id, body=msgspec.json.encode(label)))
    return True
