"""One decision for each decided fact: score, rules, outcome, reasons."""

from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np

from events.facts import OrderFact, RefusedOrder
from models import rules
from models.decisions import FLAGGED, Decision, ModelScore, Outcome, Reason
from models.errors import ForeignVectors
from models.policy import Policy, amounts_of
from models.rollout import Challenger, drawn
from models.rules import Ruleset
from models.rules.deciding import Mode, concluded
from models.scoring import Matrix, Scorer

Decided = OrderFact | RefusedOrder


class Definitions(Protocol):
    """What the numbers of a vector are: their names in order, and the hash that stands for them."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def hash(self) -> str: ...


class _Verdict(msgspec.Struct, frozen=True):
    mode: Mode
    outcome: Outcome
    reasons: tuple[Reason, ...]
    score: float | None
    rules: rules.Verdict
    priority: float | None = None
    model: str | None = None
    scores: tuple[ModelScore, ...] = ()


def conclude(
    facts: Sequence[Decided],
    matrix: Matrix,
    scorer: Scorer | None,
    policy: Policy,
    definitions: Definitions,
    *,
    flags: tuple[str, ...] = (),
    ruleset: Ruleset | None = None,
    challenger: Challenger | None = None,
) -> list[Decision]:
    """Decisions in the order of `facts`, of which row i of `matrix` (facts, features) is the vector.

    Model and rules both conclude: the stricter outcome stands, unless a rule approves. Without a scorer the rules
    decide alone; without `ruleset` they are those that come with Amana. A refused order is reviewed for the reason of
    its refusal, whatever the rules say. Every decision carries `flags` and the rules' hash. A `challenger` beside the
    scorer scores every order too, and decides its share of them. Raises ForeignVectors when a model learned from other
    definitions.
    """
    if matrix.shape != (len(facts), len(definitions.names)):
        raise ForeignVectors(f"expected a matrix of {(len(facts), len(definitions.names))}, got {matrix.shape}")
    rows = [row for row, fact in enumerate(facts) if isinstance(fact, OrderFact)]
    placed = matrix[rows]
    orders = [fact for fact in facts if isinstance(fact, OrderFact)]
    ruleset = rules.default(definitions.names) if ruleset is None else ruleset
    said = ruleset.judge(rules.of_facts(orders, placed))
    verdicts = iter(
        _by_rules(placed, said, policy, definitions)
        if scorer is None
        else _by_both(placed, said, scorer, policy, definitions)
        if challenger is None
        else _by_either(orders, placed, said, Challenger(scorer, policy), challenger, definitions)
    )
    vectors = np.ascontiguousarray(matrix, dtype="<f8").tobytes()
    width = 8 * matrix.shape[1]
    return [
        _refused(fact, ruleset.hash, flags, policy)
        if isinstance(fact, RefusedOrder)
        else _decided(
            fact, next(verdicts), vectors[row * width : (row + 1) * width], definitions.hash, ruleset.hash, flags
        )
        for row, fact in enumerate(facts)
    ]


def _by_either(
    orders: Sequence[OrderFact],
    matrix: Matrix,
    said: Sequence[rules.Verdict],
    champion: Challenger,
    challenger: Challenger,
    definitions: Definitions,
) -> list[_Verdict]:
    """Each order by the model that it falls to, with both models' scores."""
    theirs = drawn(orders, challenger.scorer.version, challenger.share)
    shares = (1.0 - challenger.share, challenger.share)
    found: dict[int, _Verdict] = {}
    scored: list[list[float]] = []
    for seat, mine in ((champion, ~theirs), (challenger, theirs)):
        rows = np.flatnonzero(mine)
        scores = _scores(matrix, seat.scorer, definitions)
        scored.append(scores.tolist())
        part = [said[row] for row in rows.tolist()]
        verdicts = _by_both(matrix[rows], part, seat.scorer, seat.policy, definitions, scores[rows])
        found.update(zip(rows.tolist(), verdicts, strict=True))
    names = (champion.scorer.version, challenger.scorer.version)
    return [
        msgspec.structs.replace(found[row], scores=tuple(map(ModelScore, names, each, shares)))
        for row, each in enumerate(zip(*scored, strict=True))
    ]


