"""What a set of rules says of a chunk's orders."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.decisions import Outcome, Reason
from models.policy import ORDERED
from models.rules.language import Expression
from models.rules.orders import Orders

Action = Literal["block", "review", "approve", "add_score"]


class Rule(msgspec.Struct, frozen=True):
    """`when` is its condition; it fires for orders placed before `expires_ms`, by their own time.

    `points` are what it adds to a score. A `shadow` rule is only ever noted.
    """

    name: str
    code: str
    when: Expression
    action: Action
    owner: str
    expires_ms: float
    shadow: bool
    points: float


class Verdict(msgspec.Struct, frozen=True):
    """What the rules that fired say of an order.

    `outcome` is the strictest that they name, None where none names one; `approved` where one says approve, which
    stands against all others. `points` are added to the score. `shadow` has the codes of the shadow rules that fired.
    """

    outcome: Outcome | None = None
    approved: bool = False
    points: float = 0.0
    reasons: tuple[Reason, ...] = ()
    shadow: tuple[str, ...] = ()


SILENT = Verdict()


class Ruleset(msgspec.Struct, frozen=True):
    """`hash` stands for `text`, the file that it was read from; decisions carry it. `name` is the set's."""

    name: str
    hash: str
    text: str
    rules: tuple[Rule, ...]

    def judge(self, orders: Orders) -> list[Verdict]:
        """A verdict for each order, by that order alone."""
        verdicts = [SILENT] * len(orders)
        if not self.rules or not verdicts:
            return verdicts
        fired = self.fired(orders)
        for row in np.flatnonzero(fired.any(axis=0)).tolist():
            verdicts[row] = self._verdict(np.flatnonzero(fired[:, row]).tolist(), orders, row)
        return verdicts

    def fired(self, orders: Orders) -> NDArray[np.bool_]:
        """(rules, orders): which rule fires for which order, shadow rules too."""
        fired = np.empty((len(self.rules), len(orders)), dtype=np.bool_)
        with np.errstate(all="ignore"):
            for at, rule in enumerate(self.rules):
                fired[at] = rule.when.fires(orders) & (orders.occurred_at_ms < rule.expires_ms)
        return fired

    def _verdict(self, fired: Sequence[int], orders: Orders, row: int) -> Verdict:
        rules = [self.rules[at] for at in fired]
        live = [rule for rule in rules if not rule.shadow]
        approving = [rule for rule in live if rule.action == "approve"]
        others = [rule for rule in live if rule.action != "approve"]
        named: list[Any] = [rule.action for rule in others if rule.action != "add_score"]
        reasons = [reason for rule in (*approving, *others) for reason in _reasons(rule, orders, row)]
        return Verdict(
            max(named, key=ORDERED.index, default=None),
            bool(approving),
            sum((rule.points for rule in live), 0.0),
            tuple(dict.fromkeys(reasons)),
            tuple(dict.fromkeys(rule.code for rule in rules if rule.shadow)),
        )


def _reasons(rule: Rule, orders: Orders, row: int) -> list[Reason]:
    """One for each number that the rule looked at and the order has; without any, the code alone."""
    values = [(name, orders.value(name, column, row)) for name, column in rule.when.looked_at]
    return [Reason(rule.code, name, value) for name, value in values if value is not None] or [Reason(rule.code)]
