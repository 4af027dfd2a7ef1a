"""From scores and the rules' verdicts to outcomes, and who decided."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.decisions import Outcome
from models.policy import ORDERED, Policy
from models.rules.judging import Verdict

Floats = NDArray[np.float64]
Mode = Literal["model", "rules"]


class Concluded(NamedTuple):
    """Of each order: the outcome and who made it what it is; the policy's outcome of the score with the rules' points,
    and that sum.
    """

    outcomes: list[Outcome]
    modes: list[Mode]
    by_policy: list[Outcome]
    sums: Floats


def concluded(scores: Floats | None, verdicts: Sequence[Verdict], policy: Policy, amounts_usd: Floats) -> Concluded:
    """Outcomes of orders by their own scores, amounts and verdicts; without scores (None) the rules decide alone.

    "rules" where there is no score, or where they made the outcome another than the model's.
    """
    nothing: list[Outcome] = ["approve"] * len(verdicts)
    alone = nothing if scores is None else policy.outcomes(scores, amounts_usd)
    sums, by_policy = _with_points(
        np.zeros(len(verdicts)) if scores is None else scores, amounts_usd, alone, verdicts, policy
    )
    outcomes = [_stricter(outcome, verdict) for outcome, verdict in zip(by_policy, verdicts, strict=True)]
    modes: list[Mode] = [
        "model" if scores is not None and outcome == own else "rules"
        for outcome, own in zip(outcomes, alone, strict=True)
    ]
    return Concluded(outcomes, modes, by_policy, sums)


def _stricter(outcome: Outcome, verdict: Verdict) -> Outcome:
    """The stricter of an outcome and the rules', unless a rule approves."""
    if verdict.approved:
        return "approve"
    return outcome if verdict.outcome is None else max(outcome, verdict.outcome, key=ORDERED.index)


def _with_points(
    scores: Floats, amounts_usd: Floats, alone: list[Outcome], verdicts: Sequence[Verdict], policy: Policy
) -> tuple[Floats, list[Outcome]]:
    """The scores with the rules' points, and the policy's outcomes of them; what has no points is as it was `alone`."""
    rows = [row for row, verdict in enumerate(verdicts) if verdict.points]
    if not rows:
        return scores, alone
    sums = scores.copy()
    sums[rows] = [_raised(float(scores[row]), verdicts[row].points) for row in rows]
    moved = dict(zip(rows, policy.outcomes(sums[rows], amounts_usd[rows]), strict=True))
    return sums, [moved.get(row, outcome) for row, outcome in enumerate(alone)]


def _raised(score: float, points: float) -> float:
    """A score with points added: still one from 0 to 1."""
    return float(np.clip(score + points, 0.0, 1.0))
