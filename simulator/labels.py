"""What becomes known about an order, and when: chargebacks after days to weeks, analysts' findings sooner."""

from collections.abc import Callable
from datetime import timedelta
from math import log
from random import Random

from events import types
from simulator.clock import DAY_MS, HOUR_MS
from simulator.journal import EPOCH, Journal

# Of each kind's frauds: the share whose payment is disputed, and the share that an analyst finds first.
KNOWN = {
    "card_testing": (0.72, 0.35),
    "account_takeover": (0.75, 0.3),
    "stolen_card": (0.85, 0.25),
    "scripted": (0.55, 0.45),
    "fake_accounts": (0.1, 0.55),
    "promotion_abuse": (0.02, 0.6),
    "refund_abuse": (0.1, 0.55),
    "friendly_fraud": (0.95, 0.05),
}
DISMISSED = 0.012
_CHARGEBACK_MEDIAN_DAYS = 9.0


def follow(journal: Journal, rng: Random, order_id: str, at_ms: int, fraud: str | None, striking: bool) -> None:
    """Write the order's labels; some frauds never get one, some good orders are looked at and dismissed."""
    if fraud is None:
        if rng.random() < DISMISSED * (3 if striking else 0.7):
            _label(journal, types.FraudDismissed, order_id, at_ms + _findings_ms(rng))
        return
    disputed, found = KNOWN[fraud]
    if rng.random() < found:
        _label(journal, types.FraudConfirmed, order_id, at_ms + _findings_ms(rng))
    if rng.random() < disputed:
        days = min(90.0, 2.0 + rng.lognormvariate(log(_CHARGEBACK_MEDIAN_DAYS - 2), 0.7))
        _label(journal, types.ChargebackReceived, order_id, at_ms + int(days * DAY_MS))


def _findings_ms(rng: Random) -> int:
    return int(HOUR_MS * (1 + rng.expovariate(1 / 20)))


def _label(journal: Journal, label_type: Callable[..., types.LabelEvent], order_id: str, at_ms: int) -> None:
    journal.write(label_type, at_ms, order_id=order_id, labelled_at=EPOCH + timedelta(milliseconds=at_ms))
