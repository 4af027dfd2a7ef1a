"""Every field that could be told about an order, with its class: the class decides which operators it may take.

Defined once: contracts are checked against it, projections read through it, and a test holds that every field of an
order stands here. What a partner's contract calls `amount` is read from here, never by a path of its own.

| class | what it is | operators |
|---|---|---|
| forbidden | card data, credentials, recordings, free text | none at all |
| direct | names a person | disclose |
| linkable | an id that others know too | pseudonym, echo (to its issuer alone) |
| quasi | narrows down who it is | generalise, truncate, band; last4 and derive for one field each; disclose |
| safe | one of a few values that many orders have | keep; count and constant for one field each |
"""

from collections.abc import Callable
from typing import Any, Literal, get_args

import msgspec

from events.types import OrderPlaced
from sharing.disclosable import Check, Disclosable, Instruction, Outcome, Verdict

__all__ = ["FIELDS", "Disclosable", "Field", "Outcome", "PartnerKind", "Sensitivity", "Shape"]

Sensitivity = Literal["forbidden", "direct", "linkable", "quasi", "safe"]
Shape = Literal[
    "id", "choice", "amount", "time", "ip", "tail", "codes", "place", "country", "postal",
    "name", "email", "phone", "address", "count", "reference", "notice", "other",
]  # fmt: skip
PartnerKind = Literal[
    "financial_institution", "verification_agency", "law_enforcement", "merchant", "service_provider", "successor"
]


class Field(msgspec.Struct, frozen=True):
    """`source` is the order's path, or None for what the case says; `choices` closes a safe field's values.

    An id is given back only to the kind of partner that issued it; `issued_by` reads which one it was, where the case
    knows. `meaning` is for partners' pages.
    """

    name: str
    sensitivity: Sensitivity
    source: str | None
    shape: Shape = "other"
    read: Callable[[Disclosable], Any] | None = None
    choices: tuple[str, ...] = ()
    issuer: PartnerKind | None = None
    issued_by: Callable[[Disclosable], str | None] | None = None
    meaning: str = ""


def _payment_choices(field: str) -> tuple[str, ...]:
    """The values of a `Literal[...]` or `Literal[...] | None` field of a payment."""
    declared = next(each for each in msgspec.structs.fields(OrderPlaced) if each.name == "payment").type
    kind = next(each for each in msgspec.structs.fields(declared) if each.name == field).type
    literal = next((part for part in get_args(kind) if get_args(part)), kind)
    return get_args(literal)


def _kept_back(sensitivity: Sensitivity, *sources: str) -> tuple[Field, ...]:
    return tuple(Field(source.rpartition(".")[2], sensitivity, source) for source in sources)


def _absent(*names: str) -> tuple[Field, ...]:
    """What no order has and no contract may ask for: named, so that a contract which does is told why not."""
    return tuple(Field(name, "forbidden", None) for name in names)


def _linkable(name: str, meaning: str) -> Field:
    return Field(name, "linkable", name, "id", lambda d: getattr(d.order, name), meaning=meaning)


def _verified(name: str) -> Callable[[Disclosable], Any]:
    return lambda d: getattr(d.verification, name) if d.verification else None


def _fulfilled(name: str) -> Callable[[Disclosable], Any]:
    return lambda d: getattr(d.fulfilment, name) if d.fulfilment else None


def _delivery(d: Disclosable) -> Any:
    return d.order.shipping or d.order.billing


