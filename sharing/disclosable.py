"""All that a projection may read: an order as far as any contract may draw on it, and what was decided about it.

What no operator may touch (card tokens, free text, what was bought) has no place in `Material`, so that who is given
one to project from is given nothing else.
"""

from datetime import datetime
from typing import Literal

import msgspec

from events.types import Address, Contact, IdentityVerified, Moment, OrderPlaced, Payment

Outcome = Literal["approve", "review", "block"]
Verdict = Literal["suspected", "confirmed", "cleared"]
Instruction = Literal["hold", "release"]
Check = Literal["name", "date_of_birth", "document", "address", "phone", "email", "liveness", "face", "other"]


class PaymentMaterial(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of a payment: its gateway's reference and what the banks answered, never a token or the card's first digits."""

    method: str
    psp_reference: str | None = None
    last4: str | None = None
    issuer_country: str | None = None
    avs: str | None = None
    three_ds: str | None = None


class Material(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of an order, what a contract may draw on: names and meanings are those of `OrderPlaced`.

    Sealed into the case when it opens; `Material.of(order)` makes it.
    """

    occurred_at: Moment
    order_id: str | None = None
    customer_id: str | None = None
    account_id: str | None = None
    session_id: str | None = None
    device_id: str | None = None
    seller_id: str | None = None
    amount_minor: int
    currency: str
    contact: Contact
    billing: Address | None = None
    shipping: Address | None = None
    payment: PaymentMaterial
    tracking_ref: str | None = None
    ip: str

    @classmethod
    def of(cls, order: OrderPlaced) -> "Material":
        """The part of an order that may be drawn on."""
        named = {name: getattr(order, name) for name in cls.__struct_fields__ if name != "payment"}
        return cls(payment=_payment(order.payment), **named)


def _payment(payment: Payment) -> PaymentMaterial:
    return PaymentMaterial(**{name: getattr(payment, name) for name in PaymentMaterial.__struct_fields__})


class Verification(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agency answered about who placed the order. `agency` is the partner that issued the reference."""

    agency: str
    verification_ref: str
    result: Literal["passed", "failed", "inconclusive"]
    failed_check: Check | None = None
    verified_at: Moment

    @classmethod
    def of(cls, event: IdentityVerified) -> "Verification":
        """From the event; its first check is what a failure is put down to, by a closed list of words."""
        failed = None
        if event.result == "failed":
            failed = _CHECKS.get(event.checks[0].lower().replace("-", "_"), "other") if event.checks else "other"
        return cls(
            agency=event.agency,
            verification_ref=event.verification_ref,
            result=event.result,
            failed_check=failed,
            verified_at=event.occurred_at,
        )


_CHECKS: dict[str, Check] = {
    "name": "name",
    "date_of_birth": "date_of_birth",
    "birth_date": "date_of_birth",
    "document": "document",
    "id_document": "document",
    "national_id": "document",
    "passport": "document",
    "address": "address",
    "phone": "phone",
    "email": "email",
    "liveness": "liveness",
    "face": "face",
    "selfie": "face",
}


class Fulfilment(msgspec.Struct, frozen=True, kw_only=True):
    """What the carrier is asked to do with the parcel, and by when it hears again at the latest."""

    instruction: Instruction
    deadline: datetime


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """An approved request for one case: `fields` are those that it names, `approved_by` the people who approved it."""

    reference: str
    decision_id: str
    fields: tuple[str, ...]
    expires_at_ms: int
    approved_by: tuple[str, ...]


class Disclosable(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to tell about one order with the decision on it. `reasons` are reason codes.

    `count`: how many cases a batch's group has. `at_ms`: when it is told, against which a request's expiry is held.
    """

    order: OrderPlaced | Material
    decision_id: str
    outcome: Outcome
    reasons: tuple[str, ...] = ()
    verdict: Verdict = "suspected"
    verification: Verification | None = None
    fulfilment: Fulfilment | None = None
    request: Request | None = None
    count: int | None = None
    at_ms: int | None = None
