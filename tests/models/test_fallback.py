"""What is decided on an order's fact alone, when screening was not in time."""

from typing import Any

import msgspec
import pytest

from events.facts import Coordinates, Entities, OrderFact, RefusedOrder
from models.decisions import Decision, Reason, decode, encode
from models.fallback import Limits, conclude

SOURCE = Coordinates("orders", "orders-id", 3, 17)
ORDER = OrderFact(
    source=SOURCE,
    event_id="e-1",
    occurred_at_ms=1_800_000_000_000,
    recorded_at_ms=1_800_000_000_100,
    entities=Entities(customer="c" * 22, card="k" * 22),
    order_id="o-1",
    amount_minor=12_000,
    currency="USD",
    method="card",
)


def order(**changes: Any) -> OrderFact:
    return msgspec.structs.replace(ORDER, **changes)


def judged(**changes: Any) -> tuple[str, list[str]]:
    decision = conclude(order(**changes))
    return decision.outcome, [reason.code for reason in decision.reasons]


def test_an_order_that_nothing_speaks_against_is_approved_and_the_decision_says_how_it_was_made() -> None:
    assert conclude(ORDER) == Decision(
        decision_id="orders-id:3:17",
        revision=0,
        order_id="o-1",
        source=SOURCE,
        occurred_at_ms=1_800_000_000_000,
        outcome="approve",
        mode="fallback",
        reasons=(Reason("fallback.clear"),),
        amount_minor=12_000,
        currency="USD",
        entities=Entities(customer="c" * 22, card="k" * 22),
    )


def test_a_refused_order_is_reviewed_for_the_reason_of_its_refusal() -> None:
    refused = RefusedOrder(
        source=SOURCE, event_id="e-2", occurred_at_ms=5, recorded_at_ms=5, order_id="o-2", reason="refused.ill_formed"
    )
    assert conclude(refused) == Decision(
        decision_id="orders-id:3:17",
        revision=0,
        order_id="o-2",
        source=SOURCE,
        occurred_at_ms=5,
        outcome="review",
        mode="fallback",
        reasons=(Reason("refused.ill_formed"),),
    )


@pytest.mark.parametrize(
    ("amount_minor", "currency", "verdict"),
    [
        (29_999, "USD", ("approve", ["fallback.clear"])),
        (30_000, "USD", ("review", ["fallback.amount"])),
        (112_490, "SAR", ("approve", ["fallback.clear"])),
        (112_500, "SAR", ("review", ["fallback.amount"])),
        (30_000, "KWD", ("approve", ["fallback.clear"])),  # 30 dinars: three decimals
        (30_000, "JPY", ("approve", ["fallback.clear"])),
        (1, "XXX", ("review", ["fallback.currency"])),
    ],
)
def test_amounts_are_compared_in_dollars(amount_minor: int, currency: str, verdict: tuple[str, list[str]]) -> None:
    assert judged(amount_minor=amount_minor, currency=currency) == verdict


def test_the_amount_to_review_from_can_be_set() -> None:
    assert conclude(ORDER, Limits(review_from_usd=120)).outcome == "review"
    assert conclude(ORDER, Limits(review_from_usd=120.01)).outcome == "approve"


@pytest.mark.parametrize(
    ("issuer", "ip", "billing", "shipping", "outcome"),
    [
        (None, None, None, None, "approve"),
        ("SA", None, None, None, "approve"),  # nothing to compare with
        ("SA", "SA", "SA", "AE", "approve"),  # a gift
        ("SA", "FR", "SA", "FR", "approve"),  # on a journey
        ("US", "SA", "SA", "SA", "review"),
        ("US", "SA", None, None, "review"),
        (None, "SA", "SA", "AE", "approve"),  # cash on delivery, for a friend
        (None, "US", "SA", "SA", "review"),
        (None, None, "SA", "AE", "review"),
    ],
)
def test_the_cards_country_must_be_one_of_the_orders_others(
    issuer: str | None, ip: str | None, billing: str | None, shipping: str | None, outcome: str
) -> None:
    found, codes = judged(issuer_country=issuer, ip_country=ip, billing_country=billing, shipping_country=shipping)
    assert found == outcome
    assert codes == (["fallback.countries"] if outcome == "review" else ["fallback.clear"])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"avs": "mismatch"}, "fallback.avs"),
        ({"cvv_result": "mismatch"}, "fallback.cvv"),
        ({"three_ds": "failed"}, "fallback.three_ds"),
        ({"email_provider": "disposable"}, "fallback.email"),
    ],
)
def test_an_answer_of_the_gateway_or_a_disposable_address_is_enough(changes: dict[str, Any], code: str) -> None:
    assert judged(**changes) == ("review", [code])


def test_answers_that_say_nothing_are_no_sign() -> None:
    assert judged(avs="unavailable", cvv_result="match", three_ds="not_enrolled", email_provider="free") == (
        "approve",
        ["fallback.clear"],
    )


def test_all_signs_are_named() -> None:
    verdict = judged(amount_minor=900_000, issuer_country="US", ip_country="SA", cvv_result="mismatch")
    assert verdict == ("review", ["fallback.amount", "fallback.countries", "fallback.cvv"])


def test_the_same_fact_gives_the_same_bytes_and_they_can_be_read() -> None:
    assert encode(conclude(ORDER)) == encode(conclude(order()))
    assert decode(encode(conclude(ORDER))) == conclude(ORDER)
