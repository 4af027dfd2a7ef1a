"""One decision for each decided fact: score, outcome, reasons."""

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec
import numpy as np

from events.facts import OrderFact, RefusedOrder
from models import rules
from models.decisions import FLAGGED, Decision, Outcome, Reason
from models.errors import ForeignVectors
from models.policy import Policy, amounts_of
from models.scoring import Matrix, Scorer

Decided = OrderFact | RefusedOrder


class Definitions(Protocol):
    """What the numbers of a vector are: their names in order, and the hash that stands for them."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def hash(self) -> str: ...


class _Verdict(msgspec.Struct, frozen=True):
    mode: Literal["model", "rules"]
    outcome: Outcome
    reasons: tuple[Reason, ...]
    score: float | None = None
    model: str | None = None
    priority: float | None = None


def conclude(
    facts: Sequence[Decided],
    matrix: Matrix,
    scorer: Scorer | None,
    policy: Policy,
    definitions: Definitions,
    *,
    flags: tuple[str, ...] = (),
) -> list[Decision]:
    """Decisions in the order of `facts`, of which row i of `matrix` (facts, features) is the vector.

    Without a scorer the rules decide, and the decision's mode says so. A refused order is reviewed for the reason of
    its refusal. Every decision carries `flags`. Raises ForeignVectors when the scorer learned from other definitions.
    """
    if matrix.shape != (len(facts), len(definitions.names)):
        raise ForeignVectors(f"expected a matrix of {(len(facts), len(definitions.names))}, got {matrix.shape}")
    placed = matrix[[row for row, fact in enumerate(facts) if isinstance(fact, OrderFact)]]
    verdicts = iter(
        _by_rules(placed, definitions) if scorer is None else _by_model(placed, scorer, policy, definitions)
    )
    vectors = np.ascontiguousarray(matrix, dtype="<f8").tobytes()
    width = 8 * matrix.shape[1]
    return [
        _refused(fact, flags)
        if isinstance(fact, RefusedOrder)
        else _decided(fact, next(verdicts), definitions.hash, vectors[row * width : (row + 1) * width], flags)
        for row, fact in enumerate(facts)
    ]


def _by_model(matrix: Matrix, scorer: Scorer, policy: Policy, definitions: Definitions) -> list[_Verdict]:
    if scorer.definitions != definitions.hash:
        raise ForeignVectors(
            f"model {scorer.version} was trained on definitions {scorer.definitions}, not on {definitions.hash}: "
            "train again, or load the model that belongs to them"
        )
    scores = scorer.scores(matrix)
    amounts_usd = amounts_of(matrix, definitions.names)
    outcomes = policy.outcomes(scores, amounts_usd)
    flagged = [row for row, outcome in enumerate(outcomes) if outcome in FLAGGED]
    reasons = dict(zip(flagged, scorer.reasons(matrix[flagged]), strict=True)) if flagged else {}
    priorities = dict(zip(flagged, policy.priorities(scores[flagged], amounts_usd[flagged]), strict=True))
    return [
        _Verdict("model", outcome, reasons.get(row, ()), score, scorer.version, priorities.get(row))
        for row, (outcome, score) in enumerate(zip(outcomes, scores.tolist(), strict=True))
    ]


def _by_rules(matrix: Matrix, definitions: Definitions) -> list[_Verdict]:
    return [_Verdict("rules", verdict.outcome, verdict.reasons) for verdict in rules.judge(matrix, definitions.names)]


def _decided(fact: OrderFact, verdict: _Verdict, definitions: str, vector: bytes, flags: tuple[str, ...]) -> Decision:
    return Decision(
        decision_id=fact.source.text(),
        revision=1,
        order_id=fact.order_id,
        source=fact.source,
        occurred_at_ms=fact.occurred_at_ms,
        outcome=verdict.outcome,
        mode=verdict.mode,
        score=verdict.score,
        reasons=verdict.reasons,
        amount_minor=fact.amount_minor,
        currency=fact.currency,
        entities=fact.entities,
        model=verdict.model,
        definitions=definitions,
        vector=vector,
        flags=flags,
        priority=verdict.priority,
    )


def _refused(fact: RefusedOrder, flags: tuple[str, ...]) -> Decision:
    return Decision(
        decision_id=fact.source.text(),
        revision=1,
        order_id=fact.order_id,
        source=fact.source,
        occurred_at_ms=fact.occurred_at_ms,
        outcome="review",
        mode="refused",
        reasons=(Reason(fact.reason),),
        entities=fact.entities,
        flags=flags,
    )
