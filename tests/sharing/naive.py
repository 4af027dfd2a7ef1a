"""A second interpreter of contracts, written apart: plain dicts in, plain dicts out, slow and obvious.

It knows the issue's words and the YAML, and shares no code with `sharing`: classes, operators and closed lists are
written out again by hand. What it is asked: may this contract be used at all, and what does a partner get of an order?
"""

import base64
import hmac
import json
import re
import unicodedata
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

# Which operators a class may take (the issue's table), and which fields are of which class.
TAKES: dict[str, set[str]] = {
    "forbidden": set(),
    "direct": {"disclose"},
    "linkable": {"pseudonym", "echo"},
    "quasi": {"generalise", "truncate", "band", "last4", "derive", "disclose"},
    "safe": {"keep", "count", "constant"},
}
CLASSES = {
    "safe": (
        "outcome", "verdict", "method", "three_ds", "avs", "verification_result", "failed_check", "instruction",
        "request_ref", "count", "notice",
    ),
    "quasi": (
        "reasons", "amount", "occurred_at", "ip", "last4", "currency", "issuer_country", "is_gift", "verified_at",
        "deadline", "delivery_area", "postal_code",
    ),
    "linkable": (
        "psp_reference", "tracking_ref", "verification_ref", "event_id", "order_id", "customer_id", "account_id",
        "session_id", "device_id", "seller_id",
    ),
    "direct": ("name", "email", "phone", "billing", "shipping"),
    "forbidden": (
        "psp_token", "bin", "cvv_result", "items", "user_agent", "promo_code", "card_number", "cvv", "credentials",
        "recording_ref", "free_text",
    ),
}  # fmt: skip
# What an operator can do anything with at all.
_IDS = {"order_id", "customer_id", "account_id", "session_id", "device_id", "seller_id"}
_REFERENCES = {"psp_reference", "tracking_ref", "verification_ref"}
FITS = {
    "keep": {"outcome", "verdict", "method", "three_ds", "avs", "verification_result", "failed_check", "instruction"},
    "echo": _REFERENCES,
    "pseudonym": _REFERENCES | _IDS,
    "band": {"amount"},
    "truncate": {"occurred_at", "verified_at", "deadline", "ip", "postal_code"},
    "derive": {"reasons"},
    "last4": {"last4"},
    "generalise": {"delivery_area", "issuer_country"},
    "disclose": {
        "name", "email", "phone", "billing", "shipping", "amount", "occurred_at", "ip", "verified_at", "deadline",
    },
    "count": {"count"},
    "constant": {"request_ref", "notice"},
}  # fmt: skip
ISSUED_BY = {
    "psp_reference": "financial_institution",
    "tracking_ref": "service_provider",
    **dict.fromkeys(("verification_ref", "verification_result", "failed_check", "verified_at"), "verification_agency"),
}
VERIFIED = ("verification_ref", "verification_result", "failed_check", "verified_at")
FULFILLED = ("instruction", "deadline")
TO: dict[str, tuple[str, ...]] = {
    "ip": ("network",),
    "postal_code": ("area",),
    "delivery_area": ("region", "country"),
    "issuer_country": ("country",),
}
TIMES = ("hour", "day", "week")
NEEDS = {"band": {"edges"}, "truncate": {"to"}, "generalise": {"to"}}
MAY_HAVE = {"count": {"at_least"}, "constant": {"value"}}
KINDS = {
    "financial_institution", "verification_agency", "law_enforcement", "merchant", "service_provider", "successor",
}  # fmt: skip
KEYS = {
    "partner", "kind", "version", "purpose", "legal_basis", "trigger", "delivery", "fields", "retention_days",
    "onward_sharing", "valid_from", "valid_until", "policy_version",
}  # fmt: skip
MAY_KEYS = {"release", "epochs", "jitter_s", "push_url", "signatures"}
TRIGGERS = {"flagged", "blocked", "confirmed", "requested"}
ONWARD = {"prohibited", "processors", "as_law_requires"}
PURPOSES = {
    "CounterMoneyLaundering", "DisputeManagement", "EnforceSecurity", "FraudPreventionAndDetection",
    "FulfilmentOfObligation", "IdentityVerification", "LegalCompliance", "MaintainFraudDatabase",
    "MisusePreventionAndDetection", "OrganisationRiskManagement",
}  # fmt: skip
BASES = {
    "Consent", "Contract", "LegalObligation", "LegitimateInterest", "LegitimateInterestOfController",
    "LegitimateInterestOfThirdParty", "OfficialAuthorityOfController", "PublicInterest", "VitalInterest",
}  # fmt: skip
DIGITS = {"JPY": 0, "KWD": 3, "BHD": 3}  # of the currencies that are generated, those without two
ROOTS = (b"r" * 32, b"s" * 32)  # the partner keys, version 1 first
_REGIONS = json.loads((Path(__file__).parents[2] / "sharing/operators/regions.json").read_text(encoding="utf-8"))
WORDS = {
    "card.velocity": "card_used_often",
    "card.declines": "card_declined_often",
    "card.spread": "card_shared_widely",
    "card.frauds": "card_seen_in_fraud",
    "device.velocity": "device_used_often",
    "device.declines": "device_declined_often",
    "device.spread": "device_shared_widely",
    "ip.velocity": "network_used_often",
    "ip.declines": "network_declined_often",
    "ip.spread": "network_shared_widely",
    "network.velocity": "network_used_often",
    "network.declines": "network_declined_often",
    "network.spread": "network_shared_widely",
    "order.avs": "address_check",
    "order.three_ds": "authentication",
    "model.combined": "several_signals",
}


