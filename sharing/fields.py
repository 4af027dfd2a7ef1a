"""Every field that could be told about an order, with its class: the class decides which operators it may take.

Defined once: contracts are checked against it, projections read through it, and a test holds that every field of an
order stands here. What a partner's contract calls `amount` is read from here, never by a path of its own.
"""

from collections.abc import Callable
from typing import Any, Literal, get_args

import msgspec

from events.types import OrderPlaced

Sensitivity = Literal["forbidden", "direct", "linkable", "quasi", "safe"]
Shape = Literal["id", "choice", "amount", "time", "ip", "tail", "codes", "other"]
PartnerKind = Literal[
    "financial_institution", "verification_agency", "law_enforcement", "merchant", "service_provider", "successor"
]
Outcome = Literal["approve", "review", "block"]


class Disclosable(msgspec.Struct, frozen=True, kw_only=True):
    """An order with the decision on it: all that a projection may read. `reasons` are reason codes."""

    order: OrderPlaced
    decision_id: str
    outcome: Outcome
    reasons: tuple[str, ...] = ()


class Field(msgspec.Struct, frozen=True):
    """`source` is the order's path, or None for what the decision says; `choices` closes a safe field's values.

    An id is given back only to the kind of partner that issued it.
    """

    name: str
    sensitivity: Sensitivity
    source: str | None
    shape: Shape = "other"
    read: Callable[[Disclosable], Any] | None = None
    choices: tuple[str, ...] = ()
    issuer: PartnerKind | None = None


def _payment_choices(field: str) -> tuple[str, ...]:
    """The values of a `Literal[...]` or `Literal[...] | None` field of a payment."""
    declared = next(each for each in msgspec.structs.fields(OrderPlaced) if each.name == "payment").type
    kind = next(each for each in msgspec.structs.fields(declared) if each.name == field).type
    literal = next((part for part in get_args(kind) if get_args(part)), kind)
    return get_args(literal)


def _kept_back(sensitivity: Sensitivity, *sources: str) -> tuple[Field, ...]:
    return tuple(Field(source.rpartition(".")[2], sensitivity, source) for source in sources)


_ALL = (
    Field("outcome", "safe", None, "choice", lambda d: d.outcome, get_args(Outcome)),
    Field("reasons", "quasi", None, "codes", lambda d: d.reasons),
    Field("method", "safe", "payment.method", "choice", lambda d: d.order.payment.method, _payment_choices("method")),
    Field("three_ds", "safe", "payment.three_ds", "choice", lambda d: d.order.payment.three_ds,
          _payment_choices("three_ds")),
    Field("avs", "safe", "payment.avs", "choice", lambda d: d.order.payment.avs, _payment_choices("avs")),
    Field("psp_reference", "linkable", "payment.psp_reference", "id", lambda d: d.order.payment.psp_reference,
          issuer="financial_institution"),
    Field("tracking_ref", "linkable", "tracking_ref", "id", lambda d: d.order.tracking_ref, issuer="service_provider"),
    Field("amount", "quasi", "amount_minor", "amount", lambda d: (d.order.amount_minor, d.order.currency)),
    Field("occurred_at", "quasi", "occurred_at", "time", lambda d: d.order.occurred_at),
    Field("ip", "quasi", "ip", "ip", lambda d: d.order.ip),
    Field("last4", "quasi", "payment.last4", "tail", lambda d: d.order.payment.last4),
    # Classes whose operators come with the contracts that need them; until then no operator serves them.
    *_kept_back("quasi", "currency", "payment.issuer_country", "is_gift"),
    *_kept_back("linkable", "event_id", "order_id", "customer_id", "account_id", "session_id", "device_id"),
    *_kept_back("linkable", "seller_id"),
    *_kept_back("direct", "contact.name", "contact.email", "contact.phone", "billing", "shipping"),
    *_kept_back("forbidden", "payment.psp_token", "payment.bin", "payment.cvv_result"),
    *_kept_back("forbidden", "items", "user_agent", "promo_code"),
)  # fmt: skip

FIELDS = {field.name: field for field in _ALL}
