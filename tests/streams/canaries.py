"""Made-up personal values, and a search that finds them in bytes however they were written there.

A canary is at least twelve bytes that occur nowhere by chance. The haystack is undone rather than the canary encoded:
it is read as it is, backwards, as hexadecimal digits and as base64 at each alignment, in each of these with JSON's and
URLs' escapes undone and in lower case; what is then looked for is one text a canary.
"""

import json
import re
import string
from binascii import a2b_base64, unhexlify
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any
from urllib.parse import unquote_to_bytes

import numpy as np

LEAST = 12  # bytes of a canary
WINDOW = 8  # of them, read as one number
BLOCK = 1 << 16  # windows at a time: as many as stay in the processor's cache
TABLE_BITS = 24

_ESCAPED = re.compile(rb"\\+u([0-9A-Fa-f]{4})")
_PAIR = re.compile(rb"\\+u([Dd][89ABab][0-9A-Fa-f]{2})\\+u([Dd][C-Fc-f][0-9A-Fa-f]{2})")
_HEX = re.compile(rb"[0-9A-Fa-f]{%d,}" % (2 * LEAST))
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{%d,}" % (LEAST * 4 // 3))
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


class Search:
    """Finds canaries; cheap for a hundred thousand of them in a hundred megabytes."""

    def __init__(self, canaries: Iterable[str]) -> None:
        self._by_window: dict[int, list[bytes]] = {}
        for needle in {canary.lower().encode() for canary in canaries}:
            assert len(needle) >= LEAST, "a canary has at least twelve bytes"
            self._by_window.setdefault(int.from_bytes(needle[:WINDOW], "little"), []).append(needle)
        self._windows = np.array(sorted(self._by_window), dtype=np.uint64)
        self._table = np.zeros(1 << TABLE_BITS, dtype=bool)
        self._table[_slots(self._windows)] = True

    def found(self, haystack: bytes) -> set[str]:
        """The canaries (in lower case) that the haystack holds."""
        return {needle.decode() for form in forms(haystack) for needle in self._in(form)}

    def _in(self, form: bytes) -> Iterator[bytes]:
        if len(form) < WINDOW:
            return
        windows = np.ndarray((len(form) - WINDOW + 1,), "<u8", form, 0, (1,))
        for start in range(0, len(windows), BLOCK):
            block = windows[start : start + BLOCK].copy()
            maybe = np.flatnonzero(self._table[_slots(block)])
            places = np.minimum(np.searchsorted(self._windows, block[maybe]), len(self._windows) - 1)
            for at in maybe[self._windows[places] == block[maybe]].tolist():
                for needle in self._by_window[int(block[at])]:
                    if form.startswith(needle, start + at):
                        yield needle


def _slots(windows: np.ndarray) -> np.ndarray:
    return (windows * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - TABLE_BITS)


def forms(haystack: bytes) -> Iterator[bytes]:
    """The haystack read in each way, one after another."""
    yield haystack.lower()[::-1]
    yield from _readings(haystack)
    runs = _HEX.findall(haystack)
    for start in (0, 1):
        yield from _readings(b"\0".join(unhexlify(_filled(run[start:], 2, b"0")) for run in runs))
    runs = [run.translate(_URL_SAFE) for run in _BASE64.findall(haystack)]
    for start in range(4):
        yield from _readings(b"\0".join(a2b_base64(_filled(run[start:], 4, b"A")) for run in runs))


def _filled(run: bytes, size: int, filler: bytes) -> bytes:
    return run + filler * (-len(run) % size)


def _readings(text: bytes) -> Iterator[bytes]:
    """In lower case, as it is and with escapes undone; what is no UTF-8 keeps its bytes."""
    yield text.lower()
    if b"\\u" in text:
        yield _unescaped(text).lower()
    if b"%" in text:
        yield unquote_to_bytes(_unescaped(text)).lower()


def _unescaped(text: bytes) -> bytes:
    text = _PAIR.sub(lambda pair: _character(int(pair[1], 16), int(pair[2], 16)), text)
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)).encode("utf-8", "surrogatepass"), text)


