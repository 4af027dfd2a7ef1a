"""Raw records to facts: guard, canonical forms, pseudonyms. The only stage that sees personal data.

A fact gets pseudonyms, numbers, closed categories and coordinates; of what the sender wrote as text it keeps only the
ids that the store itself made (`event_id`, `order_id`), which the guard has searched for card numbers.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from events import canonical, geo, types
from events.facts import ActivityFact, AnyFact, Coordinates, Entities, OrderFact, Pseudonym, RefusedOrder, VisitFact
from events.guard import Refusal, admit
from events.likeness import name_in_email

CACHED_PSEUDONYMS = 131_072
CARD_NUMBER = "refused.card_number"


class RawRecord(msgspec.Struct, frozen=True):
    """A record of a raw topic; `recorded_at_ms` is the broker's timestamp."""

    coordinates: Coordinates
    recorded_at_ms: int
    body: bytes | None


class Quarantined(msgspec.Struct, frozen=True):
    """A refused record: where it is, why, in which of our fields; never what was in it."""

    source: Coordinates
    reason: str
    field: str | None

    @property
    def alarm(self) -> bool:
        """Whether somebody put a card number into a raw topic."""
        return self.reason == CARD_NUMBER


class Taken(msgspec.Struct, frozen=True):
    """At most one fact a record, in the records' order; a refused order whose id can be read is in both."""

    facts: list[AnyFact]
    quarantined: list[Quarantined]


class Intake:
    """`pseudonymise(kind, canonical)` gives an entity's pseudonym; `own_hosts` are the store's own host names."""

    def __init__(self, pseudonymise: Callable[[str, str], Pseudonym], own_hosts: Sequence[str] = ()) -> None:
        @lru_cache(CACHED_PSEUDONYMS)
        def name(kind: str, text: str | None) -> Pseudonym | None:
            return pseudonymise(kind, text) if text else None

        self._name = name
        self._own_hosts = frozenset(own_hosts)

    def take(self, records: Sequence[RawRecord]) -> Taken:
        """Facts of the records of `orders`, `visits` and `activity`. Pure: the same records give the same facts."""
        taken = Taken([], [])
        for record in records:
            source = record.coordinates
            event = admit(source.topic, record.body, record.recorded_at_ms)
            if isinstance(event, Refusal):
                self._refused(record, event, taken)
            elif isinstance(event, types.OrderPlaced):
                taken.facts.append(self._order(event, record))
            elif isinstance(event, types.VisitRecorded):
                taken.facts.append(self._visit(event, record))
            elif isinstance(event, types.Activity):
                taken.facts.append(self._activity(event, record))
            else:
                taken.quarantined.append(Quarantined(source, "refused.wrong_topic", "type"))
        return taken

    def _refused(self, record: RawRecord, refusal: Refusal, taken: Taken) -> None:
        source = record.coordinates
        taken.quarantined.append(Quarantined(source, refusal.reason, refusal.field))
        if refusal.order_id is not None:
            taken.facts.append(
                RefusedOrder(
                    source=source,
                    event_id=source.text(),
                    occurred_at_ms=record.recorded_at_ms,
                    recorded_at_ms=record.recorded_at_ms,
                    order_id=refusal.order_id,
                    reason=refusal.reason,
                    field=refusal.field,
                )
            )

    def _order(self, event: types.OrderPlaced, record: RawRecord) -> OrderFact:
        contact, payment, items = event.contact, event.payment, event.items
        email = canonical.email(contact.email) if contact.email else None
        browser, system = canonical.user_agent(event.user_agent) if event.user_agent else (None, None)
        destination = event.shipping or event.billing
        country = event.billing.country if event.billing else destination.country if destination else None
        occurred_at_ms = round(event.occurred_at.timestamp() * 1000)
        ip_country, distance_km, ip_offset_min, offset_min = _whereabouts(event.ip, event.shipping, occurred_at_ms)
        return OrderFact(
            source=record.coordinates,
            event_id=event.event_id,
            occurred_at_ms=occurred_at_ms,
            recorded_at_ms=record.recorded_at_ms,
            entities=self._entities(
                event,
                card=payment.psp_token,
                email=email,
                phone=canonical.phone(contact.phone, country) if contact.phone else None,
                address=canonical.address(destination) if destination else None,
                seller=event.seller_id,
            ),
            order_id=event.order_id,
            amount_minor=event.amount_minor,
            currency=event.currency,
            method=payment.method,
            quantity=sum(item.quantity for item in items),
            lines=len(items),
            max_unit_minor=max((item.unit_amount_minor for item in items), default=0),
            categories=tuple(sorted({canonical.category(item.category) for item in items if item.category})),
            main_category=_main_category(items),
            billing_address=self._name("address", canonical.address(event.billing)) if event.billing else None,
            promo=self._name("promo", event.promo_code),
            billing_country=event.billing.country if event.billing else None,
            shipping_country=event.shipping.country if event.shipping else None,
            issuer_country=payment.issuer_country,
            ip_country=ip_country,
            ip_distance_km=distance_km,
            ip_utc_offset_min=ip_offset_min,
            shipping_utc_offset_min=offset_min,
            avs=payment.avs,
            cvv_result=payment.cvv_result,
            three_ds=payment.three_ds,
            email_provider=canonical.email_provider(email) if email else None,
            name_in_email=name_in_email(contact.name, email) if email else None,
            browser=browser,
            os=system,
            has_account=event.account_id is not None,
            is_gift=event.is_gift,
        )

    def _visit(self, event: types.VisitRecorded, record: RawRecord) -> VisitFact:
        browser, system = canonical.user_agent(event.user_agent) if event.user_agent else (None, None)
        return VisitFact(
            source=record.coordinates,
            event_id=event.event_id,
            occurred_at_ms=round(event.occurred_at.timestamp() * 1000),
            recorded_at_ms=record.recorded_at_ms,
            entities=self._entities(event),
            route=canonical.route(event.path),
            country=event.location.country if event.location else None,
            referred_by=canonical.referred_by(event.referrer, self._own_hosts),
            duration_ms=event.duration_ms,
            cookies_enabled=event.cookies_enabled,
            status=event.status,
            method=event.method,
            browser=canonical.user_agent(event.browser)[0] if event.browser else browser,
            os=canonical.user_agent(event.os)[1] if event.os else system,
        )

    def _activity(self, event: types.Activity, record: RawRecord) -> ActivityFact:
        contact = getattr(event, "contact", None)
        place = getattr(event, "address", None)
        succeeded, detail = _result(event)
        return ActivityFact(
            source=record.coordinates,
            event_id=event.event_id,
            occurred_at_ms=round(event.occurred_at.timestamp() * 1000),
            recorded_at_ms=record.recorded_at_ms,
            entities=self._entities(
                event,
                card=getattr(event, "psp_token", None),
                email=canonical.email(contact.email) if contact and contact.email else None,
                phone=canonical.phone(contact.phone, None) if contact and contact.phone else None,
                address=canonical.address(place) if place else None,
            ),
            activity=type(event).__name__,
            succeeded=succeeded,
            detail=detail,
            agency=self._name("agency", getattr(event, "agency", None)),
            amount_minor=getattr(event, "amount_minor", None),
            currency=getattr(event, "currency", None),
            country=place.country if place else None,
            order_id=getattr(event, "order_id", None),
        )

    def _entities(
        self,
        event: Any,
        *,
        card: str | None = None,
        email: str | None = None,
        phone: str | None = None,
        address: str | None = None,
        seller: str | None = None,
    ) -> Entities:
        name = self._name
        ip = canonical.ip(event.ip) if event.ip else None
        return Entities(
            customer=name("customer", event.customer_id),
            card=name("card", card),
            device=name("device", event.device_id),
            session=name("session", event.session_id),
            ip=name("ip", ip),
            network=name("network", canonical.network(ip)) if ip else None,
            email=name("email", email),
            phone=name("phone", phone),
            address=name("address", address),
            seller=name("seller", seller),
        )


