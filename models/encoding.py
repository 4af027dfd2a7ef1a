"""Columns of words as numbers that a model can learn from: what was known of each word when the order was placed.

Nothing of an order's future is in its row: a label counts from when it became known, as everywhere.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FEW = 64  # up to so many different words a model may split them into sets
_DOUBT = 20.0  # orders of a word that its own share of fraud must outweigh


def encoded(
    categories: Mapping[str, Ints], occurred_at_ms: Ints, label: Ints, labelled_at_ms: Ints
) -> dict[str, Floats]:
    """Two columns of each, three where words are few: how often the word was seen, its share of fraud, its number.

    A code below 0 is no word; it gives NaN. Shares are drawn towards the share of all orders by `_DOUBT` orders.
    """
    columns: dict[str, Floats] = {}
    fraud = label == 1
    overall = known_share(np.zeros(len(label), dtype=np.int64), occurred_at_ms, fraud, labelled_at_ms, 0.0)
    for name, codes in categories.items():
        absent = codes < 0
        words = np.maximum(codes, -1) + 1  # those of no word are a word of their own
        seen = _counts(words, occurred_at_ms, words, occurred_at_ms)
        columns[f"{name}.seen"] = np.where(absent, np.nan, seen)
        share = known_share(words, occurred_at_ms, fraud, labelled_at_ms, overall)
        columns[f"{name}.fraud_share"] = np.where(absent, np.nan, share)
        if codes.max(initial=-1) < FEW:
            columns[f"{name}.word"] = np.where(absent, np.nan, codes)
    return columns


def known_share(codes: Ints, at_ms: Ints, fraud: NDArray[np.bool_], known_ms: Ints, prior: Floats | float) -> Floats:
    """Of each order: the share of fraud among the orders of its code whose label was known before it."""
    orders = _counts(codes, known_ms, codes, at_ms)
    frauds = _counts(codes[fraud], known_ms[fraud], codes, at_ms)
    return np.asarray((frauds + _DOUBT * np.asarray(prior)) / (orders + _DOUBT), dtype=np.float64)


def _counts(codes: Ints, times: Ints, of_codes: Ints, at: Ints) -> Ints:
    """For each (code, at): how many of the given have the code and an earlier time."""
    moments = np.unique(np.concatenate([times, at]))
    width = len(moments) + 1
    given = np.sort(codes * width + np.searchsorted(moments, times))
    before = np.searchsorted(given, of_codes * width + np.searchsorted(moments, at))
    return np.asarray(before - np.searchsorted(given, of_codes * width), dtype=np.int64)
