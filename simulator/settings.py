"""What to simulate: the size of the store, its share of fraud, and how hard the fraud is to see."""

from datetime import UTC, datetime
from math import inf

import msgspec

from events.errors import AmanaError


class BadSettings(AmanaError):
    """A setting is outside its range; the message names it and the range."""


class Mix(msgspec.Struct, frozen=True, kw_only=True):
    """Of the fraudulent orders, how many are of each kind: any numbers, what counts is their share of the sum."""

    card_testing: float = 0.2
    account_takeover: float = 0.14
    stolen_card: float = 0.2
    scripted: float = 0.14
    fake_accounts: float = 0.08
    promotion_abuse: float = 0.1
    refund_abuse: float = 0.07
    friendly_fraud: float = 0.07

    def __post_init__(self) -> None:
        shares = msgspec.structs.astuple(self)
        if not (all(0 <= share < inf for share in shares) and sum(shares) > 0):
            raise BadSettings("mix: expected a share of 0 or more for each kind of fraud, and one above 0")

    def share(self, kind: str) -> float:
        """From 0 to 1."""
        return float(getattr(self, kind) / sum(msgspec.structs.astuple(self)))


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One seed and one `Settings` give the same events, byte for byte.

    `orders_per_day` counts genuine and fraudulent orders; `browsing` is visits without an order, per genuine order;
    `difficulty` runs from 0 (frauds take no care) to 1 (frauds imitate customers in all that they can).
    """

    seed: int = 7
    start: datetime = datetime(2026, 1, 4, tzinfo=UTC)
    days: int = 28
    customers: int = 4_000
    orders_per_day: float = 400.0
    browsing: float = 0.6
    refusing_cookies: float = 0.12
    fraud_share: float = 0.02
    mix: Mix = Mix()
    difficulty: float = 0.5

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.start.timestamp() % 86_400:
            raise BadSettings("start: expected a midnight in UTC")
        for name, low, high in RANGES:
            value = getattr(self, name)
            if not low <= value <= high:
                raise BadSettings(f"{name}: {value} is not between {low:g} and {high:g}")


RANGES = (
    ("days", 1, 3_650),
    ("customers", 1, 10_000_000),
    ("orders_per_day", 0, 10_000_000),
    ("browsing", 0, 100),
    ("refusing_cookies", 0, 1),
    ("fraud_share", 0, 0.5),
    ("difficulty", 0, 1),
)


def blend(easy: float, hard: float, difficulty: float) -> float:
    """A fraud's habit at this difficulty, between the careless and the careful one."""
    return easy + (hard - easy) * difficulty
