"""Trains a model on logged vectors: learns from the earlier orders, is judged on the later ones."""

import hashlib
import math
from collections.abc import Sequence

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from models.errors import UntrainableTable
from models.policy import Policy

REQUIRED = ("decision_id", "occurred_at_ms", "label")


class Settings(msgspec.Struct, frozen=True):
    """Shares are of the judged orders: blocked at most `block_share`, blocked or reviewed at most `review_share`."""

    review_share: float = 0.025
    block_share: float = 0.005
    judged_share: float = 0.25
    trees: int = 100
    leaves: int = 15
    learning_rate: float = 0.05
    l2: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.block_share <= self.review_share < 1.0:
            raise UntrainableTable(
                f"expected 0 <= block share <= review share < 1, got {self.block_share} and {self.review_share}"
            )


DEFAULTS = Settings()


class Metrics(msgspec.Struct, frozen=True):
    """Measured on the judged orders, on which the thresholds were chosen too."""

    orders: int
    frauds: int
    auc: float
    average_precision: float
    brier: float
    flagged: int
    flagged_precision: float
    flagged_recall: float
    blocked: int
    blocked_precision: float
    blocked_recall: float


class Trained(msgspec.Struct, frozen=True):
    """A model and all that is to be known about it.

    The score is the logistic function of the model's margin plus `offset`; `background` is the median genuine order, by
    feature; `fingerprint` stands for what the model answers on the judged orders; the window is of the orders' times.
    """

    model: HistGradientBoostingClassifier
    names: tuple[str, ...]
    definitions: str
    seed: int
    settings: Settings
    from_ms: int
    until_ms: int
    learned_orders: int
    learned_frauds: int
    offset: float
    background: tuple[float, ...]
    policy: Policy
    metrics: Metrics
    fingerprint: str


def train(
    table: pd.DataFrame, names: Sequence[str], *, definitions: str, seed: int, settings: Settings = DEFAULTS
) -> Trained:
    """Trains on a table with a row an order: the columns `names` (NaN where absent) and REQUIRED, label 0 or 1.

    A fraud weighs the square root of how many genuine orders there are to one: all of it made scores overconfident,
    none of it found less. `offset` takes the weight out of the score again (prior correction: King and Zeng, 2001), so
    that it stays a probability. Raises UntrainableTable.
    """
    ordered = _checked(table, names).sort_values(["occurred_at_ms", "decision_id"], kind="stable")
    learned, judged = _split(ordered, settings.judged_share)
    x, y = _arrays(learned, names)
    weight = float(np.sqrt((len(y) - y.sum()) / y.sum()))
    background = _medians(x[y == 0])
    x = np.where(np.isnan(x).all(axis=0), 0.0, x)  # the histograms need a number; a constant column is never split on
    model = HistGradientBoostingClassifier(
        max_iter=settings.trees,
        max_leaf_nodes=settings.leaves,
        learning_rate=settings.learning_rate,
        l2_regularization=settings.l2,
        early_stopping=False,
        random_state=seed,
    ).fit(x, y, sample_weight=np.where(y == 1, weight, 1.0))
    offset = -math.log(weight)
    x_judged, y_judged = _arrays(judged, names)
    margins = model.decision_function(x_judged)
    scores = expit(margins + offset)
    policy = thresholds(scores, settings)
    return Trained(
        model=model,
        names=tuple(names),
        definitions=definitions,
        seed=seed,
        settings=settings,
        from_ms=int(ordered["occurred_at_ms"].iloc[0]),
        until_ms=int(ordered["occurred_at_ms"].iloc[-1]) + 1,
        learned_orders=len(y),
        learned_frauds=int(y.sum()),
        offset=offset,
        background=background,
        policy=policy,
        metrics=measure(y_judged, scores, policy),
        fingerprint=hashlib.sha256(margins.tobytes()).hexdigest(),
    )


def thresholds(scores: NDArray[np.float64], settings: Settings) -> Policy:
    """The lowest thresholds that keep to the shares of `settings` on these scores."""
    return Policy(
        review_at=_lowest_at(scores, settings.review_share),
        block_at=_lowest_at(scores, settings.block_share),
    )


def _lowest_at(scores: NDArray[np.float64], share: float) -> float:
    values, counts = np.unique(scores, return_counts=True)
    at_or_above = np.cumsum(counts[::-1])[::-1]
    within = values[at_or_above <= share * len(scores)]
    return float(within[0]) if len(within) else min(1.0, float(np.nextafter(values[-1], 2.0)))


def measure(labels: NDArray[np.int64], scores: NDArray[np.float64], policy: Policy) -> Metrics:
    """How well `scores` and `policy` find the `labels` (0 or 1, both present)."""
    frauds = int(labels.sum())
    flagged, blocked = scores >= policy.review_at, scores >= policy.block_at
    caught, stopped = int(labels[flagged].sum()), int(labels[blocked].sum())
    return Metrics(
        orders=len(labels),
        frauds=frauds,
        auc=float(roc_auc_score(labels, scores)),
        average_precision=float(average_precision_score(labels, scores)),
        brier=float(brier_score_loss(labels, scores)),
        flagged=int(flagged.sum()),
        flagged_precision=caught / max(1, int(flagged.sum())),
        flagged_recall=caught / frauds,
        blocked=int(blocked.sum()),
        blocked_precision=stopped / max(1, int(blocked.sum())),
        blocked_recall=stopped / frauds,
    )


def _checked(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    missing = [column for column in (*REQUIRED, *names) if column not in table.columns]
    if missing or not names:
        raise UntrainableTable(f"the training table lacks columns: {', '.join(missing) or 'it has no features'}")
    if table.empty:
        raise UntrainableTable("the training table has no rows: no logged vectors of these definitions in the window")
    if not table["label"].isin((0, 1)).all():
        wrong = int((~table["label"].isin((0, 1))).sum())
        raise UntrainableTable(f"{wrong} of {len(table)} labels are neither 0 nor 1")
    _both_classes(table, "the training table")
    return table


def _split(ordered: pd.DataFrame, judged_share: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Orders of the same millisecond stay together, among the judged."""
    times = ordered["occurred_at_ms"].to_numpy()
    cut = int(np.searchsorted(times, times[int(len(times) * (1.0 - judged_share))]))
    learned, judged = ordered.iloc[:cut], ordered.iloc[cut:]
    _both_classes(learned, f"the earliest {cut} orders, to learn from,")
    _both_classes(judged, f"the latest {len(judged)} orders, to be judged on,")
    return learned, judged


def _both_classes(part: pd.DataFrame, what: str) -> None:
    frauds = int(part["label"].sum())
    if not 0 < frauds < len(part):
        raise UntrainableTable(
            f"{what} must hold fraud and genuine orders both: {frauds} of {len(part)} are fraud; "
            "widen the window or wait for labels"
        )


def _arrays(part: pd.DataFrame, names: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    return part[list(names)].to_numpy(dtype=np.float64), part["label"].to_numpy(dtype=np.int64)


def _medians(x: NDArray[np.float64]) -> tuple[float, ...]:
    """The median of each column's numbers; NaN where it has none."""
    return tuple(float(pd.Series(column).median()) for column in x.T)
