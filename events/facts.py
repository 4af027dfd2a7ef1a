"""Facts: accepted events without personal data; the memory from which all else can be rebuilt.

A fact holds pseudonyms, numbers, categories and the coordinates of the raw record it came from. Facts of raw partition
p are in facts partition p, in order. JSON on the wire.
"""

from typing import Literal

import msgspec

Pseudonym = str  # 22 characters of unpadded base64url: 128 bits


class Coordinates(msgspec.Struct, frozen=True, array_like=True):
    """Where a record is: the topic's name and id (Kafka's UUID as text), partition and offset."""

    topic: str
    topic_id: str
    partition: int
    offset: int

    def text(self) -> str:
        """The id of a decision about the order that this record holds."""
        return f"{self.topic_id}:{self.partition}:{self.offset}"


class Entities(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whom and what a fact touches; absent where the event did not say (cookies refused, guest checkout)."""

    customer: Pseudonym | None = None
    card: Pseudonym | None = None
    device: Pseudonym | None = None
    session: Pseudonym | None = None
    ip: Pseudonym | None = None
    network: Pseudonym | None = None
    email: Pseudonym | None = None
    phone: Pseudonym | None = None
    address: Pseudonym | None = None
    seller: Pseudonym | None = None


KINDS = Entities.__struct_fields__


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="fact"):
    source: Coordinates
    event_id: str
    occurred_at_ms: int
    recorded_at_ms: int
    entities: Entities = Entities()


class OrderFact(Fact, frozen=True, kw_only=True, tag="order"):
    order_id: str
    amount_minor: int
    currency: str
    method: str
    quantity: int = 0
    lines: int = 0
    max_unit_minor: int = 0
    categories: tuple[str, ...] = ()
    billing_address: Pseudonym | None = None
    promo: Pseudonym | None = None
    billing_country: str | None = None
    shipping_country: str | None = None
    issuer_country: str | None = None
    ip_country: str | None = None
    ip_distance_km: int | None = None  # from the ip's country to the shipping country
    ip_utc_offset_min: int | None = None  # of the principal clocks in the ip's country, when the order was placed
    shipping_utc_offset_min: int | None = None
    avs: str | None = None
    cvv_result: str | None = None
    three_ds: str | None = None
    email_provider: Literal["free", "disposable", "other"] | None = None
    name_in_email: float | None = None  # the share of the name's words that are in the e-mail address
    main_category: str | None = None  # of the line that costs most
    browser: str | None = None
    os: str | None = None
    has_account: bool = False
    is_gift: bool = False


class VisitFact(Fact, frozen=True, kw_only=True, tag="visit"):
    route: str = "other"
    country: str | None = None
    referred_by: Literal["none", "own", "search", "social", "other"] = "none"
    duration_ms: int | None = None
    cookies_enabled: bool = True
    status: int | None = None
    method: str | None = None
    browser: str | None = None
    os: str | None = None


class ActivityFact(Fact, frozen=True, kw_only=True, tag="activity"):
    """`activity` is the event's type name; `succeeded` its yes or no where it has one; `agency` who verified."""

    activity: str
    succeeded: bool | None = None
    detail: str | None = None
    agency: Pseudonym | None = None
    amount_minor: int | None = None
    currency: str | None = None
    country: str | None = None
    order_id: str | None = None


class LabelFact(Fact, frozen=True, kw_only=True, tag="label"):
    """A label resolved to its order's entities; it counts from `occurred_at_ms`, when it became known."""

    order_id: str
    label: Literal["chargeback", "confirmed", "dismissed"]
    decision_id: str
    amount_minor: int = 0
    currency: str = "USD"


class RefusedOrder(Fact, frozen=True, kw_only=True, tag="refused"):
    """An order that the guard refused but whose id could be read: it still gets a decision."""

    order_id: str
    reason: str
    field: str | None = None


AnyFact = OrderFact | VisitFact | ActivityFact | LabelFact | RefusedOrder

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(AnyFact).decode
