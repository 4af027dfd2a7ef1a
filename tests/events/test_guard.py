import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import topics, types
from events.cards import holds_card_number
from events.guard import AHEAD_MS, Refusal, admit, encode
from events.refusals import OUR_FIELDS
from tests.events import examples
from tests.events.disguises import DISGUISES, card_numbers
from tests.events.examples import ACTIVITIES, CARD, RECORDED_AT_MS, activity, body, label, order, spoilt, visit

ALL = [
    (topics.ORDERS, order()),
    (topics.VISITS, visit()),
    *((topics.ACTIVITY, activity(kind)) for kind in ACTIVITIES),
    *((topics.LABELS, label(kind)) for kind in ("ChargebackReceived", "FraudConfirmed", "FraudDismissed")),
]


def refusal(event: Any, topic: str = topics.ORDERS) -> Refusal:
    found = admit(topic, event if isinstance(event, bytes) else body(event), RECORDED_AT_MS)
    assert isinstance(found, Refusal)
    return found


def places(event: Any, path: str = "") -> list[str]:
    """The dotted paths of all strings in an event."""
    if isinstance(event, str):
        return [path]
    pairs = enumerate(event) if isinstance(event, list) else event.items() if isinstance(event, dict) else ()
    return [place for key, value in pairs for place in places(value, f"{path}.{key}" if path else str(key))]


@pytest.mark.parametrize(("topic", "event"), ALL, ids=lambda value: value if isinstance(value, str) else value["type"])
def test_every_kind_of_event_is_admitted_as_it_was_written(topic: str, event: dict[str, Any]) -> None:
    found = admit(topic, body(event), RECORDED_AT_MS)
    assert type(found).__name__ == event["type"]
    assert msgspec.json.decode(encode(found)) == event


@pytest.mark.parametrize(
    "write",
    [lambda event: json.dumps(event).encode(), lambda event: json.dumps(event, indent=2, ensure_ascii=False).encode()],
    ids=["escaped", "indented"],
)
def test_how_the_json_is_written_makes_no_difference(write: Callable[[dict[str, Any]], bytes]) -> None:
    event = order(contact={"name": 'ليلى \\ "العتيبي" \U0001f600', "phone": None}, is_gift=False)
    assert admit(topics.ORDERS, write(event), RECORDED_AT_MS) == msgspec.convert(event, types.OrderPlaced)


@pytest.mark.parametrize("place", places(order()))
def test_a_card_number_is_refused_in_any_string_field(place: str) -> None:
    found = refusal(spoilt(order(), place, CARD))
    field = ".".join(name for name in place.split(".") if not name.isdigit())
    assert found == Refusal("refused.card_number", field, None if place == "order_id" else "o-1", alarm=True)


HIDDEN: dict[str, Any] = {
    "an unknown field": order(note=CARD),
    "an unknown name": order() | {CARD: 1},
    "a number": order(note=4111111111111111),
    "a deep unknown field": order(note={"a": [{"b": [[CARD]]}]}),
    "a repeated key's first value": body(order(promo_code=CARD))[:-1] + b',"promo_code":"x"}',
    "escapes": body(order()).replace(b'"LAYLA10"', b'"\\u0034111-1111-\\u0661111-1111"'),
    "a JSON text in a field": order(promo_code=json.dumps({"note": json.dumps({"card": CARD})})),
    "cut JSON": body(order(promo_code=CARD))[:-2],
    "cut JSON with escapes": body(order())[:-2] + b',"x":"\\u0034111 1111 1111 1111',
    "bytes that are no UTF-8": b'{"order_id":"o-1","note":"\xff 4111111111111111"}',
    "too many bytes": body(order(note=CARD, more="x" * 70_000)),
    "another type": order(type="Elsewhere", note=CARD),
    "an event of another topic": visit(order_id="o-1", user_agent=CARD),
    "a gift note beside a verification value": order(note=CARD, cvv="123"),
}


