"""The decision that supersedes the machine's once a case is decided: the order service acts on it.

The machine publishes revisions 0 and 1 of an order's decision. A decided case has been changed at least once, so that
its version is above both, and rises with every decision on it: it is the revision.
"""

import hashlib

from events.facts import Coordinates
from events.topics import ORDERS
from models.decisions import Decision
from review.cases import Case

DUE = "due"  # the flag of an outcome that nobody gave: the time for it had passed


def superseding(case: Case) -> Decision:
    """Of a decided case: what holds from now on, and whether a person said so."""
    assert case.resolved is not None
    topic_id, partition, offset = case.decision_id.rsplit(":", 2)
    return Decision(
        decision_id=case.decision_id,
        revision=case.version,
        order_id=case.order_id,
        source=Coordinates(ORDERS, topic_id, int(partition), int(offset)),
        occurred_at_ms=case.occurred_at_ms,
        outcome=case.resolved,
        mode="analyst",
        score=case.score,
        reasons=case.reasons,
        amount_minor=case.amount_minor,
        currency=case.currency,
        flags=() if case.verdict else (DUE,),
    )


def event_id(case_id: str, revision: int) -> str:
    """Of the outbox's row with that revision."""
    return f"decision-{hashlib.sha256(f'{case_id} {revision}'.encode()).hexdigest()[:32]}"