def _by_both(
    matrix: Matrix,
    said: Sequence[rules.Verdict],
    scorer: Scorer,
    policy: Policy,
    definitions: Definitions,
    scores: Matrix | None = None,
) -> list[_Verdict]:
    """By a model, whose scores may be known already, and the rules."""
    scores = _scores(matrix, scorer, definitions) if scores is None else scores
    amounts_usd = amounts_of(matrix, definitions.names)
    made = concluded(scores, said, policy, amounts_usd)
    flagged = [row for row, outcome in enumerate(made.by_policy) if outcome in FLAGGED and not said[row].approved]
    priced = set(flagged)
    by_rule = [row for row, outcome in enumerate(made.outcomes) if outcome in FLAGGED and row not in priced]
    reasons = dict(zip(flagged, scorer.reasons(matrix[flagged]), strict=True)) if flagged else {}
    priorities = dict(zip(flagged, policy.priorities(made.sums[flagged], amounts_usd[flagged]), strict=True))
    priorities |= zip(by_rule, policy.unscored(amounts_usd[by_rule], made.sums[by_rule]), strict=True)
    return [
        _combined(scorer.version, mode, outcome, reasons.get(row, ()), score, said[row], priorities.get(row))
        for row, (mode, outcome, score) in enumerate(zip(made.modes, made.outcomes, scores.tolist(), strict=True))
    ]


def _scores(matrix: Matrix, scorer: Scorer, definitions: Definitions) -> Matrix:
    if scorer.definitions != definitions.hash:
        raise ForeignVectors(
            f"model {scorer.version} was trained on definitions {scorer.definitions}, not on {definitions.hash}: "
            "train again, or load the model that belongs to them"
        )
    return scorer.scores(matrix)


def _by_rules(
    matrix: Matrix, said: Sequence[rules.Verdict], policy: Policy, definitions: Definitions
) -> list[_Verdict]:
    amounts_usd = amounts_of(matrix, definitions.names)
    made = concluded(None, said, policy, amounts_usd)
    priorities = policy.unscored(amounts_usd, made.sums)
    return [
        _Verdict(mode, outcome, verdict.reasons, None, verdict, priority if outcome in FLAGGED else None)
        for mode, outcome, verdict, priority in zip(made.modes, made.outcomes, said, priorities, strict=True)
    ]


def _combined(
    model: str,
    mode: Mode,
    outcome: Outcome,
    reasons: tuple[Reason, ...],
    score: float,
    verdict: rules.Verdict,
    priority: float | None,
) -> _Verdict:
    """Who decided is who made the outcome what it is; its reasons come first."""
    told = (reasons, verdict.reasons) if mode == "model" else (verdict.reasons, reasons)
    return _Verdict(mode, outcome, _joined(*told), score, verdict, priority, model)


def _joined(first: tuple[Reason, ...], then: tuple[Reason, ...]) -> tuple[Reason, ...]:
    """The one's reasons, then of the other's those whose code is not among them yet."""
    told = {reason.code for reason in first}
    return (*first, *(reason for reason in then if reason.code not in told))


def _decided(
    fact: OrderFact,
    verdict: _Verdict,
    vector: bytes,
    definitions: str,
    rules_hash: str,
    flags: tuple[str, ...],
) -> Decision:
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
        rules=rules_hash,
        points=verdict.rules.points,
        shadow=verdict.rules.shadow,
        priority=verdict.priority,
        scores=verdict.scores,
    )


def _refused(fact: RefusedOrder, rules_hash: str, flags: tuple[str, ...], policy: Policy) -> Decision:
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
        priority=policy.unscored(np.array([np.nan]))[0],
        flags=flags,
        rules=rules_hash,
    )