_ALL = (
    Field("outcome", "safe", None, "choice", lambda d: d.outcome, get_args(Outcome),
          meaning="what was decided about the order when it was placed"),
    Field("verdict", "safe", None, "choice", lambda d: d.verdict, get_args(Verdict),
          meaning="what is known of the case by now: suspected, or confirmed or cleared by an analyst"),
    Field("reasons", "quasi", None, "codes", lambda d: d.reasons, meaning="what kinds of attack were seen"),
    Field("method", "safe", "payment.method", "choice", lambda d: d.order.payment.method, _payment_choices("method"),
          meaning="how the order was to be paid"),
    Field("three_ds", "safe", "payment.three_ds", "choice", lambda d: d.order.payment.three_ds,
          _payment_choices("three_ds"), meaning="how the cardholder was authenticated (3-D Secure)"),
    Field("avs", "safe", "payment.avs", "choice", lambda d: d.order.payment.avs, _payment_choices("avs"),
          meaning="what the issuer said of the billing address"),
    Field("psp_reference", "linkable", "payment.psp_reference", "id", lambda d: d.order.payment.psp_reference,
          issuer="financial_institution", meaning="the payment's id, as the payment provider issued it"),
    Field("tracking_ref", "linkable", "tracking_ref", "id", lambda d: d.order.tracking_ref, issuer="service_provider",
          meaning="the parcel's id, as the carrier issued it"),
    Field("verification_ref", "linkable", None, "id", _verified("verification_ref"), issuer="verification_agency",
          issued_by=_verified("agency"), meaning="the verification's id, as the agency issued it"),
    Field("verification_result", "safe", None, "choice", _verified("result"), ("passed", "failed", "inconclusive"),
          issuer="verification_agency", issued_by=_verified("agency"), meaning="what the agency had answered"),
    Field("failed_check", "safe", None, "choice", _verified("failed_check"), get_args(Check),
          issuer="verification_agency", issued_by=_verified("agency"), meaning="which of the agency's checks failed"),
    Field("verified_at", "quasi", None, "time", _verified("verified_at"), issuer="verification_agency",
          issued_by=_verified("agency"), meaning="when the agency verified the person"),
    Field("instruction", "safe", None, "choice", _fulfilled("instruction"), get_args(Instruction),
          meaning="whether the parcel is to be held or may go on"),
    Field("deadline", "quasi", None, "time", _fulfilled("deadline"), meaning="until when the instruction holds"),
    Field("request_ref", "safe", None, "reference", lambda d: d.request and d.request.reference,
          meaning="the request that this answers"),
    Field("count", "safe", None, "count", lambda d: d.count, meaning="how many cases share these values"),
    Field("notice", "safe", None, "notice", lambda _: "", meaning="a notice that every message carries"),
    Field("amount", "quasi", "amount_minor", "amount", lambda d: (d.order.amount_minor, d.order.currency),
          meaning="the order's total"),
    Field("occurred_at", "quasi", "occurred_at", "time", lambda d: d.order.occurred_at,
          meaning="when the order was placed"),
    Field("ip", "quasi", "ip", "ip", lambda d: d.order.ip, meaning="the internet address that the order came from"),
    Field("last4", "quasi", "payment.last4", "tail", lambda d: d.order.payment.last4,
          meaning="the last four digits of the card"),
    Field("issuer_country", "quasi", "payment.issuer_country", "country", lambda d: d.order.payment.issuer_country,
          meaning="the country of the card's issuer"),
    Field("delivery_area", "quasi", "shipping.city", "place", _delivery, meaning="where the order was to be delivered"),
    Field("postal_code", "quasi", "shipping.postal_code", "postal",
          lambda d: place.postal_code if (place := _delivery(d)) else None, meaning="the postal area of the delivery"),
    Field("name", "direct", "contact.name", "name", lambda d: d.order.contact.name, meaning="the customer's name"),
    Field("email", "direct", "contact.email", "email", lambda d: d.order.contact.email,
          meaning="the customer's e-mail address"),
    Field("phone", "direct", "contact.phone", "phone", lambda d: d.order.contact.phone,
          meaning="the customer's telephone number"),
    Field("billing", "direct", "billing", "address", lambda d: d.order.billing, meaning="the billing address"),
    Field("shipping", "direct", "shipping", "address", lambda d: d.order.shipping, meaning="the delivery address"),
    _linkable("order_id", "the order"),
    _linkable("customer_id", "the customer"),
    _linkable("account_id", "the customer's account"),
    _linkable("session_id", "the visit that the order came from"),
    _linkable("device_id", "the device that the order came from"),
    _linkable("seller_id", "the seller"),
    # No operator serves these.
    *_kept_back("quasi", "currency", "is_gift"),
    *_kept_back("linkable", "event_id"),
    *_kept_back("forbidden", "payment.psp_token", "payment.bin", "payment.cvv_result"),
    *_kept_back("forbidden", "items", "user_agent", "promo_code"),
    *_absent("card_number", "cvv", "credentials", "recording_ref", "free_text"),
)  # fmt: skip

FIELDS = {field.name: field for field in _ALL}
