"""How well scores find fraud: the measures of a backtest, each with its definition. Pure, over arrays.

Days are UTC. Ties are broken by the order of the rows, which is the orders' in time.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FEW_FRAUDS = 50  # fewer say little
TOP = 100  # orders, or customers, that are looked at a day
REVIEW_SHARE = 0.01
FALSE_POSITIVES = 0.01
BINS = 10
_POINTS = 400  # of a curve, at most
_DAY_MS = 86_400_000


class Judged(msgspec.Struct, frozen=True):
    """Orders in the order of their times with what became of them: an array each, one value an order.

    `label` is 0 or 1; `amount` in major units, NaN where unknown; `customer` a number for each, None if none is named.
    """

    occurred_at_ms: Ints
    label: Ints
    score: Floats
    amount: Floats
    customer: Ints | None = None


class Measures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a test.

    `precision_at_100_per_day`: mean over days of the frauds' share of the day's 100 highest scores (of all, if the day
    has fewer). `card_precision_at_100`: the same over customers by their highest score, one found defrauded dropped on
    later days. `recall_at_1pct_fpr`: share of frauds found at a threshold that at most 1 % of genuine orders reach.
    `value_recall`: share of the frauds' amount among the 1 % of orders that score highest. None: cannot be said.
    `calibration_error`: expected calibration error over ten groups of equally many scores; `brier` the mean square.
    """

    auc: float
    average_precision: float
    precision_at_100_per_day: float
    card_precision_at_100: float | None
    recall_at_1pct_fpr: float
    value_recall: float | None
    calibration_error: float
    brier: float


class Group(msgspec.Struct, frozen=True):
    """Orders of neighbouring scores: how many, their mean score, and the share of fraud among them."""

    orders: int
    score: float
    fraud: float


class Curves(msgspec.Struct, frozen=True):
    """Points (x, y): of the ROC, of precision over recall, and of the share of fraud and of its amount found over the
    share of orders looked at, by falling score.
    """

    roc: list[tuple[float, float]]
    precision: list[tuple[float, float]]
    found: list[tuple[float, float]]
    value: list[tuple[float, float]]


def measures(judged: Judged) -> Measures:
    """Both classes must be present."""
    label, score = judged.label, judged.score
    groups = reliability(label, score)
    return Measures(
        auc=float(roc_auc_score(label, score)),
        average_precision=float(average_precision_score(label, score)),
        precision_at_100_per_day=_precision_per_day(judged),
        card_precision_at_100=_card_precision(judged),
        recall_at_1pct_fpr=_recall_at(label, score, FALSE_POSITIVES),
        value_recall=_value_recall(judged),
        calibration_error=calibration_error(groups),
        brier=float(np.mean((label - score) ** 2)),
    )


def few(judged: int, learned: int) -> str:
    """What is to be said where frauds are few, to be judged by or to learn from; nothing where there are enough."""
    said = []
    if judged < FEW_FRAUDS:
        points = 50 / max(1, judged) ** 0.5  # of a share of one half, the widest
        said.append(
            f"only {judged:,} frauds to be judged by: chance alone moves a share of them by some {points:.0f} points"
        )
    if learned < FEW_FRAUDS:
        said.append(f"only {learned:,} frauds to learn from")
    return "; ".join(said) and f"{'; '.join(said)} ({FEW_FRAUDS} or more would say something)"


def reliability(label: Ints, score: Floats, bins: int = BINS) -> list[Group]:
    """Groups of as many orders each as can be, by rising score."""
    parts = np.array_split(np.argsort(score, kind="stable"), min(bins, len(score)))
    return [Group(len(part), float(score[part].mean()), float(label[part].mean())) for part in parts]


def calibration_error(groups: list[Group]) -> float:
    """The mean distance of a group's score from its share of fraud, weighted by its orders."""
    total = sum(group.orders for group in groups)
    return sum(group.orders * abs(group.score - group.fraud) for group in groups) / total


def curves(judged: Judged) -> Curves:
    label, score = judged.label, judged.score
    false_positives, found, _ = roc_curve(label, score)
    precision, recall, _ = precision_recall_curve(label, score)
    by_score = np.argsort(-score, kind="stable")
    looked_at = np.arange(1, len(label) + 1) / len(label)
    value = np.nan_to_num(np.maximum(judged.amount, 0.0)) * label
    return Curves(
        roc=_points(false_positives, found),
        precision=_points(recall[::-1], precision[::-1]),
        found=_points(looked_at, np.cumsum(label[by_score]) / max(1, label.sum())),
        value=_points(looked_at, np.cumsum(value[by_score]) / value.sum()) if value.sum() > 0 else [],
    )


def _precision_per_day(judged: Judged) -> float:
    found = []
    for day in _days(judged.occurred_at_ms):
        best = day[np.argsort(-judged.score[day], kind="stable")[:TOP]]
        found.append(judged.label[best].mean())
    return float(np.mean(found))


def _card_precision(judged: Judged) -> float | None:
    if judged.customer is None:
        return None
    caught: set[int] = set()
    shares = []
    for day in _days(judged.occurred_at_ms):
        ordered = day[np.argsort(-judged.score[day], kind="stable")]
        customers = judged.customer[ordered]
        known = ~np.isin(customers, list(caught)) & (customers >= 0)
        names, first = np.unique(customers[known], return_index=True)
        best = names[np.argsort(first, kind="stable")[:TOP]]
        defrauded = np.intersect1d(best, customers[judged.label[ordered] == 1])
        shares.append(len(defrauded) / max(1, len(best)))
        caught.update(defrauded.tolist())
    return float(np.mean(shares))


def _days(occurred_at_ms: Ints) -> list[NDArray[np.intp]]:
    """The rows of each day that has any."""
    day = occurred_at_ms // _DAY_MS
    return [np.flatnonzero(day == one) for one in np.unique(day)]


def _recall_at(label: Ints, score: Floats, share: float) -> float:
    false_positives, found, _ = roc_curve(label, score, drop_intermediate=False)
    return float(found[false_positives <= share].max())


def _value_recall(judged: Judged) -> float | None:
    value = np.nan_to_num(np.maximum(judged.amount, 0.0)) * judged.label
    if not value.sum() > 0:
        return None
    best = np.argsort(-judged.score, kind="stable")[: max(1, int(REVIEW_SHARE * len(value)))]
    return float(value[best].sum() / value.sum())


def _points(x: Floats, y: Floats) -> list[tuple[float, float]]:
    """Of a curve's points few enough to draw, the first and the last among them."""
    chosen = np.unique(np.linspace(0, len(x) - 1, min(_POINTS, len(x))).round().astype(np.intp))
    return [(round(float(x[i]), 5), round(float(y[i]), 5)) for i in chosen]