def _whereabouts(
    given_ip: str, shipping: types.Address | None, at_ms: int
) -> tuple[str | None, int | None, int | None, int | None]:
    """Where an order comes from: its country, how far from where it goes, and the clocks of both."""
    ip = canonical.ip(given_ip)
    here, there = geo.country_of(ip) if ip else None, shipping.country if shipping else None
    return (
        here,
        geo.distance_km(here, there) if here and there else None,
        geo.utc_offset_min(here, at_ms) if here else None,
        geo.utc_offset_min(there, at_ms) if there else None,
    )


def _main_category(items: Sequence[types.Item]) -> str | None:
    dearest = max(items, key=lambda item: item.quantity * item.unit_amount_minor, default=None)
    return canonical.category(dearest.category) if dearest and dearest.category else None


def _result(event: types.Activity) -> tuple[bool | None, str | None]:
    """What an activity says beside that it happened: its yes or no, and a detail of a closed set."""
    result: tuple[bool | None, str | None] = (None, None)
    match event:
        case types.LoggedIn():
            result = event.succeeded, None
        case types.CredentialsChanged():
            result = None, event.what
        case types.PolicyAccepted():
            result = None, canonical.policy_version(event.policy_version)
        case types.PaymentAttempted():
            result = event.approved, canonical.decline_code(event.decline_code) if event.decline_code else None
        case types.CallLogged():
            result = event.verified, event.purpose
        case types.IdentityVerified():
            result = event.result == "passed", event.result
    return result
