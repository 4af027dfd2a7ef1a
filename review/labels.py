"""The label that an analyst's verdict publishes: it names the order, and nothing personal."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

from events.types import FraudConfirmed, FraudDismissed
from review.cases import Case, Verdict

_LABELS: Mapping[Verdict, type[FraudConfirmed] | type[FraudDismissed]] = {
    "confirm_fraud": FraudConfirmed,
    "dismiss": FraudDismissed,
}


def label_of(case: Case, verdict: Verdict, now_ms: int) -> FraudConfirmed | FraudDismissed:
    """The event for a verdict on that version of the case; its id depends on the three of them alone."""
    identity = f"{case.decision_id} {case.version} {verdict}"
    moment = datetime.fromtimestamp(now_ms / 1000, UTC)
    return _LABELS[verdict](
        event_id=f"label-{hashlib.sha256(identity.encode()).hexdigest()[:32]}",
        occurred_at=moment,
        order_id=case.order_id,
        labelled_at=moment,
    )