def class_of(name: Any) -> str | None:
    return next((sort for sort, names in CLASSES.items() if name in names), None)


def may_be_used(contract: Any) -> bool:
    """Whether a contract, as YAML says it, may be used."""
    if not isinstance(contract, dict) or not set(contract) >= KEYS or set(contract) - KEYS - MAY_KEYS:
        return False
    names = [term.get("name") for term in contract["fields"] if isinstance(term, dict)]
    return (
        _head_is_right(contract)
        and _delivery_is_right(contract)
        and len(names) == len(contract["fields"]) > 0
        and len({str(name) for name in names}) == len(names)
        and all(may_leave(contract, term) for term in contract["fields"])
        and _epochs_are_right(contract)
    )


def _head_is_right(contract: dict[str, Any]) -> bool:
    return (
        re.fullmatch("[a-z][a-z0-9-]{0,31}", str(contract["partner"])) is not None
        and contract["kind"] in KINDS
        and type(contract["version"]) is int
        and contract["version"] >= 1
        and str(contract["purpose"])[:4] == str(contract["legal_basis"])[:4] == "dpv:"
        and str(contract["purpose"])[4:] in PURPOSES
        and str(contract["legal_basis"])[4:] in BASES
        and contract["trigger"] in TRIGGERS
        and contract["delivery"] in {"realtime", "batch"}
        and contract["onward_sharing"] in ONWARD
        and type(contract["retention_days"]) is int
        and 1 <= contract["retention_days"] <= 3660
        and contract["valid_from"] <= contract["valid_until"]
    )


def _delivery_is_right(contract: dict[str, Any]) -> bool:
    operators = [(term.get("name"), term.get("operator")) for term in contract["fields"]]
    if contract["trigger"] == "requested" and ("request_ref", "constant") not in operators:
        return False
    jitter = contract.get("jitter_s", 0)
    if type(jitter) is not int or not 0 <= jitter <= 24 * 60 * 60:
        return False
    if contract["delivery"] == "realtime":
        return contract.get("release") is None
    return contract["trigger"] == "confirmed" and isinstance(contract.get("release"), dict) and jitter == 0


def _epochs_are_right(contract: dict[str, Any]) -> bool:
    """Epochs where there are pseudonyms, and only there, counted from one, each later than the one before."""
    epochs = contract.get("epochs") or []
    if bool(epochs) != any(term["operator"] == "pseudonym" for term in contract["fields"]):
        return False
    days = [epoch["since"] for epoch in epochs]
    return [epoch["number"] for epoch in epochs] == [*range(1, len(epochs) + 1)] and all(
        a < b for a, b in pairwise(days)
    )


