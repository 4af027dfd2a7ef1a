"""Orders to disclose, whole and random."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import strategies as st

from events.types import Address, Contact, Item, OrderPlaced, Payment
from sharing.fields import Disclosable

ORDER = OrderPlaced(
    event_id="evt-1",
    occurred_at=datetime(2026, 3, 1, 22, 15, 9, tzinfo=UTC),
    order_id="ord-1",
    customer_id="cus-1",
    account_id="acc-1",
    session_id="ses-1",
    device_id="dev-1",
    seller_id="sel-1",
    amount_minor=129_950,
    currency="SAR",
    items=(Item(sku="sku-1", title="قميص Shirt", category="clothes", quantity=2, unit_amount_minor=64_975),),
    contact=Contact(name="نورة Noura", email="noura@example.com", phone="+966 50 123 4567"),
    billing=Address(lines=("King Fahd Rd 1",), city="Riyadh", region="Riyadh", postal_code="11564", country="SA"),
    shipping=Address(lines=("Corniche 2",), city="Jeddah", postal_code="21577", country="SA"),
    payment=Payment(
        method="card",
        psp_token="tok-1",
        psp_reference="psp-1",
        last4="4242",
        bin="424242",
        issuer_country="SA",
        avs="match",
        cvv_result="match",
        three_ds="failed",
    ),
    tracking_ref="trk-1",
    ip="203.0.113.77",
    user_agent="Mozilla/5.0",
    promo_code="promo-1",
)

CANARY = "canary"
BOUNDS = (datetime(2000, 1, 1), datetime(2100, 1, 1))  # noqa: DTZ001 - hypothesis adds the zone to naive bounds


def disclosable(order: OrderPlaced = ORDER, **changes: Any) -> Disclosable:
    values = {"decision_id": "topic:0:17", "outcome": "block", "reasons": ("card.velocity", "customer.age")} | changes
    return Disclosable(order=order, **values)


# Free text that carries the canary in some disguise of case and place; an id may carry it as it is.
TEXTS = st.text(st.characters(codec="utf-8"), max_size=10).map(lambda text: f"{text}{CANARY}{text}")
IDS = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._:-]{0,8}\Z").map(lambda text: f"{text}{CANARY}")
MAYBE_IDS = st.none() | IDS
CODES = st.sampled_from(["card.velocity", "ip.spread", "model.combined", "customer.age", "refused.empty"]) | TEXTS
ADDRESSES = st.builds(
    Address,
    lines=st.tuples(TEXTS, TEXTS),
    city=TEXTS,
    region=TEXTS,
    postal_code=st.from_regex(r"\A[A-Z0-9]{0,6}\Z"),
    country=st.from_regex(r"\A[A-Z]{2}\Z"),
)
PAYMENTS = st.builds(
    Payment,
    method=st.sampled_from(["card", "wallet", "voucher"]),
    psp_token=IDS,
    psp_reference=st.none() | st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._:-]{0,63}\Z"),
    last4=st.none() | st.from_regex(r"\A[0-9]{4}\Z"),
    bin=TEXTS,
    issuer_country=st.none() | st.from_regex(r"\A[A-Z]{2}\Z"),
    avs=st.sampled_from([None, "match", "mismatch"]),
    three_ds=st.sampled_from([None, "authenticated", "attempted", "failed", "not_enrolled"]),
)
SALTED_ORDERS = st.builds(
    OrderPlaced,
    event_id=IDS,
    occurred_at=st.datetimes(*BOUNDS, timezones=st.timezones()),
    order_id=IDS,
    customer_id=IDS,
    account_id=MAYBE_IDS,
    session_id=MAYBE_IDS,
    device_id=MAYBE_IDS,
    seller_id=MAYBE_IDS,
    amount_minor=st.integers(0, 10**12),
    currency=st.sampled_from(["SAR", "KWD", "JPY"]),
    items=st.lists(st.builds(Item, sku=IDS, title=TEXTS, category=IDS, unit_amount_minor=st.just(1)), max_size=3).map(
        tuple
    ),
    contact=st.builds(Contact, name=TEXTS, email=TEXTS, phone=TEXTS),
    billing=st.none() | ADDRESSES,
    shipping=st.none() | ADDRESSES,
    payment=PAYMENTS,
    tracking_ref=MAYBE_IDS,
    ip=st.ip_addresses().map(str),
    user_agent=TEXTS,
    promo_code=MAYBE_IDS,
)
SALTED = st.builds(
    Disclosable,
    order=SALTED_ORDERS,
    decision_id=IDS,
    outcome=st.sampled_from(["approve", "review", "block"]),
    reasons=st.lists(CODES, max_size=6).map(tuple),
)


def paths(kind: Any = OrderPlaced, prefix: str = "") -> set[str]:
    """Every path to a field of an order: groups of one value (payment.last4), and lists as one field."""
    found: set[str] = set()
    for field in msgspec.structs.fields(kind):
        options = getattr(field.type, "__args__", (field.type,))
        group = next((each for each in options if isinstance(each, type) and issubclass(each, msgspec.Struct)), None)
        path = f"{prefix}{field.name}"
        found |= paths(group, f"{path}.") if group else {path}
    return found
