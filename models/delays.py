"""Labels come late: what a fraud that is known by now stands for, by the delays of those that are known. No I/O.

An order without a label may yet turn out to be fraud, the likelier the younger it is. Learned as it stands, such a
table teaches that there is little fraud of late. So each known fraud counts for those of its age that are not known
yet: by the inverse of the chance of being known by now (Yasui, Morishita, Fujita, Shibata 2020, "A Feedback Shift
Correction in Predicting Conversion Rates under Delayed Feedback", WWW; their weight of genuine orders is 1 where fraud
is rare). Only delays shorter than a fraud's age can have been seen; what that leaves out is made good by following the
delays from the longest down (Lagakos, Barraj, De Gruttola 1988, "Nonparametric Analysis of Truncated Survival Data",
Biometrika 75).
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST_KNOWN = 0.25  # orders so young that fewer of their frauds are known teach nothing


def standing(occurred_at_ms: Ints, label: Ints, labelled_at_ms: Floats, known_at_ms: float) -> Floats:
    """How many orders each stands for: a genuine one 1, a fraud 1 to 1 / LEAST_KNOWN, one that is too young 0.

    `label` is 1 where an order is known by `known_at_ms` to be fraud, `labelled_at_ms` when that became known.
    """
    ages = np.maximum(0.0, known_at_ms - occurred_at_ms)
    fraud = label == 1
    delays = np.clip(labelled_at_ms[fraud] - occurred_at_ms[fraud], 0.0, ages[fraud])
    known = share_known(delays, ages[fraud], ages)
    return np.where(known < LEAST_KNOWN, 0.0, np.where(fraud, 1.0 / np.maximum(known, LEAST_KNOWN), 1.0))


def share_known(delays: Floats, ages: Floats, asked: Floats) -> Floats:
    """The share of frauds that is known by each `asked` age, of those that are known by the greatest age.

    `delays` and `ages` are of the frauds that are known, in one unit of time, each delay at most its age.
    """
    if not len(delays):
        return np.ones(len(asked))
    steps, counts = np.unique(delays, return_counts=True)
    # Of the frauds old enough for a delay to show, those that were known by then.
    at_risk = np.searchsorted(np.sort(delays), steps, side="right") - np.searchsorted(np.sort(ages), steps, side="left")
    left = np.cumprod((1.0 - counts / at_risk)[::-1])[::-1]
    shares = np.append(np.append(0.0, left[1:]), 1.0)
    return np.asarray(shares[np.searchsorted(steps, asked, side="right")], dtype=np.float64)