def may_leave(contract: dict[str, Any], term: dict[str, Any]) -> bool:
    """Whether one line of a contract asks for no more than the field's class allows."""
    name, operator, reason = term.get("name"), str(term.get("operator")), term.get("reason")
    sort = class_of(name)
    if sort is None or operator not in TAKES[sort] or name not in FITS.get(operator, ()):
        return False
    if not isinstance(reason, str) or len(reason) > 400 or len(_drawn(reason)) < 10:
        return False
    settings = set(term) - {"name", "operator", "reason"}
    if not NEEDS.get(operator, set()) <= settings or settings - NEEDS.get(operator, set()) - MAY_HAVE.get(
        operator, set()
    ):
        return False
    if ISSUED_BY.get(str(name), contract["kind"]) != contract["kind"]:
        return False
    return _settings_are_right(contract, term, str(name), operator)


def _drawn(text: str) -> str:
    """What a reader sees of it: nothing of what is drawn as nothing, one space for many."""
    nothing = "[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00-\ufe0f]"
    drawn = "".join(each for each in text if unicodedata.category(each)[0] != "C")
    return re.sub(r"\s+", " ", re.sub(nothing, "", drawn)).strip()


def _settings_are_right(contract: dict[str, Any], term: dict[str, Any], name: str, operator: str) -> bool:  # noqa: PLR0911 - a rule a line
    if operator == "band":
        return _edges_rise(term["edges"])
    if operator in {"truncate", "generalise"}:
        return str(term["to"]) in TO.get(name, TIMES)
    if operator == "disclose":
        return (contract["kind"], contract["trigger"]) == ("law_enforcement", "requested")
    if operator == "count":
        least = term.get("at_least", 20)
        released = (contract.get("release") or {}).get("group_of", 20)
        return contract["delivery"] == "batch" and type(least) is int and 20 <= least <= released
    if operator == "constant":
        if name == "request_ref":
            return term.get("value") is None
        return re.fullmatch("[A-Za-z0-9][A-Za-z0-9 .,:/_-]{0,119}", _string(term.get("value"))) is not None
    return True


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _edges_rise(edges: Any) -> bool:
    if not isinstance(edges, list) or not 1 <= len(edges) <= 10:
        return False
    return all(type(edge) is int and edge > 0 for edge in edges) and all(a < b for a, b in pairwise(edges))


class Refused(Exception):
    """Nothing may be told."""


def told(contract: dict[str, Any], order: dict[str, Any], decision: dict[str, Any]) -> dict[str, Any]:
    """What the contract's partner gets, but for the message's id. Raises Refused."""
    asked = _asked_for(contract, decision)
    said: dict[str, Any] = {}
    epoch = _epoch(contract, order)
    if epoch:
        said["epoch"] = epoch["number"]
    for term in contract["fields"]:
        name = term["name"]
        value = _value(name, order, decision)
        if value is None or (asked is not None and term["operator"] != "constant" and name not in asked):
            continue
        if name in VERIFIED and decision["verification"]["agency"] != contract["partner"]:
            raise Refused("issued by another")
        told_value = _said(contract, term, value, order, epoch)
        if told_value is not None:
            said[name] = told_value
    return said


def _asked_for(contract: dict[str, Any], decision: dict[str, Any]) -> set[str] | None:
    """The fields that a request names; None where the contract needs none."""
    if contract["trigger"] != "requested":
        return None
    request = decision.get("request")
    if not request or request["decision_id"] != decision["decision_id"]:
        raise Refused("no request for this case")
    if len(set(request["approved_by"])) < 2 or decision["at_ms"] >= request["expires_at_ms"]:
        raise Refused("not approved, or too late")
    if set(request["fields"]) - {term["name"] for term in contract["fields"]}:
        raise Refused("asks for what the contract does not have")
    return set(request["fields"])


