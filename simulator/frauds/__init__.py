"""The kinds of fraud, one module each: a documented signature, an average size, a story to write.

In: the shop, a seeded source, a moment. Out: one story's events, marked with its kind.
Never: a field that tells by itself; habits must.
"""

from collections.abc import Callable
from random import Random

import msgspec

from simulator.frauds import account_takeover, card_testing, scripted, stolen_card
from simulator.shopping import Shop


class Kind(msgspec.Struct, frozen=True):
    """`share` is of all fraudulent orders; `orders` the mean number of a story's orders."""

    name: str
    share: float
    orders: float
    story: Callable[[Shop, Random, int], None]


KINDS = (
    Kind(card_testing.NAME, 0.28, sum(card_testing.ORDERS) / 2, card_testing.story),
    Kind(account_takeover.NAME, 0.22, sum(account_takeover.ORDERS) / 2, account_takeover.story),
    Kind(stolen_card.NAME, 0.28, sum(stolen_card.ORDERS) / 2, stolen_card.story),
    Kind(scripted.NAME, 0.22, sum(scripted.ORDERS) / 2, scripted.story),
)