@pytest.mark.parametrize("hidden", HIDDEN)
def test_a_card_number_is_the_reason_wherever_it_hides(hidden: str) -> None:
    found = refusal(HIDDEN[hidden])
    assert (found.reason, found.order_id, found.alarm) == ("refused.card_number", "o-1", True)


@pytest.mark.parametrize(
    ("spoil", "reason", "field"),
    [
        (lambda: order(cvv="123"), "card_verification_value", None),
        (lambda: spoilt(order(), "payment.Card-CVC2", None), "card_verification_value", "payment"),
        (lambda: order(note=[{"securityCode": 7}]), "card_verification_value", None),
        (lambda: spoilt(order(), "payment.csc", ""), "card_verification_value", "payment"),
        (lambda: order() | {"ＣＶＶ": "123"}, "card_verification_value", None),
        (lambda: order(password="x"), "credentials", None),
        (lambda: spoilt(order(), "contact.pin_code", 1), "credentials", "contact"),
        (lambda: order(session_token="x", zip="y"), "credentials", None),
        (lambda: order(pin="1", cvc="1"), "card_verification_value", None),
        (lambda: order(note="hello"), "unknown_field", None),
        (lambda: spoilt(order(), "items.0.colour", "red"), "unknown_field", "items"),
        (lambda: spoilt(order(), "billing.spin", "red"), "unknown_field", "billing"),
        (lambda: order(amount_minor="12"), "wrong_type", "amount_minor"),
        (lambda: order(is_gift=1), "wrong_type", "is_gift"),
        (lambda: [order()], "wrong_type", None),
        (lambda: "text", "wrong_type", None),
        (lambda: order(amount_minor=-1), "negative_amount", "amount_minor"),
        (lambda: spoilt(order(), "items.1.unit_amount_minor", -1), "negative_amount", "items.unit_amount_minor"),
        (lambda: spoilt(order(), "items.1.quantity", 0), "ill_formed", "items.quantity"),
        (lambda: order(amount_minor=10**30), "ill_formed", "amount_minor"),
        (lambda: order(currency="sar"), "ill_formed", "currency"),
        (lambda: order(currency="SAR\n"), "ill_formed", "currency"),
        (lambda: spoilt(order(), "billing.country", "Saudi Arabia"), "ill_formed", "billing.country"),
        (lambda: order(customer_id="layla@example.com"), "ill_formed", "customer_id"),
        (lambda: order(occurred_at="2025-11-22"), "ill_formed", "occurred_at"),
        (lambda: order(occurred_at="2025-11-22T10:11:12"), "ill_formed", "occurred_at"),
        (lambda: order(ip="203.0.113.256"), "ill_formed", "ip"),
        (lambda: order(ip="not an address"), "ill_formed", "ip"),
        (lambda: order(occurred_at="2025-11-22T10:16:12.001Z"), "future_time", "occurred_at"),
        (lambda: order(occurred_at="1969-12-30T23:59:59.999Z"), "past_time", "occurred_at"),
        (lambda: order(occurred_at="0001-01-01T00:00:00+03:00"), "past_time", "occurred_at"),
        (lambda: order(occurred_at="9999-12-31T23:59:59-03:00"), "future_time", "occurred_at"),
        (lambda: spoilt(order(), "payment.method", "cheque"), "ill_formed", "payment.method"),
        (lambda: {key: value for key, value in order().items() if key != "contact"}, "missing_field", "contact"),
        (lambda: spoilt(order(), "contact", {}), "missing_field", "contact.name"),
        (lambda: order(type="Elsewhere"), "unknown_type", "type"),
        (lambda: order(type=5), "unknown_type", "type"),
        (lambda: visit(order_id="o-1"), "wrong_topic", "type"),
        (lambda: body(order())[:-1] + b',"amount_minor":1}', "duplicate_key", None),
        (lambda: body(order()).replace(b'"name":', b'"name":"a","name":'), "duplicate_key", "contact"),
        (lambda: body(order())[:-1] + b',"\\u0069p":"::1"}', "duplicate_key", None),
        (lambda: body(order()).replace(b"120000", b"NaN"), "undecodable", None),
        (lambda: body(order()).replace(b"120000", b"-Infinity"), "undecodable", None),
        (lambda: body(order()).replace(b"Phone", b"\\ud800"), "undecodable", None),
        (lambda: body(order()).replace(b"Phone", b"\xff"), "undecodable", None),
        (lambda: body(order()).replace(b"Phone", b"\x01"), "undecodable", None),
        (lambda: body(order())[:-1], "undecodable", None),
        (lambda: b"\xef\xbb\xbf" + body(order()), "undecodable", None),
        (lambda: b"\x00\xff\xfe" * 1000, "undecodable", None),
        (lambda: b"[" * 60_000, "too_deep", None),
        (lambda: b'{"a":' * 12_000, "too_deep", None),
        (lambda: body(order(note="x" * 65_536)), "too_large", None),
        (lambda: b" " * 10_000_000, "too_large", None),
        (lambda: b"", "empty", None),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_reason_and_by_our_own_field(
    spoil: Callable[[], Any], reason: str, field: str | None
) -> None:
    found = refusal(spoil())
    assert (found.reason, found.field, found.alarm) == (f"refused.{reason}", field, False)


def test_a_record_without_a_body_is_refused_as_empty() -> None:
    assert admit(topics.ORDERS, None, RECORDED_AT_MS) == Refusal("refused.empty")


@pytest.mark.parametrize("topic", ["", "unknown", topics.FACTS])
def test_a_topic_without_events_has_none(topic: str) -> None:
    assert refusal(order(), topic).reason == "refused.wrong_topic"


@pytest.mark.parametrize(
    ("event", "order_id"),
    [
        (order(note=CARD), "o-1"),
        (order(amount_minor=-1), "o-1"),
        (body(order())[:-1], "o-1"),
        (body(order()).replace(b"120000", b"NaN"), "o-1"),
        (body(order(note="x" * 70_000)), "o-1"),
        (b'{"order_id" : "o-1", "a": ' + b"[" * 60_000, "o-1"),
        (order(order_id=CARD), None),
        (order(order_id="4111111111111111"), None),
        (order(order_id="layla@example.com"), None),
        (order(order_id=5), None),
        (body(order())[:-1] + b',"order_id":"o-2"}', None),
        (order(order_id="a" * 65), None),
        ({"payment": {"order_id": "o-2"}}, None),
    ],
)
def test_the_id_of_a_refused_order_is_told_if_it_can_be_read_and_shown(event: Any, order_id: str | None) -> None:
    assert refusal(event).order_id == order_id


def test_a_refused_event_of_another_topic_tells_no_order() -> None:
    assert refusal(label("FraudConfirmed", note=1), topics.LABELS).order_id is None


@pytest.mark.parametrize("kind", ["ChargebackReceived", "FraudConfirmed", "FraudDismissed"])
def test_a_label_of_the_future_is_refused(kind: str) -> None:
    found = refusal(label(kind, labelled_at="2025-11-22T10:17:00Z"), topics.LABELS)
    assert (found.reason, found.field) == ("refused.future_time", "labelled_at")


@pytest.mark.parametrize("topic", [topics.VISITS, topics.ACTIVITY, topics.LABELS])
def test_a_time_that_utc_cannot_express_is_refused_of_every_kind_of_event(topic: str) -> None:
    for event in [event for of, event in ALL if of == topic]:
        for field in {"occurred_at", "labelled_at"} & set(event):
            found = refusal(event | {field: "0001-01-01T00:00:00+03:00"}, topic)
            assert (found.reason, found.field) == ("refused.past_time", field)


@pytest.mark.parametrize("offset", ["Z", "+03:00", "+14:00", "-12:00"])
def test_a_clock_that_stands_at_1970_passes_in_every_zone(offset: str) -> None:
    event = body(order(occurred_at=f"1970-01-01T00:00:00{offset}"))
    assert isinstance(admit(topics.ORDERS, event, RECORDED_AT_MS), types.OrderPlaced)


def test_an_event_may_be_five_minutes_ahead_of_its_record() -> None:
    event = body(order())
    assert isinstance(admit(topics.ORDERS, event, RECORDED_AT_MS - AHEAD_MS), types.OrderPlaced)
    assert isinstance(admit(topics.ORDERS, event, RECORDED_AT_MS - AHEAD_MS - 1), Refusal)


def test_numbers_that_are_no_cards_pass() -> None:
    event = order(
        event_id="550e8400-e29b-41d4-a716-446655440000",
        order_id="ORD-20251122-000123",
        tracking_ref="00340434161094042557",
        session_id="8f14e45fceea167a5a36dedd4bea2543",
    )
    event["billing"]["lines"] = ["IBAN SA0380000000608010167519", "شارع ١٢٣ حي ٤٥ مبنى ٦٧٨٩ - ١٢٣٤٥ - ٦٧٨٩"]
    assert isinstance(admit(topics.ORDERS, body(event), RECORDED_AT_MS), types.OrderPlaced)


NAMES = st.text(max_size=20) | st.sampled_from(["x` - at `$.evil", "$.evil", "- at `$.payment`", "type", "ip", "evil"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(name=NAMES, value=JSON, place=st.sampled_from(["", "contact", "payment", "billing", "items.0"]))
def test_nothing_that_the_sender_wrote_is_in_a_refusal(name: str, value: Any, place: str) -> None:
    event = spoilt(order(), f"{place}.X" if place else "X", value)
    text = json.dumps(event).replace('"X"', json.dumps(name))
    found = admit(topics.ORDERS, text.encode(), RECORDED_AT_MS)
    if isinstance(found, Refusal):
        assert found.field is None or set(found.field.split(".")) <= OUR_FIELDS
        assert found.order_id in {"o-1", None}


@given(st.binary(max_size=300) | JSON.map(json.dumps).map(str.encode))
def test_no_body_makes_the_guard_raise(text: bytes) -> None:
    for topic in topics.UNIONS:
        assert isinstance(admit(topic, text, RECORDED_AT_MS), Refusal)


@given(place=st.sampled_from(places(order())), cut=st.integers(0, 900), flip=st.binary(min_size=1, max_size=2))
def test_a_damaged_order_never_makes_the_guard_raise(place: str, cut: int, flip: bytes) -> None:
    text = body(order())
    admit(topics.ORDERS, text[:cut] + flip + text[cut + len(flip) :], RECORDED_AT_MS)


def repeats_a_key(text: str) -> bool:
    """Whether any object has a key twice, by a decoder that shows every pair."""
    found = []

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found.append(len(dict(pairs)) < len(pairs))
        return dict(pairs)

    json.loads(text, object_pairs_hook=look)
    return any(found)


@given(
    again=st.sampled_from(["ip", "is_gift", "promo_code", "amount_minor"]),
    text=st.text(alphabet='a"\\:\u0661 ', max_size=6),
    repeated=st.booleans(),
    ascii_only=st.booleans(),
)
def test_a_repeated_key_is_noticed_whatever_is_in_the_strings(
    again: str, text: str, repeated: bool, ascii_only: bool
) -> None:
    event = order(contact={"name": text, "email": None}, is_gift=False)
    written = json.dumps(event, ensure_ascii=ascii_only)
    if repeated:
        written = written[:-1] + f', "{again}" : {json.dumps(event[again])}}}'
    found = admit(topics.ORDERS, written.encode(), RECORDED_AT_MS)
    assert repeats_a_key(written) == repeated
    assert (found == Refusal("refused.duplicate_key", None, "o-1")) == repeated


FREE_TEXTS = ["contact.name", "billing.lines.0", "shipping.city", "items.1.title", "user_agent"]
AROUND = st.text(max_size=12) | st.text(alphabet="4151- ٤١०１٬.\u200f\u2067\u00ad/+a", max_size=30)
WAYS_TO_WRITE: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: json.dumps(text, ensure_ascii=False),
    "escaped": json.dumps,
    "every character escaped": lambda text: '"' + "".join(map("\\u{:04x}".format, units(text))) + '"',
}


def units(text: str) -> list[int]:
    encoded = text.encode("utf-16-be")
    return [int.from_bytes(encoded[at : at + 2]) for at in range(0, len(encoded), 2)]


@pytest.mark.parametrize("disguise", DISGUISES)
@settings(deadline=None, max_examples=40)
@given(
    number=card_numbers(),
    around=st.tuples(AROUND, AROUND),
    changed=st.booleans(),
    place=st.sampled_from(FREE_TEXTS),
    way=st.sampled_from([*WAYS_TO_WRITE]),
    compact=st.booleans(),
)
def test_an_order_is_refused_for_a_card_number_just_when_a_look_at_every_string_finds_one(
    disguise: str, number: str, around: tuple[str, str], changed: bool, place: str, way: str, compact: bool
) -> None:
    if changed:
        number = number[:-1] + str((int(number[-1]) + 1) % 10)
    text = DISGUISES[disguise](number).join(around)[:256]
    event = spoilt(
        spoilt(order(), "items.1.title", "Cover"), place, "@"
    )  # the example has an escaped quote: no quick look
    written = body(event).decode() if compact else json.dumps(event, indent=1)
    written = written.replace('"@"', WAYS_TO_WRITE[way](text))
    found = admit(topics.ORDERS, written.encode(), RECORDED_AT_MS)
    read = json.loads(written)
    if any(map(holds_card_number, strings(read))):
        assert isinstance(found, Refusal)
        assert (found.reason, found.alarm) == ("refused.card_number", True)
    else:
        assert found == msgspec.convert(read, types.OrderPlaced)


def strings(event: Any) -> list[str]:
    if isinstance(event, str):
        return [event]
    inner = event if isinstance(event, list) else event.values() if isinstance(event, dict) else ()
    return [text for value in inner for text in strings(value)]


def test_examples_hold_every_field_of_an_order() -> None:
    assert set(examples.order()) == {*types.OrderPlaced.__struct_encode_fields__, "type"}


def test_a_body_of_the_greatest_size_is_admitted_and_a_byte_more_is_not() -> None:
    plain = body(order())
    assert admit(topics.ORDERS, plain.ljust(65_536), RECORDED_AT_MS) == admit(topics.ORDERS, plain, RECORDED_AT_MS)
    assert refusal(plain.ljust(65_537)).reason == "refused.too_large"


def test_the_shortest_card_number_is_refused_where_it_is_all_of_a_field() -> None:
    assert refusal(order(promo_code="4222222222222")).reason == "refused.card_number"


def test_an_event_may_be_five_minutes_ahead_and_no_more() -> None:
    assert AHEAD_MS == 300_000
    assert not isinstance(
        admit(topics.ORDERS, body(order(occurred_at="2025-11-22T10:16:12Z")), RECORDED_AT_MS), Refusal
    )
    soonest = label("FraudConfirmed", labelled_at="2025-11-22T10:16:12Z")
    assert not isinstance(admit(topics.LABELS, body(soonest), RECORDED_AT_MS), Refusal)
    later = label("FraudConfirmed", labelled_at="2025-11-22T10:16:12.001Z")
    assert (refusal(later, topics.LABELS).reason, refusal(later, topics.LABELS).field) == (
        "refused.future_time",
        "labelled_at",
    )