def _value(name: str, order: dict[str, Any], decision: dict[str, Any]) -> Any:  # noqa: PLR0911 - a rule a line
    """What there is of a field before anything is done to it."""
    if name in {"outcome", "verdict", "reasons", "count"}:
        return decision.get(name)
    if name in VERIFIED:
        return (decision.get("verification") or {}).get({"verification_result": "result"}.get(name, name))
    if name in FULFILLED:
        return (decision.get("fulfilment") or {}).get(name)
    if name == "request_ref":
        return (decision.get("request") or {}).get("reference")
    if name == "notice":
        return ""
    if name == "delivery_area":
        return order.get("shipping") or order.get("billing")
    if name == "postal_code":
        return (order.get("shipping") or order.get("billing") or {}).get("postal_code")
    if name == "amount":
        return order["amount_minor"]
    return order.get(name, order["contact"].get(name, order["payment"].get(name)))


def _said(  # noqa: PLR0911 - an operator a line
    contract: dict[str, Any], term: dict[str, Any], value: Any, order: dict[str, Any], epoch: dict[str, Any] | None
) -> Any:
    operator, name = term["operator"], term["name"]
    if operator == "derive":
        return sorted({WORDS[code] for code in value if code in WORDS})
    if operator == "band":
        return _banded(value / 10 ** DIGITS.get(order["currency"], 2), term["edges"])
    if operator == "truncate":
        return _network(value) if name == "ip" else _area(value) if name == "postal_code" else _cut(value, term["to"])
    if operator == "generalise":
        return value if isinstance(value, str) else _region(value) if term["to"] == "region" else value["country"]
    if operator == "pseudonym":
        return _pseudonym(contract["partner"], name, str((epoch or {})["number"]), value, (epoch or {}).get("key", 1))
    if operator == "constant":
        return term.get("value") or value
    if operator == "disclose":
        return _disclosed(name, value, order["currency"])
    return value


def _epoch(contract: dict[str, Any], order: dict[str, Any]) -> dict[str, Any] | None:
    """The last epoch that had begun when the order was placed, else the first."""
    epochs = contract.get("epochs") or []
    day = datetime.fromisoformat(order["occurred_at"]).astimezone(UTC).date()
    begun = [epoch for epoch in epochs if epoch["since"] <= day]
    found: list[dict[str, Any]] = begun or epochs[:1]
    return found[-1] if found else None


def _pseudonym(partner: str, kind: str, epoch: str, value: str, version: int) -> str:
    """RFC 5869 by hand over parts with their lengths before them, then an HMAC of the id cut to 128 bits."""
    info = _framed("amana partner pseudonym 1", partner, kind, epoch)
    extracted = hmac.digest(bytes(32), ROOTS[version - 1], "sha256")
    key = hmac.digest(extracted, info + b"\x01", "sha256")
    return base64.urlsafe_b64encode(hmac.digest(key, _framed(value), "sha256")[:16]).decode().rstrip("=")


def _framed(*parts: str) -> bytes:
    return b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)


def _region(place: dict[str, Any]) -> str:
    """By the table's own spelling, small letters and capitals alike."""
    for name in (place.get("city"), place.get("region")):
        for code, names in _REGIONS.get(place["country"], {}).items():
            if name and name.strip().lower() in {each.lower() for each in names}:
                return f"{place['country']}-{code}"
    return str(place["country"])


def _area(code: str) -> str | None:
    """Two characters at most, and two at least stay behind; one where three are all there are."""
    kept = code.replace(" ", "").replace("-", "").upper()
    return kept[: min(2, len(kept) - 2)] or None if len(kept) > 2 else None


def _banded(major: float, edges: list[int]) -> str:
    below, above = 0, ""
    for edge in edges:
        if major >= edge:
            below = edge
        elif above == "":
            above = str(edge)
    return f"{below}-{above}"


def _cut(moment: str, to: str) -> str:
    utc = datetime.fromisoformat(moment).astimezone(UTC)
    if to == "hour":
        return str(utc)[:13].replace(" ", "T") + "Z"
    if to == "day":
        return str(utc)[:10]
    year, week, _ = utc.isocalendar()
    return f"{year}-W{week:02}"


