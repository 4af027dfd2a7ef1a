"""From a score to an outcome: the one that is expected to cost least, within the time that analysts have.

Approving an order costs, with its probability of fraud, what a missed fraud costs; blocking it, with the probability
that it is genuine, what a lost good order costs; reviewing it costs the analyst's time, and what analysts get wrong.
Time is scarce: where more orders are worth a review than there is time for, reviews have a price besides, the lowest at
which there is time (the constraint's Lagrange multiplier). It is learned in training and kept with the model, so that
an order's outcome depends on its own probability and amount alone.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.decisions import Outcome
from models.errors import BadPolicy

Floats = NDArray[np.float64]

AMOUNT = "order.amount_usd"
RULES_FIND = 0.3  # the probability of fraud that stands in where a rule flagged an order and no score says more
_AT_MOST = {"review_finds": 1.0, "review_loses": 0.99}
_NEVER_ZERO = frozenset({"review_cents", "review_minutes", "review_finds", "missed_fraud_cents", "lost_order_cents"})
ORDERED: tuple[Outcome, ...] = ("approve", "review", "block")


class Costs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What outcomes cost: US cents, and shares of the order's amount. A store's own numbers belong here.

    The defaults are of a store that pays an analyst 24 dollars an hour for twelve reviews; loses the goods and a
    chargeback fee of 25 dollars with a fraud that it misses; and loses its margin of 30 % with a good order that it
    turns away, and 10 dollars of other business.
    """

    review_cents: float = 200.0
    review_minutes: float = 5.0
    review_finds: float = 0.8  # of the frauds reviewed, the share that is found
    review_loses: float = 0.03  # of the good orders reviewed, the share that is lost: refused, or too late
    missed_fraud_share: float = 1.0
    missed_fraud_cents: float = 2_500.0
    lost_order_share: float = 0.3
    lost_order_cents: float = 1_000.0

    def __post_init__(self) -> None:
        for name, value in msgspec.structs.asdict(self).items():
            most = _AT_MOST.get(name, 1e12)
            if not 0.0 <= value <= most or (value == 0.0 and name in _NEVER_ZERO):
                wanted = "more than 0" if name in _NEVER_ZERO else "0 or more"
                raise BadPolicy(f"cost table: {name}: expected {wanted}, at most {most:g}, got {value}")


