"""The rhythm of a store: how many orders a day brings, and at which hours a person shops."""

from bisect import bisect
from itertools import accumulate
from random import Random

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
# By local hour: the store's visible rhythm, and that of those who live by night.
_BY_DAY = tuple(accumulate((3, 2, 1, 1, 1, 1, 2, 3, 5, 6, 7, 7, 7, 6, 6, 6, 7, 8, 9, 10, 11, 12, 10, 6)))
_BY_NIGHT = tuple(accumulate((10, 9, 7, 6, 4, 2, 1, 1, 1, 2, 3, 4, 5, 5, 5, 5, 5, 6, 7, 8, 9, 10, 12, 12)))
# Monday to Sunday; the Gulf's weekend is Friday and Saturday.
_WEEK = (0.92, 0.93, 0.96, 1.06, 1.12, 1.08, 0.93)


def moment_of_day(rng: Random, utc_offset_h: int, night_owl: float) -> int:
    """Milliseconds after midnight UTC."""
    hours = _BY_NIGHT if rng.random() < night_owl else _BY_DAY
    hour = bisect(hours, rng.random() * hours[-1])
    return (hour - utc_offset_h) % 24 * HOUR_MS + int(rng.random() * HOUR_MS)


def week_factor(weekday: int) -> float:
    """How busy a day of the week is; 0 is Monday."""
    return _WEEK[weekday]


def count(rng: Random, mean: float) -> int:
    """A Poisson draw for small means, its normal approximation for large ones."""
    if mean > 40:
        return max(0, round(rng.gauss(mean, mean**0.5)))
    arrivals, at = 0, rng.expovariate(1.0)
    while at < mean:
        arrivals, at = arrivals + 1, at + rng.expovariate(1.0)
    return arrivals
