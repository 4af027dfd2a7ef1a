"""A first set of rules: they conclude where there is no model.

A rule looks at one feature by name, for a whole matrix at once; a feature that the definitions do not have, or that is
NaN for an order, never fires.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.decisions import Outcome, Reason
from models.policy import ORDERED


class Rule(msgspec.Struct, frozen=True):
    """Fires where `feature` is at least `at_least`; `code` is the reason it gives."""

    code: str
    feature: str
    at_least: float
    outcome: Outcome


class Verdict(msgspec.Struct, frozen=True):
    """The strictest outcome of the rules that fired, and a reason for each of them."""

    outcome: Outcome = "approve"
    reasons: tuple[Reason, ...] = ()


RULES = (
    Rule("card.velocity", "card.orders.count.1h", 4, "review"),
    Rule("device.velocity", "device.orders.count.1h", 5, "review"),
    Rule("ip.velocity", "ip.orders.count.1h", 10, "review"),
    Rule("card.declines", "card.declines.count.1h", 3, "review"),
    Rule("ip.declines", "ip.declines.count.1h", 8, "review"),
)
_SILENT = Verdict()


def judge(matrix: NDArray[np.float64], names: Sequence[str], rules: Sequence[Rule] = RULES) -> list[Verdict]:
    """One verdict for each row of `matrix`, whose columns are `names`."""
    column = {name: index for index, name in enumerate(names)}
    known = [rule for rule in rules if rule.feature in column]
    values = matrix[:, [column[rule.feature] for rule in known]]
    fired = values >= np.array([rule.at_least for rule in known])
    verdicts = [_SILENT] * len(matrix)
    for row in np.flatnonzero(fired.any(axis=1)).tolist():
        verdicts[row] = _verdict(known, fired[row], values[row])
    return verdicts


def _verdict(rules: Sequence[Rule], fired: NDArray[np.bool_], values: NDArray[np.float64]) -> Verdict:
    hits = [(rules[index], float(values[index])) for index in np.flatnonzero(fired).tolist()]
    strictest = max((rule.outcome for rule, _ in hits), key=ORDERED.index)
    return Verdict(strictest, tuple(Reason(rule.code, rule.feature, value) for rule, value in hits))
