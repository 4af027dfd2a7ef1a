"""From a score and the rules' verdict to an outcome, and who decided."""

import math
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


def concluded(
    score: float | None, verdict: Verdict, policy: Policy, amount_usd: float = math.nan
) -> tuple[Outcome, Mode]:
    """One order's outcome; "rules" where there is no score, or where they made the outcome another than the model's."""

    def of(probability: float) -> Outcome:
        return policy.outcomes(np.array([probability]), np.array([amount_usd]))[0]

    alone: Outcome = "approve" if score is None else of(score)
    outcome = stricter(of(raised(score or 0.0, verdict.points)) if verdict.points else alone, verdict)
    return outcome, "model" if score is not None and outcome == alone else "rules"
