"""Facts of every kind of event, exactly, and nothing personal in any of them."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import canonical, facts, topics
from events.facts import ActivityFact, Coordinates, Entities, OrderFact, RefusedOrder, VisitFact
from streams.intake import Intake, Quarantined, RawRecord, Taken
from tests.events.examples import ACTIVITIES, CARD, RECORDED_AT_MS, activity, body, label, order, spoilt, visit


def pseudonymise(kind: str, canonical: str) -> str:
    """A pseudonym that a test can read."""
    return f"<{kind} {canonical}>"


def record(topic: str, event: Any, offset: int = 7) -> RawRecord:
    source = Coordinates(topic, "topic-id", 3, offset)
    return RawRecord(source, RECORDED_AT_MS + 5, event if isinstance(event, bytes) else body(event))


def take(topic: str, *events: Any) -> Taken:
    return Intake(pseudonymise).take([record(topic, event, offset) for offset, event in enumerate(events)])


def source(topic: str, offset: int = 0) -> Coordinates:
    return Coordinates(topic, "topic-id", 3, offset)


def test_an_order_becomes_pseudonyms_numbers_and_categories() -> None:
    shipping = "<address olaya street 9 flat 4|12345|riyadh|SA>"
    assert take(topics.ORDERS, order()) == Taken(
        [
            OrderFact(
                source=source(topics.ORDERS),
                event_id="e-1",
                occurred_at_ms=RECORDED_AT_MS,
                recorded_at_ms=RECORDED_AT_MS + 5,
                entities=Entities(
                    customer="<customer c-1>",
                    card="<card tok-1>",
                    device="<device d-1>",
                    session="<session s-1>",
                    ip="<ip 203.0.113.7>",
                    network="<network 203.0.113.0/24>",
                    email="<email laylaotaibi@gmail.com>",
                    phone="<phone +966501234567>",
                    address=shipping.replace("olaya street 9 flat 4", "olaya street 9"),
                    seller="<seller m-1>",
                ),
                order_id="o-1",
                amount_minor=120_000,
                currency="SAR",
                method="card",
                quantity=5,
                lines=2,
                max_unit_minor=100_000,
                categories=("other", "phones"),
                billing_address="<address king fahd road 12 flat 4|12345|riyadh|SA>",
                promo="<promo LAYLA10>",
                billing_country="SA",
                shipping_country="SA",
                issuer_country="SA",
                shipping_utc_offset_min=180,
                avs="match",
                cvv_result="match",
                three_ds="authenticated",
                email_provider="free",
                name_in_email=1.0,
                main_category="phones",
                browser="safari",
                os="ios",
                has_account=True,
                is_gift=True,
            )
        ],
        [],
    )


def test_a_visit_becomes_a_route_and_closed_categories() -> None:
    assert take(topics.VISITS, visit()).facts == [
        VisitFact(
            source=source(topics.VISITS),
            event_id="e-2",
            occurred_at_ms=RECORDED_AT_MS,
            recorded_at_ms=RECORDED_AT_MS + 5,
            entities=Entities(
                customer="<customer c-1>",
                device="<device d-1>",
                session="<session s-1>",
                ip="<ip 2001:db8:1:2:3:4:5:6>",
                network="<network 2001:db8:1::/48>",
            ),
            route="/products/:x/:id",
            country="AE",
            referred_by="search",
            duration_ms=1500,
            status=200,
            method="GET",
            browser="chrome",
            os="linux",
        )
    ]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("AccountRegistered", {"entities": {"email": "<email layla@example.com>", "phone": "<phone +971501234567>"}}),
        ("LoggedIn", {"succeeded": False}),
        ("CredentialsChanged", {"detail": "email"}),
        (
            "AddressAdded",
            {"country": "SA", "entities": {"address": "<address king fahd road 12 flat 4|12345|riyadh|SA>"}},
        ),
        ("PolicyAccepted", {"detail": "2025-09"}),
        (
            "PaymentAttempted",
            {
                "succeeded": False,
                "detail": "insufficient_funds",
                "amount_minor": 5,
                "currency": "SAR",
                "entities": {"card": "<card tok-1>"},
            },
        ),
        ("OrderRefunded", {"order_id": "o-1", "amount_minor": 5, "currency": "SAR"}),
        ("ReviewSubmitted", {}),
        ("ContestEntered", {}),
        ("CallLogged", {"succeeded": True, "detail": "verification"}),
        ("IdentityVerified", {"succeeded": True, "detail": "passed", "agency": "<agency agency-1>"}),
    ],
)
def test_an_activity_becomes_its_name_its_result_and_a_closed_detail(kind: str, expected: dict[str, Any]) -> None:
    entities = {
        "customer": "<customer c-1>",
        "device": "<device d-1>",
        "session": "<session s-1>",
        "ip": "<ip 203.0.113.7>",
        "network": "<network 203.0.113.0/24>",
    } | expected.pop("entities", {})
    assert take(topics.ACTIVITY, activity(kind)).facts == [
        ActivityFact(
            source=source(topics.ACTIVITY),
            event_id="e-3",
            occurred_at_ms=RECORDED_AT_MS,
            recorded_at_ms=RECORDED_AT_MS + 5,
            entities=Entities(**entities),
            activity=kind,
            **expected,
        )
    ]


def test_every_activity_has_a_test_above() -> None:
    marks = test_an_activity_becomes_its_name_its_result_and_a_closed_detail.pytestmark
    assert [case[0] for case in marks[0].args[1]] == list(ACTIVITIES)


def test_without_cookies_an_account_or_addresses_the_entities_are_absent() -> None:
    event = order(contact={"name": "Layla"}, payment={"method": "cash_on_delivery"})
    for name in (
        "account_id",
        "session_id",
        "device_id",
        "seller_id",
        "billing",
        "shipping",
        "user_agent",
        "promo_code",
    ):
        del event[name]
    (fact,) = take(topics.ORDERS, event).facts
    assert isinstance(fact, OrderFact)
    assert fact.entities == Entities(
        customer="<customer c-1>", ip="<ip 203.0.113.7>", network="<network 203.0.113.0/24>"
    )
    assert (fact.has_account, fact.promo, fact.billing_address, fact.browser, fact.email_provider) == (False,) + (
        None,
    ) * 4


def test_an_order_says_how_far_its_address_is_from_where_it_goes() -> None:
    (fact,) = take(topics.ORDERS, order(ip="100.65.3.4")).facts  # made up, of the Emirates
    assert isinstance(fact, OrderFact)
    where = fact.ip_country, fact.ip_distance_km, fact.ip_utc_offset_min, fact.shipping_utc_offset_min
    assert where == ("AE", 868, 240, 180)


def test_an_address_of_no_country_and_an_order_that_goes_nowhere_say_nothing_of_it() -> None:
    event = order()
    del event["shipping"]
    (fact,) = take(topics.ORDERS, event).facts
    assert isinstance(fact, OrderFact)
    where = fact.ip_country, fact.ip_distance_km, fact.ip_utc_offset_min, fact.shipping_utc_offset_min
    assert where == (None,) * 4


def test_the_main_category_is_of_the_line_that_costs_most() -> None:
    lines = [("phones", 1, 500), ("toys", 3, 200), ("food", 1, 100)]
    items = [
        {"sku": "s", "category": category, "quantity": quantity, "unit_amount_minor": amount}
        for category, quantity, amount in lines
    ]
    for bought, expected in ((items, "toys"), ([{"sku": "s", "unit_amount_minor": 5}], None), ([], None)):
        (fact,) = take(topics.ORDERS, order(items=bought)).facts
        assert isinstance(fact, OrderFact)
        assert fact.main_category == expected


def test_a_value_without_a_canonical_form_is_no_entity() -> None:
    event = order(contact={"name": "Layla", "email": "not an address", "phone": "call me"})
    entities = take(topics.ORDERS, event).facts[0].entities
    assert (entities.email, entities.phone) == (None, None)


def test_the_address_is_where_it_is_shipped_or_else_billed() -> None:
    event = order()
    del event["shipping"]
    (fact,) = take(topics.ORDERS, event).facts
    assert isinstance(fact, OrderFact)
    assert fact.entities.address == fact.billing_address == "<address king fahd road 12 flat 4|12345|riyadh|SA>"


def test_a_refused_order_is_quarantined_and_still_gets_a_fact() -> None:
    assert take(topics.ORDERS, order(), order(promo_code=CARD)) == Taken(
        [
            take(topics.ORDERS, order()).facts[0],
            RefusedOrder(
                source=source(topics.ORDERS, 1),
                event_id="topic-id:3:1",
                occurred_at_ms=RECORDED_AT_MS + 5,
                recorded_at_ms=RECORDED_AT_MS + 5,
                order_id="o-1",
                reason="refused.card_number",
                field="promo_code",
            ),
        ],
        [Quarantined(source(topics.ORDERS, 1), "refused.card_number", "promo_code")],
    )


def test_what_is_refused_and_has_no_order_is_only_quarantined() -> None:
    taken = take(topics.VISITS, visit(password="x"), b"\xff", order())
    assert taken == Taken(
        [],
        [
            Quarantined(source(topics.VISITS, 0), "refused.credentials", None),
            Quarantined(source(topics.VISITS, 1), "refused.undecodable", None),
            Quarantined(source(topics.VISITS, 2), "refused.wrong_topic", "type"),
        ],
    )


def test_labels_are_for_history_to_resolve() -> None:
    assert take(topics.LABELS, label("FraudConfirmed")) == Taken(
        [], [Quarantined(source(topics.LABELS), "refused.wrong_topic", "type")]
    )


def test_the_stores_own_hosts_are_told_from_others() -> None:
    event = record(topics.VISITS, visit(referrer="https://shop.example/cart"))
    kinds = [Intake(pseudonymise, hosts).take([event]).facts[0] for hosts in ((), ("shop.example",))]
    assert [fact.referred_by for fact in kinds if isinstance(fact, VisitFact)] == ["other", "own"]


def test_a_pseudonym_is_asked_for_once_while_it_is_remembered() -> None:
    asked: list[tuple[str, str]] = []

    def counting(kind: str, canonical: str) -> str:
        asked.append((kind, canonical))
        return pseudonymise(kind, canonical)

    intake = Intake(counting)
    first = intake.take([record(topics.ORDERS, order())])
    assert len(asked) == len(set(asked)) == 12
    assert intake.take([record(topics.ORDERS, order())]) == first
    assert len(asked) == 12


PERSONAL = {
    "contact.name": "Qamar Zubaydah",
    "contact.email": "qamar.zubaydah@private.example",
    "contact.phone": "+966509876543",
    "billing.lines.0": "Villa Zubaydah 77",
    "billing.city": "Zubaydahville",
    "billing.region": "Zubaydahland",
    "billing.postal_code": "77177",
    "shipping.lines.0": "Villa Zubaydah 77",
    "shipping.city": "Zubaydahville",
    "customer_id": "cust-zubaydah",
    "account_id": "acc-zubaydah",
    "session_id": "sess-zubaydah",
    "device_id": "dev-zubaydah",
    "seller_id": "sell-zubaydah",
    "items.0.sku": "sku-zubaydah",
    "items.0.title": "Gift for Zubaydah",
    "items.0.category": "zubaydah",
    "payment.psp_token": "tok-zubaydah",
    "payment.psp_reference": "ref-zubaydah",
    "payment.last4": "7717",
    "payment.bin": "77177177",
    "tracking_ref": "track-zubaydah",
    "promo_code": "ZUBAYDAH",
    "ip": "198.51.100.177",
    "user_agent": "ZubaydahBrowser/7.7",
}


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    else:
        yield str(value)


def opaque(kind: str, canonical: str) -> str:
    return f"{kind:22.22}"


def test_nothing_personal_is_in_a_fact_whatever_field_carries_it() -> None:
    event = order()
    for path, value in PERSONAL.items():
        spoilt(event, path, value)
    moved = {
        topics.ORDERS: event,
        topics.VISITS: visit(
            path="/zubaydah/77177?q=zubaydah",
            referrer="https://zubaydah.example/77177",
            browser="Zubaydah",
            os="Zubaydah",
            session_id="sess-zubaydah",
            ip="198.51.100.177",
            location={"country": "SA", "city": "Zubaydahville"},
        ),
    }
    activities = [
        activity("PaymentAttempted", decline_code="zubaydah", psp_token="tok-zubaydah"),
        activity("PolicyAccepted", policy_version="zubaydah-77177"),
        activity("IdentityVerified", agency="zubaydah", verification_ref="zubaydah", checks=["zubaydah"]),
        activity("CallLogged", recording_ref="zubaydah"),
        activity("ContestEntered", contest_id="zubaydah"),
        activity("ReviewSubmitted", sku="zubaydah"),
        activity("AccountRegistered", contact={"name": "Qamar Zubaydah", "email": "qamar.zubaydah@private.example"}),
        activity("AddressAdded", address={"lines": ["Villa Zubaydah 77"], "city": "Zubaydahville", "country": "SA"}),
    ]
    intake = Intake(opaque)
    records = [record(topic, event) for topic, event in moved.items()]
    records += [record(topics.ACTIVITY, event) for event in activities]
    taken = intake.take(records)
    assert (len(taken.facts), taken.quarantined) == (len(records), [])
    text = b"\n".join(map(facts.encode, taken.facts)).decode().lower()
    assert not [value for value in ("zubaydah", "qamar", "7717", "198.51", "509876543") if value in text]


@given(st.text(max_size=30))
def test_free_text_never_reaches_a_fact(text: str) -> None:
    plain = facts.encode(take(topics.ORDERS, order(contact={"name": "x"}, user_agent="x")).facts[0])
    event = order(contact={"name": text}, user_agent=text)
    event["items"][0]["title"] = text
    taken = take(topics.ORDERS, event)
    if not taken.quarantined:
        families = {family for family, _ in canonical.BROWSERS + canonical.SYSTEMS}
        known = set(strings(msgspec.json.decode(plain))) | families
        assert set(strings(msgspec.json.decode(facts.encode(taken.facts[0])))) <= known