class Policy(msgspec.Struct, frozen=True):
    """The cheapest outcome by `costs`, reviews at `price_cents` besides; or, where given, by fixed thresholds.

    Scores from `review_at` on are then reviewed, whatever their amount, and scores from `block_at` on blocked; both are
    probabilities in [0, 1]. `typical_usd` stands in for an amount that is not known.
    """

    review_at: float | None = None
    block_at: float | None = None
    costs: Costs = Costs()
    price_cents: float = 0.0
    typical_usd: float = 100.0

    def __post_init__(self) -> None:
        review_at = 0.0 if self.review_at is None else self.review_at
        block_at = 1.0 if self.block_at is None else self.block_at
        if not 0.0 <= review_at <= block_at <= 1.0:
            raise BadPolicy(f"expected 0 <= review_at <= block_at <= 1, got {self.review_at} and {self.block_at}")
        if not (self.price_cents >= 0.0 and self.typical_usd >= 0.0):
            raise BadPolicy(f"expected amounts of 0 or more, got {self.price_cents} cents, {self.typical_usd} dollars")

    def outcomes(self, scores: Floats, amounts_usd: Floats) -> list[Outcome]:
        """One outcome a score; a score that is not a number is a fault of the model and raises ValueError."""
        return [ORDERED[rank] for rank in self.ranks(scores, amounts_usd).tolist()]

    def ranks(self, scores: Floats, amounts_usd: Floats) -> NDArray[np.intp]:
        """Of each outcome its place in ORDERED."""
        if np.isnan(scores).any():
            raise ValueError("a score is not a number")
        approve, review, block = self.expected_cents(scores, amounts_usd)
        worth_it, not_approved = np.minimum(approve, block) - review >= self.price_cents, block <= approve
        blocked = not_approved & ~worth_it if self.block_at is None else scores >= self.block_at
        flagged = blocked | (not_approved | worth_it if self.review_at is None else scores >= self.review_at)
        return flagged.astype(np.intp) + blocked

    def priorities(self, scores: Floats, amounts_usd: Floats) -> list[float]:
        """US cents that a review is expected to save a minute of work, against the cheaper of approving and blocking.

        Negative where a review costs more than it saves.
        """
        approve, review, block = self.expected_cents(scores, amounts_usd)
        saved: Floats = np.minimum(approve, block) - review
        return [round(cents, 2) for cents in (saved / self.costs.review_minutes).tolist()]

    def unscored(self, amounts_usd: Floats, scores: Floats | None = None) -> list[float]:
        """`priorities` of orders that a rule flagged: as of RULES_FIND, or of a score that says more than the rule."""
        stands_in = np.full(len(amounts_usd), RULES_FIND)
        return self.priorities(stands_in if scores is None else np.maximum(scores, stands_in), amounts_usd)

    def expected_cents(self, scores: Floats, amounts_usd: Floats) -> tuple[Floats, Floats, Floats]:
        """What approving, reviewing and blocking each order is expected to cost, without the price of reviews."""
        fraud, good = self._losses(amounts_usd)
        approve, block = scores * fraud, (1.0 - scores) * good
        costs = self.costs
        review = costs.review_cents + (1.0 - costs.review_finds) * approve + costs.review_loses * block
        return approve, review, block

    def thresholds(self, amount_usd: float) -> tuple[float, float]:
        """The scores from which an order of this amount is reviewed and blocked; over 1 or equal: never reviewed."""
        fraud, good = (float(loss[0]) for loss in self._losses(np.array([amount_usd])))
        finds, loses = self.costs.review_finds, self.costs.review_loses
        review_cents, even = self.costs.review_cents + self.price_cents, good / (good + fraud)
        before = (review_cents + loses * good) / (finds * fraud + loses * good)  # approving and reviewing cost the same
        until = ((1 - loses) * good - review_cents) / ((1 - finds) * fraud + (1 - loses) * good)  # and blocking
        review_at = min(before, even) if self.review_at is None else self.review_at
        block_at = max(until, even) if self.block_at is None else self.block_at
        return min(review_at, block_at), block_at

    def _losses(self, amounts_usd: Floats) -> tuple[Floats, Floats]:
        """US cents that approving a fraud loses, and that blocking a good order loses."""
        cents = 100.0 * np.where(np.isnan(amounts_usd), self.typical_usd, amounts_usd)
        costs = self.costs
        return (
            costs.missed_fraud_share * cents + costs.missed_fraud_cents,
            costs.lost_order_share * cents + costs.lost_order_cents,
        )


def costs_from(text: bytes, where: str) -> Costs:
    """A cost table written as YAML; what it does not name is as by default. Raises BadPolicy."""
    try:
        return msgspec.yaml.decode(text or b"{}", type=Costs)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadPolicy(f"{where}: {error}") from None


def within_capacity(scores: Floats, amounts_usd: Floats, costs: Costs, reviews: float) -> Policy:
    """The policy that reviews at most so many of these orders: those whose review saves most, if it saves anything."""
    known = amounts_usd[~np.isnan(amounts_usd)]
    free = Policy(costs=costs, typical_usd=float(np.median(known)) if len(known) else Policy().typical_usd)
    approve, review, block = free.expected_cents(scores, amounts_usd)
    saved, count = np.unique(np.minimum(approve, block) - review, return_counts=True)
    too_many = saved[np.cumsum(count[::-1])[::-1] > reviews]
    price = float(np.nextafter(too_many[-1], np.inf)) if len(too_many) else 0.0
    return msgspec.structs.replace(free, price_cents=max(0.0, price))


def amounts_of(matrix: NDArray[np.float32] | Floats, names: Sequence[str]) -> Floats:
    """Each order's amount in US dollars, of vectors with these names; NaN where they do not have it."""
    found: Any = matrix[:, names.index(AMOUNT)] if AMOUNT in names else np.full(len(matrix), np.nan)
    return np.asarray(found, dtype=np.float64)
