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
from models.policy import Costs, Policy, amounts_of, within_capacity

REQUIRED = ("decision_id", "occurred_at_ms", "label")
_DAY_MS = 86_400_000


class Settings(msgspec.Struct, frozen=True):
    """The analysts review at most `reviews_per_day` orders; where that is None, `review_share` of the judged orders."""

    costs: Costs = Costs()
    reviews_per_day: float | None = None
    review_share: float = 0.025
    judged_share: float = 0.25
    trees: int = 100
    leaves: int = 15
    learning_rate: float = 0.05
    l2: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.review_share <= 1.0:
            raise UntrainableTable(f"expected 0 <= review share <= 1, got {self.review_share}")
        if self.reviews_per_day is not None and not self.reviews_per_day >= 0.0:
            raise UntrainableTable(f"expected 0 or more reviews a day, got {self.reviews_per_day}")


DEFAULTS = Settings()


class Metrics(msgspec.Struct, frozen=True):
    """Measured on the judged orders, on which the price of reviews was chosen too; flagged: reviewed or blocked."""

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

    The score is the logistic function of the model's margin plus `offset`; `fingerprint` stands for what the model
    answers on the judged orders; the window is of the orders' times.
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
    amounts = amounts_of(x_judged, names)
    policy = within_capacity(scores, amounts, settings.costs, reviews(judged, settings))
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
        policy=policy,
        metrics=measure(y_judged, scores, amounts, policy),
        fingerprint=hashlib.sha256(margins.tobytes()).hexdigest(),
    )


def reviews(judged: pd.DataFrame, settings: Settings) -> float:
    """How many of the judged orders the analysts had time for."""
    if settings.reviews_per_day is None:
        return settings.review_share * len(judged)
    times = judged["occurred_at_ms"]
    return settings.reviews_per_day * max(1.0, float(times.iloc[-1] - times.iloc[0]) / _DAY_MS)


def measure(
    labels: NDArray[np.int64], scores: NDArray[np.float64], amounts_usd: NDArray[np.float64], policy: Policy
) -> Metrics:
    """How well `scores` and `policy` find the `labels` (0 or 1, both present)."""
    frauds, ranks = int(labels.sum()), policy.ranks(scores, amounts_usd)
    flagged, blocked = ranks >= 1, ranks == 2
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
