"""How orders and scores have moved against a reference, how many alerts there are, and what of them was fraud. Pure.

Drift is the population stability index (`models.checks.stability`): by custom, from .1 on a population has moved, from
.25 on it is another (N. Siddiqi, Credit Risk Scorecards, Wiley 2006). Two samples of n and m orders of one population
differ by (bins - 1)(1/n + 1/m) on average, by chance alone (B. Yurdakul, Statistical Properties of Population Stability
Index, Western Michigan University 2018): with FEW orders each, over ten bins and that of absent values, by .1.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.checks import DRIFTED, stability
from models.populations import Populations, moved

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Level = Literal["same", "moved", "another", "few"]

FEW = 200  # orders on either side, below which an index says nothing
MOVED = 0.1
VALUES = 20  # of a kind of segment; the rest are one, `other`
DAY_MS = 86_400_000


class Seen(msgspec.Struct, frozen=True):
    """Orders with what was decided and what became of them, an array each: `rank` is the outcome's place in ORDERED,
    `score` NaN where there is none that compares, `label` 1, 0 or NaN where nothing is known; `segments` a value each.
    """

    at_ms: NDArray[np.int64]
    rank: NDArray[np.intp]
    score: Floats
    label: Floats
    segments: Mapping[str, Sequence[str]]


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """Orders of one kind (`all` and `all` is every order), in the window and in the reference.

    Alerts are orders that were not approved; `alerts`, `known`, `frauds` and `precision` (frauds / known) are over
    both together, since a label takes its time; `missed` are the known frauds that were approved. `score_psi` is None
    where there are too few scores.
    """

    kind: str
    value: str
    orders: int
    reference_orders: int
    alert_rate: float | None
    reference_alert_rate: float | None
    alerts: int
    known: int
    frauds: int
    precision: float | None
    missed: int
    score_psi: float | None
    level: Level


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """How far a feature's population has moved; None with too few orders."""

    feature: str
    psi: float | None
    level: Level


class Cohort(msgspec.Struct, frozen=True, kw_only=True):
    """The orders of one day (UTC), and what is known by now of its alerts: `labelled` is the share of them known."""

    from_ms: int
    orders: int
    alerts: int
    known: int
    frauds: int
    labelled: float | None
    precision: float | None


def segments(seen: Seen, from_ms: int) -> list[Segment]:
    """Every order, then each kind's values, the most frequent first; the window begins at `from_ms`, before is the
    reference.
    """
    return [_segment(kind, value, seen, where, seen.at_ms >= from_ms) for kind, value, where in _split(seen)]


def cohorts(seen: Seen) -> list[Cohort]:
    """The days that have orders, in their order."""
    day = seen.at_ms // DAY_MS
    return [_cohort(int(one) * DAY_MS, seen, day == one) for one in np.unique(day)]


def drifts(reference: Floats, window: Floats, names: Sequence[str]) -> list[Drift]:
    """Of each column (orders, columns) how far it has moved, the farthest first."""
    few = min(len(reference), len(window)) < FEW
    found = [
        (name, None if few else round(stability(reference[:, at], window[:, at]), 4)) for at, name in enumerate(names)
    ]
    return _farthest(found)


def against(trained: Populations, window: Floats, scores: Floats, names: Sequence[str]) -> tuple[Drift, list[Drift]]:
    """How far the window's scores, and its features (orders, columns), are from what the model was trained on."""
    found = [
        (name, None if len(window) < FEW else round(moved(trained.features[name], window[:, at]), 4))
        for at, name in enumerate(names)
        if name in trained.features
    ]
    scored = scores[~np.isnan(scores)]
    psi = None if len(scored) < FEW else round(moved(trained.scores, scored), 4)
    return Drift(feature="score", psi=psi, level=level_of(psi)), _farthest(found)


def _farthest(found: list[tuple[str, float | None]]) -> list[Drift]:
    ordered = sorted(found, key=lambda one: -1.0 if one[1] is None else -one[1])
    return [Drift(feature=name, psi=psi, level=level_of(psi)) for name, psi in ordered]


def level_of(psi: float | None) -> Level:
    if psi is None:
        return "few"
    return "same" if psi < MOVED else "moved" if psi < DRIFTED else "another"


def _split(seen: Seen) -> Iterator[tuple[str, str, Bools]]:
    yield "all", "all", np.ones(len(seen.at_ms), dtype=np.bool_)
    for kind, values in seen.segments.items():
        array = np.array(values, dtype=object)
        named, counts = np.unique(array.astype(str), return_counts=True)
        ordered = [named[at] for at in np.argsort(-counts, kind="stable")]
        for value in ordered[:VALUES]:
            yield kind, str(value), array == value
        if ordered[VALUES:]:
            yield kind, "other", np.isin(array.astype(str), ordered[VALUES:])


def _segment(kind: str, value: str, seen: Seen, where: Bools, window: Bools) -> Segment:
    now, before = where & window, where & ~window
    alerts = where & (seen.rank > 0)
    known, frauds = alerts & ~np.isnan(seen.label), alerts & (seen.label == 1)
    psi = _score_psi(seen.score[before], seen.score[now])
    return Segment(
        kind=kind,
        value=value,
        orders=int(now.sum()),
        reference_orders=int(before.sum()),
        alert_rate=_share(now & alerts, now),
        reference_alert_rate=_share(before & alerts, before),
        alerts=int(alerts.sum()),
        known=int(known.sum()),
        frauds=int(frauds.sum()),
        precision=_share(frauds, known),
        missed=int((where & (seen.rank == 0) & (seen.label == 1)).sum()),
        score_psi=psi,
        level=level_of(psi),
    )


def _score_psi(before: Floats, now: Floats) -> float | None:
    before, now = before[~np.isnan(before)], now[~np.isnan(now)]
    return None if min(len(before), len(now)) < FEW else round(stability(before, now), 4)


def _cohort(from_ms: int, seen: Seen, where: Bools) -> Cohort:
    alerts = where & (seen.rank > 0)
    known, frauds = alerts & ~np.isnan(seen.label), alerts & (seen.label == 1)
    return Cohort(
        from_ms=from_ms,
        orders=int(where.sum()),
        alerts=int(alerts.sum()),
        known=int(known.sum()),
        frauds=int(frauds.sum()),
        labelled=_share(known, alerts),
        precision=_share(frauds, known),
    )


def _share(part: Bools, whole: Bools) -> float | None:
    """None of nothing."""
    return int(part.sum()) / int(whole.sum()) if whole.any() else None