def _character(high: int, low: int) -> bytes:
    return chr(0x10000 + ((high & 0x3FF) << 10) + (low & 0x3FF)).encode()


class Mint:
    """Makes canaries of each kind and remembers them by the field that they were made for."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.made: dict[str, str] = {}  # canary in lower case -> its field

    def keep(self, field: str, *canaries: str) -> None:
        self.made.update(dict.fromkeys((canary.lower() for canary in canaries), field))

    def word(self, field: str, letters: str = string.ascii_letters, length: int = 14) -> str:
        word = "".join(self.random.choices(letters, k=length))
        self.keep(field, word)
        return word

    def name(self, field: str = "name") -> str:
        letters = ARABIC if self.random.random() < 0.3 else string.ascii_letters
        return f"{self.word(field, letters)} {self.word(field, letters)}"

    def email(self) -> str:
        return f"{self.word('email')}@{self.word('email', string.ascii_lowercase)}.example"

    def phone(self) -> str:
        national = "5" + "".join(self.random.choices(string.digits, k=8))
        self.keep("phone", f"966{national}")
        return f"+966{national}"

    def ip(self) -> str:
        network = ".".join(str(self.random.randint(128, 223)) for _ in range(3))
        self.keep("ip", f"{network}.")
        return f"{network}.{self.random.randint(1, 254)}"

    def card(self) -> str:
        """A Visa number, remembered whole and without its last four digits, in both digits and groups."""
        digits = "4" + "".join(self.random.choices(string.digits, k=14))
        doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[::2]) + sum(map(int, digits[1::2]))
        digits += str(-doubled % 10)
        groups = " ".join(digits[at : at + 4] for at in range(0, 16, 4))
        self.keep("card", digits[:12], groups[:14])
        return self.random.choice((digits, groups))

    def arabic_card(self) -> str:
        card = self.card().translate(str.maketrans(string.digits, "٠١٢٣٤٥٦٧٨٩"))
        self.keep("card", card)
        return card

    def address(self) -> dict[str, Any]:
        return {
            "lines": [f"{self.random.randint(1, 99)} {self.name('address')}", self.name("address")],
            "city": self.word("address"),
            "region": self.word("address"),
            "postal_code": self.word("address"),
            "country": self.random.choice(("SA", "AE", "GB")),
        }

    def contact(self) -> dict[str, Any]:
        return {"name": self.name(), "email": self.email(), "phone": self.phone()}


ARABIC = "بتثجحخدذرزسشصضطظعغفقكلمن"


class Salted:
    """Salted events as they are on the wire: a canary in every string field that may hold what is personal.

    In clear are only what may be so downstream: `event_id`, `order_id`, countries, closed words.
    """

    def __init__(self, mint: Mint, occurred_at: str) -> None:
        self._mint = mint
        self._occurred_at = occurred_at
        self._number = 0

    def order(self, amount_minor: int = 10_000) -> dict[str, Any]:
        mint = self._mint
        ids = ("customer_id", "account_id", "session_id", "device_id", "seller_id", "tracking_ref", "promo_code")
        item = {"title": mint.name("title"), "unit_amount_minor": amount_minor}
        payment = {"method": "card", "last4": "1111", "bin": "411111", "issuer_country": "SA", "three_ds": "attempted"}
        return {
            **self._event("OrderPlaced"),
            **{field: mint.word(field) for field in ids},
            "order_id": f"ord-{self._number}",
            "amount_minor": amount_minor,
            "currency": "SAR",
            "items": [item | {field: mint.word(field) for field in ("sku", "category")}],
            "contact": mint.contact(),
            "billing": mint.address(),
            "shipping": mint.address(),
            "payment": payment | {field: mint.word(field) for field in ("psp_token", "psp_reference")},
            "ip": mint.ip(),
            "user_agent": self._user_agent(),
        }

    def visit(self) -> dict[str, Any]:
        mint = self._mint
        return {
            **self._event("VisitRecorded"),
            **{field: mint.word(field) for field in ("session_id", "device_id", "customer_id", "browser", "os")},
            "ip": mint.ip(),
            "location": {"country": "AE", "region": mint.word("region"), "city": mint.word("city")},
            "user_agent": self._user_agent(),
            "path": f"/products/{mint.word('path')}?email={mint.email()}",
            "referrer": f"https://{mint.word('referrer')}.example/{mint.word('referrer')}",
        }

    def activity(self) -> dict[str, Any]:
        mint = self._mint
        kind = mint.random.choice(list(ACTIVITIES))
        ids = {field: mint.word(field) for field in ("customer_id", "session_id", "device_id")}
        return {**self._event(kind), **ids, "ip": mint.ip(), **ACTIVITIES[kind](mint)}

    def refused(self) -> bytes:
        """An order that the guard refuses, in one of many ways, full of canaries all the same."""
        order = self.order()
        way = self._mint.random.choice(WAYS)
        spoilt = way(self._mint, order)
        return spoilt if isinstance(spoilt, bytes) else written(order)

    def _event(self, kind: str) -> dict[str, Any]:
        self._number += 1
        return {"type": kind, "event_id": f"evt-{self._number}", "occurred_at": self._occurred_at}

    def _user_agent(self) -> str:
        return f"Mozilla/5.0 ({self._mint.word('user_agent')}) {self._mint.word('user_agent')}/1.0"


def written(event: dict[str, Any], *, escaped: bool = True) -> bytes:
    return json.dumps(event, ensure_ascii=escaped).encode()


ACTIVITIES: dict[str, Callable[[Mint], dict[str, Any]]] = {
    "AccountRegistered": lambda mint: {"contact": mint.contact()},
    "AddressAdded": lambda mint: {"address": mint.address()},
    "PolicyAccepted": lambda mint: {"policy_version": mint.word("policy_version")},
    "PaymentAttempted": lambda mint: {
        "approved": False,
        "decline_code": mint.word("decline_code"),
        "psp_token": mint.word("psp_token"),
    },
    "ReviewSubmitted": lambda mint: {"sku": mint.word("sku")},
    "ContestEntered": lambda mint: {"contest_id": mint.word("contest_id")},
    "CallLogged": lambda mint: {
        "direction": "inbound",
        "purpose": "verification",
        "verified": True,
        "recording_ref": mint.word("recording_ref"),
    },
    "IdentityVerified": lambda mint: {
        "agency": mint.word("agency"),
        "verification_ref": mint.word("verification_ref"),
        "checks": [mint.word("checks")],
        "result": "passed",
    },
}

# Each spoils the order in place, or gives the body to send in its stead.
WAYS: tuple[Callable[[Mint, dict[str, Any]], bytes | None], ...] = (
    lambda mint, order: order["items"][0].update(title=f"for {mint.name()} {mint.card()}"),
    lambda mint, order: order.update({mint.word("unknown_name"): {"note": mint.card()}}),
    lambda mint, order: order.update(gift_note=f"{mint.name()} {mint.arabic_card()}"),
    lambda mint, order: order.update(gift_note=mint.name()),
    lambda mint, order: order["payment"].update(cvv="123", holder=mint.name()),
    lambda mint, order: order["payment"].update(psp_token=mint.card()),
    lambda mint, order: order.update(amount_minor=mint.word("amount")),
    lambda mint, order: order.update(ip=mint.word("ip")),
    lambda mint, order: order.update(customer_id=mint.email()),
    lambda mint, order: order.update(type=mint.word("type")),
    lambda mint, order: order.update(order_id=mint.card(), event_id=mint.card()),
    lambda mint, order: order.update(order_id=mint.email()),
    lambda mint, order: order["contact"].update(name=f"{mint.name()}\ud800"),
    lambda _, order: order.update(occurred_at="2099-01-01T00:00:00Z"),
    lambda _, order: written(order)[:-5],
    lambda _, order: b"\xff" + written(order, escaped=False),
    lambda mint, order: written(order).replace(b'"ip"', f'"{mint.word("unknown_name")}": "", "ip": "", "ip"'.encode()),
    lambda mint, _: f"{mint.name()} paid with {mint.card()}".encode(),
)
