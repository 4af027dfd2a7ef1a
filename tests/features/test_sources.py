from typing import Any

import pytest

from events.facts import ActivityFact, AnyFact, Coordinates, LabelFact, OrderFact, RefusedOrder, VisitFact
from features.sources import source_of

COMMON: dict[str, Any] = {
    "source": Coordinates("t", "id", 0, 0), "event_id": "e", "occurred_at_ms": 0, "recorded_at_ms": 0
}  # fmt: skip
ORDER = OrderFact(**COMMON, order_id="o", amount_minor=1, currency="USD", method="card")


def activity(name: str, succeeded: bool | None = None) -> ActivityFact:
    return ActivityFact(**COMMON, activity=name, succeeded=succeeded)


def label(of: Any) -> LabelFact:
    return LabelFact(**COMMON, order_id="o", label=of, decision_id="d")


@pytest.mark.parametrize(
    ("fact", "source"),
    [
        (ORDER, "orders"),
        (VisitFact(**COMMON), "visits"),
        (activity("LoggedIn", True), "logins"),
        (activity("LoggedIn", False), "logins_failed"),
        (activity("PaymentAttempted", True), "payments"),
        (activity("PaymentAttempted", False), "declines"),
        (activity("CredentialsChanged"), "credential_changes"),
        (activity("AddressAdded"), "addresses_added"),
        (activity("OrderRefunded"), "refunds"),
        (activity("ContestEntered"), None),
        (label("chargeback"), "frauds"),
        (label("confirmed"), "frauds"),
        (label("dismissed"), None),
        (RefusedOrder(**COMMON, order_id="o", reason="refused.card_number"), None),
    ],
)
def test_a_fact_counts_as_one_class_at_most(fact: AnyFact, source: str | None) -> None:
    assert source_of(fact) == source
