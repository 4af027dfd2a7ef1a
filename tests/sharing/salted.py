"""Orders as they are on the wire, fast and by the million: a canary in every string that may hold one.

A canary is a mark of eight letters written twice, so that any piece of eight letters of it is one of eight rotations,
then letters that tell canaries apart. Ids that a partner once issued, and may be given back, carry a mark of their own.
"""

import json
from random import Random
from string import ascii_uppercase
from typing import Any

MARK = "xqzjvkwp"
ECHOED = "yqfjhzgk"  # what a partner issued: it may come back to that partner, and to no other
ARABIC = "ظغضثذخشص"
RECORDED_AT_MS = 1_764_000_000_000
CURRENCIES = ("SAR", "AED", "KWD", "JPY", "EUR", "USD", "BHD", "EGP")
COUNTRIES = ("SA", "AE", "KW", "EG", "DE", "GB", "JP", "US", "ZA", "NZ")
REASONS = (
    "card.velocity", "card.declines", "card.spread", "card.frauds", "device.velocity", "device.declines",
    "device.spread", "ip.velocity", "ip.declines", "ip.spread", "network.velocity", "network.declines",
    "network.spread", "order.avs", "order.three_ds", "model.combined", "customer.age", "customer.spend",
    "email.disposable", "rule.blocked", "refused.card_number", "session.speed",
)  # fmt: skip
_CHOICES = {
    "method": ("card", "wallet", "bank_transfer", "cash_on_delivery", "voucher"),
    "avs": ("match", "partial", "mismatch", "unavailable"),
    "cvv_result": ("match", "mismatch", "unavailable"),
    "three_ds": ("authenticated", "attempted", "failed", "not_enrolled"),
}
_SHAPES = (
    "{0}{1}",
    "{1} {0}",
    "<b>{0}</b> {1}",
    "{0}\n{1}",
    '"{0}", {{"n": "{1}"}}',
    "😀{0}\u200f{1}",
    "https://{0}.{1}/?q={0}",
)


def rotations(mark: str) -> list[str]:
    """Every piece of the mark's length that the mark, written twice, holds."""
    return [mark[at:] + mark[:at] for at in range(len(mark))]


