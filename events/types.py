"""The store's events: one frozen struct a type, one tagged union a topic, JSON on the wire (UTF-8).

Amounts are integer minor units with an ISO 4217 currency; times are RFC 3339 with an offset. Unknown fields are
refused.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# `$` alone also matches before a last newline in Python, so the look-ahead.
Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$(?!\n)")]
Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}$(?!\n)", description="ISO 3166-1 alpha-2")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$(?!\n)", description="ISO 4217")]
Last4 = Annotated[str, Meta(pattern=r"^[0-9]{4}$(?!\n)")]
Bin = Annotated[str, Meta(pattern=r"^[0-9]{6,8}$(?!\n)", description="issuer identification number, ISO/IEC 7812")]
Text = Annotated[str, Meta(max_length=256)]
LongText = Annotated[str, Meta(max_length=1024)]
Ip = Annotated[str, Meta(min_length=2, max_length=45, description="IPv4 or IPv6 address in text")]
Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339 with an offset")]
AmountMinor = Annotated[int, Meta(ge=0, le=10**12, description="integer minor units of the currency")]
Quantity = Annotated[int, Meta(ge=1, le=100_000)]
DurationMs = Annotated[int, Meta(ge=0, le=86_400_000)]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A named group of fields inside an event."""


class Event(Part, frozen=True, kw_only=True, tag_field="type"):
    event_id: Id
    occurred_at: Moment


class Contact(Part, frozen=True, kw_only=True):
    name: Text
    email: Text | None = None
    phone: Annotated[str, Meta(max_length=32)] | None = None


class Address(Part, frozen=True, kw_only=True):
    lines: Annotated[tuple[Text, ...], Meta(max_length=5)] = ()
    city: Text | None = None
    region: Text | None = None
    postal_code: Annotated[str, Meta(max_length=16)] | None = None
    country: Country


class Item(Part, frozen=True, kw_only=True):
    sku: Id
    title: Text | None = None
    category: Id | None = None
    quantity: Quantity = 1
    unit_amount_minor: AmountMinor


class Payment(Part, frozen=True, kw_only=True):
    """How it is paid: the gateway's stable token for the card, never a number."""

    method: Literal["card", "wallet", "bank_transfer", "cash_on_delivery", "voucher"]
    psp_token: Id | None = None
    psp_reference: Id | None = None
    last4: Last4 | None = None
    bin: Bin | None = None
    issuer_country: Country | None = None
    avs: Literal["match", "partial", "mismatch", "unavailable"] | None = None
    cvv_result: Literal["match", "mismatch", "unavailable"] | None = None
    three_ds: Literal["authenticated", "attempted", "failed", "not_enrolled"] | None = None


class OrderPlaced(Event, frozen=True, kw_only=True, tag=True):
    order_id: Id
    customer_id: Id
    account_id: Id | None = None
    session_id: Id | None = None
    device_id: Id | None = None
    seller_id: Id | None = None
    amount_minor: AmountMinor
    currency: Currency
    items: Annotated[tuple[Item, ...], Meta(max_length=200)] = ()
    contact: Contact
    billing: Address | None = None
    shipping: Address | None = None
    payment: Payment
    tracking_ref: Id | None = None
    ip: Ip
    user_agent: LongText | None = None
    promo_code: Id | None = None
    is_gift: bool = False


class Location(Part, frozen=True, kw_only=True):
    """Approximate: as the store derives it from the address, never finer than a city."""

    country: Country
    region: Text | None = None
    city: Text | None = None


class VisitRecorded(Event, frozen=True, kw_only=True, tag=True):
    session_id: Id | None = None
    device_id: Id | None = None
    customer_id: Id | None = None
    ip: Ip
    location: Location | None = None
    user_agent: LongText | None = None
    browser: Text | None = None
    os: Text | None = None
    path: LongText
    referrer: LongText | None = None
    duration_ms: DurationMs | None = None
    cookies_enabled: bool = True
    status: Annotated[int, Meta(ge=100, le=599)] | None = None
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] | None = None


class Activity(Event, frozen=True, kw_only=True):
    customer_id: Id
    session_id: Id | None = None
    device_id: Id | None = None
    ip: Ip | None = None


class AccountRegistered(Activity, frozen=True, kw_only=True, tag=True):
    contact: Contact | None = None


class LoggedIn(Activity, frozen=True, kw_only=True, tag=True):
    succeeded: bool


class CredentialsChanged(Activity, frozen=True, kw_only=True, tag=True):
    what: Literal["password", "email", "phone", "second_factor"]


class AddressAdded(Activity, frozen=True, kw_only=True, tag=True):
    address: Address


class PolicyAccepted(Activity, frozen=True, kw_only=True, tag=True):
    policy_version: Id


class PaymentAttempted(Activity, frozen=True, kw_only=True, tag=True):
    approved: bool
    decline_code: Id | None = None
    psp_token: Id | None = None
    amount_minor: AmountMinor | None = None
    currency: Currency | None = None


class OrderRefunded(Activity, frozen=True, kw_only=True, tag=True):
    order_id: Id
    amount_minor: AmountMinor
    currency: Currency


class ReviewSubmitted(Activity, frozen=True, kw_only=True, tag=True):
    sku: Id
    rating: Annotated[int, Meta(ge=1, le=5)] | None = None


class ContestEntered(Activity, frozen=True, kw_only=True, tag=True):
    contest_id: Id


class CallLogged(Activity, frozen=True, kw_only=True, tag=True):
    """A call's signals; its recording is never read or shared."""

    direction: Literal["inbound", "outbound"]
    purpose: Literal["verification", "quality", "training", "fraud_prevention"]
    verified: bool
    recording_ref: Id | None = None


class IdentityVerified(Activity, frozen=True, kw_only=True, tag=True):
    agency: Id
    verification_ref: Id
    checks: Annotated[tuple[Id, ...], Meta(max_length=20)] = ()
    result: Literal["passed", "failed", "inconclusive"]


class Label(Event, frozen=True, kw_only=True):
    """`source` says who labelled, where it was not the store itself: `partner.` and the partner's name."""

    order_id: Id
    labelled_at: Moment
    source: Id | None = None


class ChargebackReceived(Label, frozen=True, kw_only=True, tag=True):
    """The cardholder's bank took the money back."""


class FraudConfirmed(Label, frozen=True, kw_only=True, tag=True):
    """A person found the order fraudulent."""


class FraudDismissed(Label, frozen=True, kw_only=True, tag=True):
    """A person found the order genuine."""


OrderEvent = OrderPlaced
VisitEvent = VisitRecorded
ActivityEvent = (
    AccountRegistered
    | LoggedIn
    | CredentialsChanged
    | AddressAdded
    | PolicyAccepted
    | PaymentAttempted
    | OrderRefunded
    | ReviewSubmitted
    | ContestEntered
    | CallLogged
    | IdentityVerified
)
LabelEvent = ChargebackReceived | FraudConfirmed | FraudDismissed
AnyEvent = OrderEvent | VisitEvent | ActivityEvent | LabelEvent
