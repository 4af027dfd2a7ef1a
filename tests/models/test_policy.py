import math

import numpy as np
import pytest

from models.errors import BadPolicy
from models.policy import Policy


def test_a_score_at_a_threshold_has_the_stricter_outcome():
    policy = Policy(review_at=0.2, block_at=0.7)
    scores = np.array([0.0, 0.2, np.nextafter(0.2, 0), 0.7, np.nextafter(0.7, 0), 1.0])
    assert policy.outcomes(scores) == ["approve", "review", "approve", "block", "review", "block"]
    assert policy.outcome(0.69) == "review"


@pytest.mark.parametrize("thresholds", [(0.7, 0.2), (-0.1, 0.5), (0.1, 1.1), (math.nan, 0.5), (0.1, math.nan)])
def test_thresholds_that_are_no_ordered_probabilities_are_refused(thresholds):
    with pytest.raises(BadPolicy, match="expected 0 <= review_at <= block_at <= 1"):
        Policy(*thresholds)


def test_a_score_that_is_not_a_number_never_becomes_an_outcome():
    with pytest.raises(ValueError, match="not a number"):
        Policy(0.1, 0.2).outcomes(np.array([0.0, math.nan]))


def test_no_scores_have_no_outcomes():
    assert Policy(0.1, 0.2).outcomes(np.empty(0)) == []
