"""From a score and the rules' verdict to an outcome, and who decided."""

from typing import Literal

import numpy as np

from models.decisions import Outcome
from models.policy import ORDERED, Policy
from models.rules.judging import Verdict

Mode = Literal["model", "rules"]


def stricter(outcome: Outcome, verdict: Verdict) -> Outcome:
    """The stricter of an outcome and the rules', unless a rule approves."""
    if verdict.approved:
        return "approve"
    return outcome if verdict.outcome is None else max(outcome, verdict.outcome, key=ORDERED.index)


def raised(score: float, points: float) -> float:
    """A score with points added: still one from 0 to 1."""
    return float(np.clip(score + points, 0.0, 1.0))


def concluded(score: float | None, amount_usd: float, verdict: Verdict, policy: Policy) -> tuple[Outcome, Mode]:
    """One order's outcome; "rules" where there is no score, or where they made the outcome another than the model's."""

    def by_policy(score: float) -> Outcome:
        return policy.outcomes(np.array([score]), np.array([amount_usd]))[0]

    with_points = by_policy(raised(score or 0.0, verdict.points)) if score is not None or verdict.points else None
    outcome = stricter(with_points or "approve", verdict)
    alone = None if score is None else by_policy(score)
    return outcome, "model" if outcome == alone else "rules"
