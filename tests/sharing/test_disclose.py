"""What leaves on request: the named fields of the named case, approved by two, in time; nothing otherwise."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from events.types import Address
from sharing.disclosable import Disclosable, Request
from sharing.errors import ProjectionError
from sharing.fields import FIELDS
from sharing.operators import Disclose
from sharing.operators.operator import Occasion
from sharing.projection import compile_contract
from tests.sharing.contracts import shipped
from tests.sharing.orders import ORDER, disclosable

PROJECTION = compile_contract(shipped("law-enforcement"), b"k" * 32)
REQUEST = Request(
    reference="REQ-1",
    decision_id="topic:0:17",
    fields=("name", "shipping", "amount", "occurred_at", "ip", "last4"),
    expires_at_ms=1_000,
    approved_by=("noura", "maha"),
)


def _asked(request: Request | None = REQUEST, at_ms: int | None = 999, **changes: Any) -> Disclosable:
    return disclosable(request=request, at_ms=at_ms, **changes)


def test_exactly_the_named_fields_leave_under_the_requests_reference() -> None:
    told = json.loads(PROJECTION.project(_asked()))
    assert told == {
        "jti": PROJECTION.message_id("topic:0:17", "REQ-1"),
        "request_ref": "REQ-1",
        "name": "نورة Noura",
        "shipping": {"lines": ["Corniche 2"], "city": "Jeddah", "postal_code": "21577", "country": "SA"},
        "amount": "1299.50 SAR",
        "occurred_at": "2026-03-01T22:15:09Z",
        "ip": "203.0.113.77",
        "last4": "4242",
    }


@pytest.mark.parametrize(
    ("request_", "at_ms", "expected"),
    [
        (None, 999, "no request"),
        (REQUEST, None, "no request"),
        (replace(REQUEST, decision_id="topic:0:18"), 999, "the request is for another case"),
        (REQUEST, 1_000, "the request has expired"),
        (replace(REQUEST, approved_by=()), 999, "the request is not approved by 2 people"),
        (replace(REQUEST, approved_by=("noura",)), 999, "the request is not approved by 2 people"),
        (replace(REQUEST, approved_by=("noura", "noura")), 999, "the request is not approved by 2 people"),
        (replace(REQUEST, fields=("name", "items")), 999, "the request names what the contract does not: items"),
    ],
)
def test_otherwise_nothing_leaves(request_: Request | None, at_ms: int | None, expected: str) -> None:
    with pytest.raises(ProjectionError, match=rf"^law-enforcement: {expected}$"):
        PROJECTION.project(_asked(request_, at_ms))


def test_a_request_that_names_nothing_gets_its_reference_alone() -> None:
    told = json.loads(PROJECTION.project(_asked(replace(REQUEST, fields=()))))
    assert set(told) == {"jti", "request_ref"}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (None, "no request"),
        (REQUEST, "not named by the request"),
        (replace(REQUEST, expires_at_ms=9), "the request has expired"),
    ],
)
def test_the_operator_itself_holds_to_the_request_whoever_calls_it(request_: Request | None, expected: str) -> None:
    operator = Disclose(name="email", reason="because of the test")
    with pytest.raises(ValueError, match=f"^{expected}$"):
        operator.told("noura@example.com", Occasion(FIELDS["email"], _asked(request_), lambda _kind, value: value))
    with pytest.raises(TypeError, match=r"^a value is disclosed on an occasion$"):
        operator.apply("noura@example.com")


def _told(field: str, value: Any) -> Any:
    """What leaves of a value by `disclose`, after its closed type."""
    operator = Disclose(name=field, reason="because of the test")
    item = _asked(replace(REQUEST, fields=(field,)))
    leaving = operator.told(value, Occasion(FIELDS[field], item, lambda _kind, name: name))
    return msgspec.json.decode(msgspec.json.encode(leaving), type=operator.output(FIELDS[field]))


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("phone", "+٩٦٦ ٥٠ ١٢٣ ٤٥٦٧", "+966 50 123 4567"),
        ("name", "  \u200fنورة\u202c ", "نورة"),
        # Every mark of direction falls away, and what stands next to them among the characters stays.
        ("name", "a\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069b", "ab"),
        ("name", "a\u061b\u061d\u2010\u2029\u202f\u2065b", "a\u061b\u061d\u2010\u2029\u202f\u2065b"),
        ("email", "noura@example.com", "noura@example.com"),
        ("ip", "2001:0DB8::0001", "2001:db8::1"),
        ("occurred_at", datetime(2026, 3, 1, 22, 15, 9, 999, UTC), "2026-03-01T22:15:09Z"),
        ("amount", (500, "JPY"), "500 JPY"),
        ("amount", (3_250, "KWD"), "3.250 KWD"),
    ],
)
def test_a_value_leaves_written_in_one_way(field: str, value: Any, expected: str) -> None:
    assert _told(field, value) == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "4242 4242 4242 4242"),
        ("name", "٤٢٤٢ ٤٢٤٢ ٤٢٤٢ ٤٢٤٢"),
        ("name", "card 4242"),
        ("name", "<script>"),
        ("name", "a\nb"),
        ("name", ""),
        ("email", "noura at example.com"),
        ("email", "a@b@c"),
        ("phone", "call me"),
        ("ip", "Noura's phone"),
        ("shipping", Address(lines=("4242-4242-4242-4242",), country="SA")),
        ("shipping", Address(lines=("123456789",), country="SA")),
        ("shipping", Address(lines=("x",), city="<b>", country="SA")),
        ("shipping", Address(lines=("x",), postal_code="<b>", country="SA")),
        ("shipping", Address(country="Saudi Arabia")),
        ("shipping", Address(lines=("x",) * 6, country="SA")),
    ],
)
def test_what_fits_no_closed_type_does_not_leave_by_request_either(field: str, value: Any) -> None:
    with pytest.raises((ValueError, msgspec.ValidationError)) as refused:
        _told(field, value)
    assert "4242" not in str(refused.value)


@pytest.mark.parametrize("text", ["4242 4242 4242 4242", "٤٢٤٢ ٤٢٤٢ ٤٢٤٢ ٤٢٤٢"])
def test_a_card_number_in_a_text_is_refused_in_these_very_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"^holds a card number$"):
        _told("name", text)


def test_an_ill_formed_value_is_refused_by_its_fields_name_alone() -> None:
    order = replace(ORDER, shipping=Address(lines=("<b>",), country="SA"))
    with pytest.raises(ProjectionError, match=r"^law-enforcement: shipping does not fit the contract's type$"):
        PROJECTION.project(disclosable(order, request=REQUEST, at_ms=1))
    order = replace(ORDER, contact=replace(ORDER.contact, name="4242 4242 4242 4242"))
    with pytest.raises(ProjectionError, match=r"^law-enforcement: name is not of the kind that its operator takes$"):
        PROJECTION.project(disclosable(order, request=REQUEST, at_ms=1))


NAMES = tuple(term.name for term in shipped("law-enforcement").fields if term.name != "request_ref")


@settings(deadline=None, max_examples=50)
@given(st.sets(st.sampled_from(NAMES)))
def test_whatever_a_request_names_no_other_field_leaves(fields: set[str]) -> None:
    told = json.loads(PROJECTION.project(_asked(replace(REQUEST, fields=tuple(sorted(fields))))))
    assert set(told) == {"jti", "request_ref", *fields}
