"""Truths and numbers of a chunk's orders, a column each: the elementwise steps that rules are made of.

A truth is two columns, certainly true and certainly false: Kleene's three values. What is absent makes a comparison
neither, and so does `not` of it. A number that is not finite, as from a division by zero, is absent.
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from models.rules.orders import Bools, Codes, Floats


class Truth(NamedTuple):
    """Where something certainly is, and where it certainly is not; elsewhere nobody can say."""

    yes: Bools
    no: Bools


def contrary(truth: Truth) -> Truth:
    return Truth(truth.no, truth.yes)


def every(truths: Sequence[Truth]) -> Truth:
    return Truth(_all([truth.yes for truth in truths]), _any([truth.no for truth in truths]))


def some(truths: Sequence[Truth]) -> Truth:
    return Truth(_any([truth.yes for truth in truths]), _all([truth.no for truth in truths]))


def absence(values: Any, numeric: bool) -> Truth:
    gone = np.isnan(values) if numeric else values < 0
    return Truth(gone, ~gone)


def finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.nan)


def truth_of(values: Floats) -> Truth:
    return Truth(values == 1.0, values == 0.0)


def compared(one: Floats, other: Floats, so: Any, otherwise: Any) -> Truth:
    """Both are false where either number is NaN."""
    return Truth(so(one, other), otherwise(one, other))


def same_numbers(one: Floats, other: Floats) -> Truth:
    return Truth(np.equal(one, other), np.less(one, other) | np.greater(one, other))


def same_texts(one: Codes | int, other: Codes | int) -> Truth:
    known = np.greater_equal(one, 0) & np.greater_equal(other, 0)
    return Truth(np.equal(one, other) & known, np.not_equal(one, other) & known)


def among(inside: Bools, codes: Codes) -> Truth:
    known = codes >= 0
    return Truth(inside & known, ~inside & known)


def holding(several: Sequence[Collection[str] | None], text: str) -> Truth:
    """Of an order that names none nobody can say."""
    inside = np.array([text in (texts or ()) for texts in several], dtype=np.bool_)
    known = np.array([bool(texts) for texts in several], dtype=np.bool_)
    return Truth(inside, ~inside & known)


def _all(columns: Sequence[Bools]) -> Bools:
    found = columns[0]
    for column in columns[1:]:
        found = found & column
    return found


def _any(columns: Sequence[Bools]) -> Bools:
    found = columns[0]
    for column in columns[1:]:
        found = found | column
    return found
