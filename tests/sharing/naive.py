"""A second interpreter of contracts, written apart: plain dicts in, plain dicts out, slow and obvious.

It knows the issue's words and the YAML, and shares no code with `sharing`: classes, operators and closed lists are
written out again by hand. What it is asked: may this contract be used at all, and what does a partner get of an order?
"""

import re
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

# Which operators a class may take (the issue's table), and which fields are of which class.
TAKES = {
    "forbidden": set(),
    "direct": {"disclose"},
    "linkable": {"pseudonym", "echo"},
    "quasi": {"generalise", "truncate", "band", "last4", "derive"},
    "safe": {"keep"},
}
CLASSES = {
    "safe": ("outcome", "method", "three_ds", "avs"),
    "quasi": ("reasons", "amount", "occurred_at", "ip", "last4", "currency", "issuer_country", "is_gift"),
    "linkable": (
        "psp_reference", "tracking_ref", "event_id", "order_id", "customer_id", "account_id", "session_id",
        "device_id", "seller_id",
    ),
    "direct": ("name", "email", "phone", "billing", "shipping"),
    "forbidden": ("psp_token", "bin", "cvv_result", "items", "user_agent", "promo_code"),
}  # fmt: skip
# What an operator can do anything with at all.
FITS = {
    "keep": {"outcome", "method", "three_ds", "avs"},
    "echo": {"psp_reference", "tracking_ref"},
    "band": {"amount"},
    "truncate": {"occurred_at", "ip"},
    "derive": {"reasons"},
    "last4": {"last4"},
}
ISSUED_BY = {"psp_reference": "financial_institution", "tracking_ref": "service_provider"}
SETTINGS = {"band": {"edges"}, "truncate": {"to"}}
KINDS = {
    "financial_institution", "verification_agency", "law_enforcement", "merchant", "service_provider", "successor",
}  # fmt: skip
KEYS = {"partner", "kind", "version", "purpose", "legal_basis", "trigger", "fields"}
TRIGGERS = {"blocked"}
DIGITS = {"JPY": 0, "KWD": 3, "BHD": 3}  # of the currencies that are generated, those without two
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
    if not isinstance(contract, dict) or not set(contract) >= KEYS or set(contract) - KEYS:
        return False
    names = [term.get("name") for term in contract["fields"] if isinstance(term, dict)]
    return (
        re.fullmatch("[a-z][a-z0-9-]{0,31}", str(contract["partner"])) is not None
        and contract["kind"] in KINDS
        and type(contract["version"]) is int
        and contract["version"] >= 1
        and all(re.fullmatch("dpv:[A-Z][A-Za-z]{2,63}", str(contract[key])) for key in ("purpose", "legal_basis"))
        and contract["trigger"] in TRIGGERS
        and len(names) == len(contract["fields"]) > 0
        and len({str(name) for name in names}) == len(names)
        and all(may_leave(contract["kind"], term) for term in contract["fields"])
    )


def may_leave(kind: str, term: dict[str, Any]) -> bool:
    """Whether one line of a contract asks for no more than the field's class allows."""
    name, operator, reason = term.get("name"), term.get("operator"), term.get("reason")
    sort = class_of(name)
    if sort is None or str(operator) not in TAKES[sort] or name not in FITS.get(str(operator), ()):
        return False
    if not isinstance(reason, str) or not 10 <= len(reason) <= 400:
        return False
    if set(term) != {"name", "operator", "reason"} | SETTINGS.get(str(operator), set()):
        return False
    if operator == "band":
        return _edges_rise(term["edges"])
    if operator == "truncate":
        return term["to"] in (("network",) if name == "ip" else ("hour", "day", "week"))
    return operator != "echo" or ISSUED_BY[str(name)] == kind


def _edges_rise(edges: Any) -> bool:
    if not isinstance(edges, list) or not 1 <= len(edges) <= 10:
        return False
    return all(type(edge) is int and edge > 0 for edge in edges) and all(a < b for a, b in pairwise(edges))


def told(contract: dict[str, Any], order: dict[str, Any], decision: dict[str, Any]) -> dict[str, Any]:
    """What the contract's partner gets, but for the message's id."""
    said = {term["name"]: _said(term, order, decision) for term in contract["fields"]}
    return {name: value for name, value in said.items() if value is not None}


def _said(term: dict[str, Any], order: dict[str, Any], decision: dict[str, Any]) -> Any:
    name = term["name"]
    if name == "reasons":
        return sorted({WORDS[code] for code in decision["reasons"] if code in WORDS})
    if name == "outcome":
        return decision["outcome"]
    if name == "amount":
        return _banded(order["amount_minor"] / 10 ** DIGITS.get(order["currency"], 2), term["edges"])
    if name == "occurred_at":
        return _cut(order["occurred_at"], term["to"])
    if name == "ip":
        return _network(order["ip"])
    return order.get(name, order["payment"].get(name))


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
    if ":" not in ip:
        return ".".join(ip.split(".")[:3]) + ".0/24"
    head, _, tail = ip.lower().partition("::")
    groups = head.split(":") if head else []
    rest = tail.split(":") if tail else []
    if "::" in ip:
        groups += ["0"] * (8 - len(groups) - len(rest)) + rest
    kept = [f"{int(group, 16):x}" for group in groups[:3]]
    while kept and kept[-1] == "0":
        kept.pop()
    return _shortened(kept) + "::/48"


def _shortened(kept: list[str]) -> str:
    """Zeros in front are never written out, since those behind are the longer run."""
    return ":".join(kept)