def _network(ip: str) -> str:
    """The first three numbers of an old address, the first three groups of a new one."""
    ip = _unmapped(ip)
    if ":" not in ip:
        return ".".join(ip.split(".")[:3]) + ".0/24"
    kept = [f"{group:x}" for group in _groups(ip)[:3]]
    while kept and kept[-1] == "0":
        kept.pop()
    return ":".join(kept) + "::/48"  # zeros in front are never written out, since those behind are the longer run


def _unmapped(ip: str) -> str:
    """An old address that is written as a new one (RFC 4291, 2.5.5.2), as the old one."""
    if ":" not in ip or _groups(ip)[:6] != [0, 0, 0, 0, 0, 0xFFFF]:
        return ip
    return ".".join(str(number) for group in _groups(ip)[6:] for number in divmod(group, 256))


def _groups(ip: str) -> list[int]:
    if "." in ip:  # the last two groups as an old address
        front, _, old = ip.rpartition(":")
        a, b, c, d = map(int, old.split("."))
        ip = f"{front}:{a * 256 + b:x}:{c * 256 + d:x}"
    head, _, tail = ip.partition("::")
    groups, rest = head.split(":") if head else [], tail.split(":") if tail else []
    if "::" in ip:
        groups += ["0"] * (8 - len(groups) - len(rest)) + rest
    return [int(group, 16) for group in groups]


def _disclosed(name: str, value: Any, currency: str) -> Any:
    """The value itself, if it is plainly of its kind."""
    if name in {"billing", "shipping"}:
        return _place(value)
    if name == "amount":
        digits = DIGITS.get(currency, 2)
        whole, rest = divmod(value, 10**digits)
        return f"{whole}.{rest:0{digits}} {currency}" if digits else f"{whole} {currency}"
    if name in {"occurred_at", "verified_at", "deadline"}:
        return str(datetime.fromisoformat(value).astimezone(UTC))[:19].replace(" ", "T") + "Z"
    if name == "ip":
        plain = _unmapped(value)
        return plain if ":" not in plain else _written_out(plain)
    text = _plain(value)
    forms = {"name": "(?!.*[0-9]{4}).*", "email": r"[^@\s<>]{1,64}@[^@\s<>]{1,255}", "phone": "[+]?[0-9 ()./-]{4,24}"}
    if not re.fullmatch(forms[name], text, re.DOTALL):
        raise Refused(name)
    return text


def _place(address: dict[str, Any]) -> dict[str, Any]:
    place = dict(address)
    if "lines" in place:
        place["lines"] = [_plain(line) for line in place["lines"]]
    for key in ("city", "region"):
        if place.get(key):
            place[key] = _plain(place[key])
    if not re.fullmatch("[A-Za-z0-9 -]{1,16}", place.get("postal_code") or "1"):
        raise Refused("postal_code")
    texts = [*place.get("lines", ()), place.get("city"), place.get("region")]
    if any(re.search("[0-9]{9}", text) for text in texts if text):
        raise Refused("lines")
    return {key: each for key, each in place.items() if each}


def _written_out(ip: str) -> str:
    """RFC 5952: small letters, the longest run of two zeros or more once as `::`, the first of equals."""
    groups = _groups(ip)
    runs = [(length, -at) for at in range(8) for length in range(2, 9 - at) if not any(groups[at : at + length])]
    if not runs:
        return ":".join(f"{group:x}" for group in groups)
    length, at = max(runs)
    halves = (groups[:-at], groups[-at + length :])
    return "::".join(":".join(f"{group:x}" for group in half) for half in halves)


def _plain(text: str) -> str:
    """Without marks and what has no width; refused where markup or a control character is."""
    text = "".join(char for char in text if char not in "\u200f\u200e")
    if re.search("[\x00-\x1f\x7f-\x9f<>]", text) or not text.strip() or len(text.strip()) > 256:
        raise Refused("not plain")
    return text.strip()