class Salted:
    """Makes orders; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def word(self, mark: str = MARK) -> str:
        """An id with a canary in it, in upper, lower or mixed case."""
        rng = self.random
        canary = (mark * 2).swapcase() if rng.random() < 0.3 else (mark * 2).title() if rng.random() < 0.3 else mark * 2
        return canary + rng.choice(("", "-", ".", ":", "_")) + "".join(rng.choices(ascii_uppercase, k=6))

    def text(self) -> str:
        mark = ARABIC if self.random.random() < 0.25 else MARK
        return self.random.choice(_SHAPES).format(mark * 2, self.random.randrange(10 ** self.random.choice((2, 3, 6))))

    def email(self) -> str:
        return self.text() if self.random.random() < 0.3 else f"{MARK * 2}{self.random.randrange(999)}@{MARK}.example"

    def phone(self) -> str:
        return MARK * 2 if self.random.random() < 0.3 else f"+9665{self.random.randrange(10**8):08}"

    def maybe(self, value: Any) -> Any:
        return value if self.random.random() < 0.85 else None

    def ip(self) -> str:
        rng = self.random
        kind = rng.random()
        if kind < 0.6:
            old = ".".join(str(rng.randrange(256)) for _ in range(4))
            return old if kind < 0.55 else f"::ffff:{old}"
        # A letter in each group: eight groups of decimal digits alone may be a card's number to the guard.
        groups = [f"{rng.getrandbits(16) | 0xA000:x}" for _ in range(8)]
        if kind < 0.85:
            return ":".join(groups)
        at, zeros = rng.randrange(1, 4), rng.randrange(2, 5)
        return ":".join(groups[:at]) + "::" + ":".join(groups[at + zeros :]).upper()

    def moment(self) -> str:
        """A time of any zone before the record's own."""
        rng = self.random
        seconds = rng.randrange(1_500_000_000, RECORDED_AT_MS // 1000 - 86_400)
        offset = rng.choice((0, 0, 180, -300, 330, 840, -720))
        local = _written(seconds + offset * 60)
        fraction = rng.choice(("", ".5", f".{rng.randrange(10**6):06}"))
        sign, minutes = ("+" if offset >= 0 else "-"), abs(offset)
        return (
            local
            + fraction
            + (rng.choice(("Z", "+00:00")) if offset == 0 else f"{sign}{minutes // 60:02}:{minutes % 60:02}")
        )

    def address(self) -> dict[str, Any]:
        rng = self.random
        postal = rng.choice((MARK * 2, f"{rng.randrange(10**5):05}", "SW1A 1AA", "12345-6789", "123 45"))
        return _without_none(
            {
                "lines": [self.text() for _ in range(rng.randrange(4))],
                "city": self.maybe(rng.choice((self.text(), "Riyadh", "jeddah ", "الرياض", "London"))),
                "region": self.maybe(self.text()),
                "postal_code": self.maybe(postal),
                "country": rng.choice(COUNTRIES),
            }
        )

    def payment(self) -> dict[str, Any]:
        rng = self.random
        return _without_none(
            {name: self.maybe(rng.choice(choices)) for name, choices in _CHOICES.items()}
            | {
                "method": rng.choice(_CHOICES["method"]),
                "psp_token": self.maybe(self.word()),
                "psp_reference": self.maybe(self.word(ECHOED)),
                "last4": self.maybe(f"{rng.randrange(10**4):04}"),
                "bin": self.maybe(f"{rng.randrange(10**6, 10**8)}"),
                "issuer_country": self.maybe(rng.choice(COUNTRIES)),
            }
        )

    def items(self) -> list[dict[str, Any]]:
        rng = self.random
        many = 120 if rng.random() < 0.001 else rng.randrange(4)
        return [
            {"sku": self.word(), "title": self.text(), "category": self.word(), "quantity": rng.randrange(1, 9),
             "unit_amount_minor": rng.randrange(10**6)}
            for _ in range(many)
        ]  # fmt: skip

    def order(self) -> dict[str, Any]:
        rng = self.random
        amount = rng.choice(
            (0, 1, 99, 100, 101, 10**12, rng.randrange(10**4), rng.randrange(10**6), rng.randrange(10**9))
        )
        contact = {"name": self.text(), "email": self.maybe(self.email()), "phone": self.maybe(self.phone())}
        ids = ("account_id", "session_id", "device_id", "seller_id", "promo_code")
        return _without_none(
            {name: self.maybe(self.word()) for name in ids}
            | {
                "type": "OrderPlaced",
                "event_id": self.word(),
                "occurred_at": self.moment(),
                "order_id": self.word(),
                "customer_id": self.word(),
                "amount_minor": amount,
                "currency": rng.choice(CURRENCIES),
                "items": self.items(),
                "contact": _without_none(contact),
                "billing": self.maybe(self.address()),
                "shipping": self.maybe(self.address()),
                "payment": self.payment(),
                "tracking_ref": self.maybe(self.word(ECHOED)),
                "ip": self.ip(),
                "user_agent": self.maybe(self.text()),
                "is_gift": rng.random() < 0.5,
            }
        )

    def decision(self) -> dict[str, Any]:
        """What was decided on it; a reason may be anything, as when a rule's writer put a name into its code."""
        rng = self.random
        reasons = rng.sample(REASONS, rng.randrange(5)) + ([self.text()] if rng.random() < 0.3 else [])
        rng.shuffle(reasons)
        decision_id = self.word()
        deadline = {"instruction": rng.choice(("hold", "release")), "deadline": self.moment()}
        return {
            "decision_id": decision_id,
            "outcome": rng.choice(("approve", "review", "block")),
            "reasons": reasons,
            "verdict": rng.choice(("suspected", "confirmed", "cleared")),
            "verification": self.maybe(self.verification()),
            "fulfilment": self.maybe(deadline),
            "request": self.maybe(self.request(decision_id)),
            "at_ms": RECORDED_AT_MS,
        }

    def verification(self) -> dict[str, Any]:
        rng = self.random
        return {
            "agency": rng.choice(("verification-agency", "verification-agency", "everything", "another")),
            "verification_ref": self.word(ECHOED),
            "result": rng.choice(("passed", "failed", "inconclusive")),
            "failed_check": self.maybe(rng.choice(("name", "document", "face", "other"))),
            "verified_at": self.moment(),
        }

    def request(self, decision_id: str) -> dict[str, Any]:
        """Mostly in order; else for another case, too late, or approved by one person twice."""
        rng = self.random
        named = ("name", "email", "phone", "shipping", "billing", "ip", "amount", "occurred_at", "last4")
        return {
            "reference": f"LE-{rng.randrange(10**6)}",
            "decision_id": decision_id if rng.random() < 0.9 else self.word(),
            "fields": rng.sample(named, rng.randrange(1, 5)) + (["customer_id"] if rng.random() < 0.05 else []),
            "expires_at_ms": RECORDED_AT_MS + (1 if rng.random() < 0.9 else 0),
            "approved_by": rng.choice((("a", "b"), ("a", "b", "c"), ("a", "b"), ("a", "a"), ("a",))),
        }


def body(order: dict[str, Any]) -> bytes:
    return json.dumps(order, ensure_ascii=False).encode()


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _written(seconds: int) -> str:
    """Seconds since 1970 as `YYYY-MM-DDTHH:MM:SS`, counted by hand (civil-from-days)."""
    days, rest = divmod(seconds, 86_400)
    era, day = divmod(days + 719_468, 146_097)
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    date = day - (153 * month + 2) // 5 + 1
    month += 3 if month < 10 else -9
    year += era * 400 + (month <= 2)
    return f"{year:04}-{month:02}-{date:02}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
