"""Made-up personal values, and a search that finds them in bytes however they were written there.

A canary is at least eight bytes that occur nowhere by chance. The haystack is undone rather than the canary encoded: it
is read as it is, backwards, as hexadecimal digits and as base64 at each alignment, in each of these with JSON's and
URLs' escapes undone and in lower case; what is then looked for is one text a canary.
"""

import re
import string
from binascii import a2b_base64, unhexlify
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any
from urllib.parse import unquote_to_bytes

import numpy as np

WINDOW = 8  # bytes, read as one number
TABLE_BITS = 22

_ESCAPED = re.compile(rb"\\+u([0-9A-Fa-f]{4})")
_PAIR = re.compile(rb"\\+u([Dd][89ABab][0-9A-Fa-f]{2})\\+u([Dd][C-Fc-f][0-9A-Fa-f]{2})")
_HEX = re.compile(rb"[0-9A-Fa-f]{%d,}" % (2 * WINDOW))
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{%d,}" % (WINDOW * 4 // 3))
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


class Search:
    """Finds canaries; cheap for a hundred thousand of them in a hundred megabytes."""

    def __init__(self, canaries: Iterable[str]) -> None:
        self._by_window: dict[int, list[bytes]] = {}
        for needle in {canary.lower().encode() for canary in canaries}:
            assert len(needle) >= WINDOW, "a canary has at least eight bytes"
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
        maybe = np.flatnonzero(self._table[_slots(windows)])
        for at in maybe[np.isin(windows[maybe], self._windows)].tolist():
            for needle in self._by_window[int(windows[at])]:
                if form.startswith(needle, at):
                    yield needle


def _slots(windows: np.ndarray) -> np.ndarray:
    return (windows * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - TABLE_BITS)


def forms(haystack: bytes) -> Iterator[bytes]:
    """The haystack read in each way, one after another."""
    plain = _fold(haystack)
    yield plain
    yield plain[::-1]
    runs = _HEX.findall(haystack)
    for start in (0, 1):
        yield _fold(b"\0".join(unhexlify(_filled(run[start:], 2, b"0")) for run in runs))
    runs = [run.translate(_URL_SAFE) for run in _BASE64.findall(haystack)]
    for start in range(4):
        yield _fold(b"\0".join(a2b_base64(_filled(run[start:], 4, b"A")) for run in runs))


def _filled(run: bytes, size: int, filler: bytes) -> bytes:
    return run + filler * (-len(run) % size)


def _fold(text: bytes) -> bytes:
    """Escapes undone and letters lower; text that is no UTF-8 keeps its bytes."""
    if b"\\u" in text:
        text = _PAIR.sub(lambda pair: _character(int(pair[1], 16), int(pair[2], 16)), text)
        text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)).encode("utf-8", "surrogatepass"), text)
    if b"%" in text:
        text = unquote_to_bytes(text)
    return text.lower()


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


class Store:
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
        kind = mint.random.choice(sorted(self._own_fields()))
        return {
            **self._event(kind),
            **{field: mint.word(field) for field in ("customer_id", "session_id", "device_id")},
            "ip": mint.ip(),
            **self._own_fields()[kind],
        }

    def _own_fields(self) -> dict[str, dict[str, Any]]:
        mint = Mint(self._mint.random.getrandbits(64))
        fields: dict[str, dict[str, Any]] = {
            "AccountRegistered": {"contact": mint.contact()},
            "AddressAdded": {"address": mint.address()},
            "PolicyAccepted": {"policy_version": mint.word("policy_version")},
            "PaymentAttempted": {
                "approved": False,
                "decline_code": mint.word("decline_code"),
                "psp_token": mint.word("psp_token"),
            },
            "ReviewSubmitted": {"sku": mint.word("sku")},
            "ContestEntered": {"contest_id": mint.word("contest_id")},
            "CallLogged": {
                "direction": "inbound",
                "purpose": "verification",
                "verified": True,
                "recording_ref": mint.word("recording_ref"),
            },
            "IdentityVerified": {
                "agency": mint.word("agency"),
                "verification_ref": mint.word("verification_ref"),
                "checks": [mint.word("checks")],
                "result": "passed",
            },
        }
        return fields

    def _event(self, kind: str) -> dict[str, Any]:
        self._number += 1
        return {"type": kind, "event_id": f"evt-{self._number}", "occurred_at": self._occurred_at}

    def _user_agent(self) -> str:
        return f"Mozilla/5.0 ({self._mint.word('user_agent')}) {self._mint.word('user_agent')}/1.0"
