"""One made-up order and its case, with everything that there can be: what `explain` and the partners' pages show."""

from datetime import UTC, datetime, timedelta

from events.types import Address, Contact, Item, OrderPlaced, Payment
from sharing.contracts import Contract
from sharing.disclosable import Disclosable, Fulfilment, Request, Verification
from sharing.operators import Count
from sharing.projection import compile_contract

_AT = datetime(2026, 3, 1, 22, 15, 9, tzinfo=UTC)
_DECISION = "orders:0:1017"
ORDER = OrderPlaced(
    event_id="evt-9f2c",
    occurred_at=_AT,
    order_id="ord-1017",
    customer_id="cus-204",
    account_id="acc-204",
    session_id="ses-77a1",
    device_id="dev-5c0e",
    seller_id="sel-12",
    amount_minor=129_950,
    currency="SAR",
    items=(Item(sku="sku-31", title="Running shoes", category="shoes", quantity=2, unit_amount_minor=64_975),),
    contact=Contact(name="Noura Al Example", email="noura@example.com", phone="+966 50 123 4567"),
    billing=Address(lines=("12 King Fahd Road",), city="Riyadh", postal_code="11564", country="SA"),
    shipping=Address(lines=("3 Corniche Street",), city="Jeddah", postal_code="21577", country="SA"),
    payment=Payment(
        method="card",
        psp_token="tok-a81f",  # noqa: S106 - made up
        psp_reference="psp-883-120",
        last4="4242",
        bin="424242",
        issuer_country="SA",
        avs="mismatch",
        cvv_result="match",
        three_ds="failed",
    ),
    tracking_ref="trk-55-0199",
    ip="203.0.113.77",
    user_agent="Mozilla/5.0 (Linux; Android 14)",
    promo_code="spring",
)
_KEYS = (b"example!" * 4,)  # of no keyring: examples have ids and pseudonyms that no message has


def example(contract: Contract) -> Disclosable:
    """The order and its case as they might be told to the contract's partner."""
    at_ms = round((_AT + timedelta(days=2)).timestamp() * 1000)
    request = Request(
        reference="REQ-2026-118",
        decision_id=_DECISION,
        fields=tuple(term.name for term in contract.fields),
        expires_at_ms=at_ms + 86_400_000,
        approved_by=("noura", "maha"),
    )
    return Disclosable(
        order=ORDER,
        decision_id=_DECISION,
        outcome="block",
        reasons=("card.velocity", "customer.age", "order.three_ds"),
        verdict="confirmed" if contract.trigger == "confirmed" else "suspected",
        verification=Verification(
            agency=contract.partner,
            verification_ref="ver-7711",
            result="failed",
            failed_check="document",
            verified_at=_AT - timedelta(hours=3),
        ),
        fulfilment=Fulfilment(instruction="hold", deadline=_AT + timedelta(days=2)),
        request=request if contract.trigger == "requested" else None,
        count=37 if any(isinstance(term, Count) for term in contract.fields) else None,
        at_ms=at_ms,
    )


def example_body(contract: Contract) -> bytes:
    """The message that the contract's partner would get of it."""
    roots = _KEYS * max((epoch.key for epoch in contract.epochs), default=0)
    return compile_contract(contract, _KEYS[0], roots).project(example(contract))
