"""The kinds of fraud, one module each: a documented signature, an average size, a story to write.

In: the shop, a seeded source, a moment. Out: one story's events, marked with its kind.
Never: a field that tells by itself; habits must.
"""

from collections.abc import Callable
from random import Random

import msgspec

from simulator.frauds import (
    account_takeover,
    card_testing,
    fake_accounts,
    friendly_fraud,
    promotion_abuse,
    refund_abuse,
    scripted,
    stolen_card,
)
from simulator.shopping import Shop


class Kind(msgspec.Struct, frozen=True):
    """`orders` is the mean number of a story's fraudulent orders; what share a kind has of them is a setting."""

    name: str
    orders: float
    story: Callable[[Shop, Random, int], None]


KINDS = tuple(
    Kind(module.NAME, sum(module.ORDERS) / 2, module.story)
    for module in (
        card_testing,
        account_takeover,
        stolen_card,
        scripted,
        fake_accounts,
        promotion_abuse,
        refund_abuse,
        friendly_fraud,
    )
)
