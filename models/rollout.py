"""Which models score orders, and which of them decides: the champion, and a challenger that decides a share or none.

A challenger with a share of 0 runs in shadow: it scores every order, and its scores stand in the decisions.
"""

from collections.abc import Sequence
from hashlib import blake2b

import msgspec
import numpy as np
from numpy.typing import NDArray

from events.facts import OrderFact
from models.policy import Policy
from models.scoring import Scorer

_WHOLE = 2**64


class Challenger(msgspec.Struct, frozen=True):
    """A model beside the champion, with the policy that it came with; it decides `share` of the orders, 0 to 1."""

    scorer: Scorer
    policy: Policy
    share: float = 0.0


class Rollout(msgspec.Struct, frozen=True):
    """What orders are decided with. Without a scorer the rules decide alone, and there is no challenger."""

    scorer: Scorer | None
    policy: Policy
    challenger: Challenger | None = None


def drawn(orders: Sequence[OrderFact], challenger: str, share: float) -> NDArray[np.bool_]:
    """Which orders a challenger, a version's name, decides: those of the customers whose hash is below the share.

    The hash is BLAKE2b of 64 bits, keyed by the challenger's name, over the customer's pseudonym (the order's id where
    no customer is known). So all orders of a customer are decided by one model, in every process and after every
    restart; a larger share has the smaller one's customers in it; and another challenger draws others.
    """
    if not 0.0 < share < 1.0:
        return np.full(len(orders), share >= 1.0)
    key, below = challenger.encode(), share * _WHOLE
    return np.fromiter((_place(order, key) < below for order in orders), dtype=bool, count=len(orders))


def _place(order: OrderFact, key: bytes) -> int:
    whose = order.entities.customer or order.order_id
    return int.from_bytes(blake2b(whose.encode(), digest_size=8, key=key).digest())
