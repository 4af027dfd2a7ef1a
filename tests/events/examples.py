"""One valid event of every kind, as plain objects that a test may spoil."""

import copy
from typing import Any

import msgspec

RECORDED_AT_MS = 1_763_806_272_000  # 2025-11-22T10:11:12Z
CARD = "4111 1111 1111 1111"

_ADDRESS = {
    "lines": ["King Fahd Road 12", "Flat 4"],
    "city": "Riyadh",
    "region": "Riyadh",
    "postal_code": "12345",
    "country": "SA",
}
_ORDER: dict[str, Any] = {
    "type": "OrderPlaced",
    "event_id": "e-1",
    "occurred_at": "2025-11-22T10:11:12Z",
    "order_id": "o-1",
    "customer_id": "c-1",
    "account_id": "a-1",
    "session_id": "s-1",
    "device_id": "d-1",
    "seller_id": "m-1",
    "amount_minor": 120_000,
    "currency": "SAR",
    "items": [
        {"sku": "sku-1", "title": "Phone", "category": "phones", "quantity": 3, "unit_amount_minor": 100_000},
        {"sku": "sku-2", "title": '15" Cover', "category": "layla-otaibi", "quantity": 2, "unit_amount_minor": 10_000},
    ],
    "contact": {"name": "Layla Al-Otaibi", "email": "Layla.Otaibi+shop@Gmail.com", "phone": "050 123 4567"},
    "billing": _ADDRESS,
    "shipping": _ADDRESS | {"lines": ["Olaya Street 9"]},
    "payment": {
        "method": "card", "psp_token": "tok-1", "psp_reference": "pay-1", "last4": "1111", "bin": "411111",
        "issuer_country": "SA", "avs": "match", "cvv_result": "match", "three_ds": "authenticated",
    },
    "tracking_ref": "trk-1",
    "ip": "203.0.113.7",
    "user_agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 Version/18.0 Safari/604.1",
    "promo_code": "LAYLA10",
    "is_gift": True,
}  # fmt: skip
_VISIT: dict[str, Any] = {
    "type": "VisitRecorded",
    "event_id": "e-2",
    "occurred_at": "2025-11-22T10:11:12Z",
    "session_id": "s-1",
    "device_id": "d-1",
    "customer_id": "c-1",
    "ip": "2001:db8:1:2:3:4:5:6",
    "location": {"country": "AE", "city": "Dubai"},
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36",
    "path": "/products/layla-alotaibi/12?email=layla@example.com",
    "referrer": "https://www.google.com/search?q=layla",
    "duration_ms": 1500,
    "status": 200,
    "method": "GET",
}
_ACTIVITY: dict[str, Any] = {
    "event_id": "e-3",
    "occurred_at": "2025-11-22T10:11:12Z",
    "customer_id": "c-1",
    "session_id": "s-1",
    "device_id": "d-1",
    "ip": "203.0.113.7",
}
_LABEL: dict[str, Any] = {
    "event_id": "e-4",
    "occurred_at": "2025-11-22T10:11:12Z",
    "order_id": "o-1",
    "labelled_at": "2025-11-22T10:11:12Z",
}

ACTIVITIES: dict[str, dict[str, Any]] = {
    "AccountRegistered": {"contact": {"name": "Layla", "email": "layla@example.com", "phone": "+971501234567"}},
    "LoggedIn": {"succeeded": False},
    "CredentialsChanged": {"what": "email"},
    "AddressAdded": {"address": _ADDRESS},
    "PolicyAccepted": {"policy_version": "2025-09"},
    "PaymentAttempted": {
        "approved": False,
        "decline_code": "insufficient_funds",
        "psp_token": "tok-1",
        "amount_minor": 5,
        "currency": "SAR",
    },
    "OrderRefunded": {"order_id": "o-1", "amount_minor": 5, "currency": "SAR"},
    "ReviewSubmitted": {"sku": "sku-1", "rating": 5},
    "ContestEntered": {"contest_id": "contest-1"},
    "CallLogged": {"direction": "inbound", "purpose": "verification", "verified": True, "recording_ref": "rec-1"},
    "IdentityVerified": {"agency": "agency-1", "verification_ref": "ver-1", "checks": ["document"], "result": "passed"},
}


def order(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy(_ORDER) | changes


def visit(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy(_VISIT) | changes


def activity(kind: str, **changes: Any) -> dict[str, Any]:
    return {"type": kind} | copy.deepcopy(_ACTIVITY) | copy.deepcopy(ACTIVITIES[kind]) | changes


def label(kind: str, **changes: Any) -> dict[str, Any]:
    return {"type": kind} | copy.deepcopy(_LABEL) | changes


def spoilt(event: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The event with the value at a dotted path; numbers are places in lists."""
    target: Any = event
    *way, last = path.split(".")
    for step in way:
        target = target[int(step) if isinstance(target, list) else step]
    target[int(last) if isinstance(target, list) else last] = value
    return event


body = msgspec.json.encode
