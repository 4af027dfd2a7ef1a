from typing import Any

import msgspec
import pytest

from events.facts import ActivityFact, AnyFact, Coordinates, LabelFact, OrderFact, RefusedOrder, VisitFact
from features.sources import CLASSES, SOURCES, class_of

COMMON: dict[str, Any] = {
    "source": Coordinates("t", "id", 0, 0), "event_id": "e", "occurred_at_ms": 0, "recorded_at_ms": 0
}  # fmt: skip
ORDER = OrderFact(**COMMON, order_id="o", amount_minor=1, currency="USD", method="card")


def activity(name: str, succeeded: bool | None = None, detail: str | None = None) -> ActivityFact:
    return ActivityFact(**COMMON, activity=name, succeeded=succeeded, detail=detail)


def label(of: Any) -> LabelFact:
    return LabelFact(**COMMON, order_id="o", label=of, decision_id="d")


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (ORDER, "order"),
        (msgspec.structs.replace(ORDER, promo="p"), "order_promo"),
        (VisitFact(**COMMON), "visit"),
        (VisitFact(**COMMON, route="/checkout/pay"), "visit_checkout"),
        (VisitFact(**COMMON, route="/account/login"), "visit_account"),
        (VisitFact(**COMMON, route="/assets/js/:x"), "visit_asset"),
        (VisitFact(**COMMON, route="/checkout", status=500), "visit_failed"),
        (activity("LoggedIn", True), "login"),
        (activity("LoggedIn", False), "login_failed"),
        (activity("PaymentAttempted", True), "payment"),
        (activity("PaymentAttempted", False), "decline"),
        (activity("CredentialsChanged"), "credential_change"),
        (activity("AddressAdded"), "address_added"),
        (activity("OrderRefunded"), "refund"),
        (activity("ContestEntered"), "contest"),
        (activity("IdentityVerified", True, "passed"), "verification"),
        (activity("IdentityVerified", False), "verification_failed"),
        (activity("IdentityVerified", False, "failed"), "verification_failed"),
        (activity("IdentityVerified", False, "inconclusive"), "verification_open"),
        (activity("CallLogged", False, "verification"), "call_unverified"),
        (activity("CallLogged", False, "fraud_prevention"), "call_unverified"),
        (activity("CallLogged", False, "quality"), "uncounted"),
        (activity("CallLogged", True, "training"), "call_verified"),
        (activity("PolicyAccepted"), "uncounted"),
        (label("chargeback"), "fraud"),
        (label("confirmed"), "fraud"),
        (label("dismissed"), "uncounted"),
        (RefusedOrder(**COMMON, order_id="o", reason="refused.card_number"), "refused"),
    ],
)
def test_a_fact_is_of_one_class(fact: AnyFact, expected: str) -> None:
    assert class_of(fact) == expected


def test_every_class_is_in_some_source() -> None:
    assert {name for source in SOURCES.values() for name in source.classes} == set(CLASSES)
