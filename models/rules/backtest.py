"""Rules over orders of the past: what each would have caught, and what of it was fraud."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.decisions import Outcome
from models.policy import ORDERED, Policy
from models.rules.deciding import concluded
from models.rules.judging import Action, Rule, Ruleset
from models.rules.orders import Floats, Orders

Bools = NDArray[np.bool_]


class Past(msgspec.Struct, frozen=True):
    """Orders with what became of them: `fraud` is 1, 0, or NaN where nothing is known; `cents` US cents, or NaN.

    `fields` are those that are known of the orders; a rule that looks at another cannot be judged by them.
    """

    orders: Orders
    fraud: Floats
    cents: Floats
    fields: frozenset[str]


class Hits(msgspec.Struct, frozen=True, kw_only=True):
    """Orders, those of known outcome among them, frauds among these; amounts in USD. `precision` is frauds / known."""

    orders: int
    known: int
    frauds: int
    precision: float | None
    usd: float
    fraud_usd: float
    genuine_usd: float


class OfRule(msgspec.Struct, frozen=True, kw_only=True):
    """`alone` counts the orders for which no other rule fired; `unknown_fields` are those that nothing is known of."""

    name: str
    code: str
    action: Action
    shadow: bool
    fired: Hits
    alone: int
    unknown_fields: tuple[str, ...]


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """`outcomes` are those of the rules without a model."""

    rules: str
    all: Hits
    outcomes: dict[Outcome, Hits]
    by_rule: list[OfRule]


def backtest(ruleset: Ruleset, past: Past, policy: Policy) -> Backtest:
    """`policy` is for points, by the order's amount; a shadow rule is counted as the others are, but never decides."""
    fired = ruleset.fired(past.orders)
    firing = fired.sum(axis=0)
    made = concluded(None, ruleset.judge(past.orders), policy, past.cents / 100)
    outcomes = np.array(made.outcomes, dtype=object)
    return Backtest(
        rules=ruleset.hash,
        all=_hits(past, np.ones(len(past.orders), dtype=np.bool_)),
        outcomes={outcome: _hits(past, outcomes == outcome) for outcome in ORDERED},
        by_rule=[_of_rule(rule, past, where, firing) for rule, where in zip(ruleset.rules, fired, strict=True)],
    )


def _of_rule(rule: Rule, past: Past, where: Bools, firing: NDArray[np.intp]) -> OfRule:
    return OfRule(
        name=rule.name,
        code=rule.code,
        action=rule.action,
        shadow=rule.shadow,
        fired=_hits(past, where),
        alone=int((where & (firing == 1)).sum()),
        unknown_fields=unknown(rule, past.fields),
    )


def unknown(rule: Rule, fields: frozenset[str]) -> tuple[str, ...]:
    return tuple(field for field in rule.when.fields if field not in fields)


def _hits(past: Past, where: Bools) -> Hits:
    fraud, cents = past.fraud[where], past.cents[where]
    known, frauds = int((~np.isnan(fraud)).sum()), int((fraud == 1).sum())
    return Hits(
        orders=int(where.sum()),
        known=known,
        frauds=frauds,
        precision=frauds / known if known else None,
        usd=_usd(cents),
        fraud_usd=_usd(cents[fraud == 1]),
        genuine_usd=_usd(cents[fraud == 0]),
    )


def _usd(cents: Sequence[float] | Floats) -> float:
    return float(np.nansum(cents)) / 100
