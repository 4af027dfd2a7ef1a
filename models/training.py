"""Trains a model on logged vectors: one that learned from the earlier orders is judged on the later; then all teach."""

import hashlib
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from models.checks import drifted, refuse_future, refuse_leaks
from models.delays import standing
from models.errors import UntrainableTable
from models.floor import linear_margins
from models.learner import DEFAULT, Learned, Matrix, Plan, learn, margins
from models.measures import Curves, Group, Judged, calibration_error, curves, reliability
from models.policy import Costs, Policy, amounts_of, within_capacity
from models.populations import Populations, populations

REQUIRED = ("decision_id", "occurred_at_ms", "label")
_DAY_MS = 86_400_000
_LONGEST_GAP = 0.2  # of the window


class Settings(msgspec.Struct, frozen=True):
    """The analysts review at most `reviews_per_day` orders; where that is None, `review_share` of the judged orders.

    Between the orders learned from and those judged on is a gap of `delay_days`, the time until a label is known (at
    most a fifth of the window); an order learned from has its label as it was known when the judged ones began.
    `amount_power`: an order weighs its amount over the mean one, to this power, a tenth to ten at most.
    """

    costs: Costs = Costs()
    reviews_per_day: float | None = None
    review_share: float = 0.025
    judged_share: float = 0.25
    trees: int = DEFAULT.trees
    leaves: int = DEFAULT.leaves
    learning_rate: float = DEFAULT.learning_rate
    l2: float = DEFAULT.l2
    min_leaf: int = DEFAULT.min_leaf
    column_share: float = DEFAULT.column_share
    members: int = 1  # each costs as much time again at every decision
    most_rows: int = 300_000
    fraud_power: float = DEFAULT.fraud_power
    amount_power: float = 0.0
    delay_days: float = 0.0
    trials: int = 0
    seconds: float = 300.0

    @property
    def plan(self) -> Plan:
        return Plan(**{name: getattr(self, name) for name in Plan.__struct_fields__})

    def __post_init__(self) -> None:
        if not 0.0 <= self.review_share <= 1.0:
            raise UntrainableTable(f"expected 0 <= review share <= 1, got {self.review_share}")
        if self.reviews_per_day is not None and not self.reviews_per_day >= 0.0:
            raise UntrainableTable(f"expected 0 or more reviews a day, got {self.reviews_per_day}")


DEFAULTS = Settings()


class Metrics(msgspec.Struct, frozen=True):
    """Measured on the judged orders, on which the price of reviews was chosen too; flagged: reviewed or blocked.

    `linear_*` are of a linear model of the same orders, the floor (models/floor.py).
    """

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
    calibration_error: float | None = None
    linear_auc: float | None = None
    linear_average_precision: float | None = None


class Drawn(msgspec.Struct, frozen=True):
    """What the model card's plots show, of the judged orders."""

    curves: Curves
    groups: list[Group]


class Trained(msgspec.Struct, frozen=True):
    """A model and all that is to be known about it.

    The score is the logistic function of the model's margin plus `offset`; `fingerprint` stands for what the model
    answers on the latest orders; the window is of the orders' times. It learned from `orders`; `metrics` are of one
    that learned in the same way from the `learned_orders` before the judged ones, and never saw these.
    """

    model: HistGradientBoostingClassifier
    names: tuple[str, ...]
    definitions: str
    seed: int
    settings: Settings
    from_ms: int
    until_ms: int
    orders: int
    frauds: int
    learned_orders: int
    learned_frauds: int
    offset: float
    policy: Policy
    metrics: Metrics
    fingerprint: str
    drift: tuple[tuple[str, float], ...] = ()
    drawn: Drawn | None = None
    populations: Populations | None = None


def train(
    table: pd.DataFrame,
    names: Sequence[str],
    *,
    definitions: str,
    seed: int,
    settings: Settings = DEFAULTS,
    known_at_ms: int | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> Trained:
    """Trains on a table with a row an order: the columns `names` (NaN where absent) and REQUIRED, label 0 or 1.

    It may have `labelled_at_ms`, when a label became known, and `amount_minor`, for weights. `known_at_ms` is the
    moment that the model is for: nothing may be from later.

    Raises UntrainableTable, and FromTheFuture where the table holds what nobody could know.
    """
    ordered = _by_time(_checked(table, names))
    times = ordered["occurred_at_ms"].to_numpy(dtype=np.int64)
    if known_at_ms is not None:
        refuse_future(times, _labelled_at(ordered), known_at_ms)
    until, cut = _split(times, settings)
    x, y = _features(table, ordered, names), ordered["label"].to_numpy(dtype=np.int64)
    del table  # it may be as large as these, and its caller has let it go
    rehearsed = _known_by(ordered, int(times[cut]) if cut < len(times) else 0).iloc[:until]
    _both_classes(rehearsed, f"the earliest {until} orders, to learn from,")
    _both_classes(ordered.iloc[cut:], f"the latest {len(y) - cut} orders, to be judged on,")
    refuse_leaks(x[cut:], y[cut:], names)

    def learned(part: pd.DataFrame, plan: Plan, now_ms: int) -> Learned:
        return _learned(part, x[: len(part)], plan, settings.amount_power, seed, now_ms, told)

    rehearsed_y = rehearsed["label"].to_numpy(dtype=np.int64)
    judge = learned(rehearsed, settings.plan, int(times[cut]))
    scores, amounts = judge.scores(x[cut:]), amounts_of(x[cut:], names)
    policy = within_capacity(scores, amounts, settings.costs, reviews(ordered.iloc[cut:], settings))
    final = learned(ordered, judge.plan, int(times[-1]) if known_at_ms is None else known_at_ms)
    return Trained(
        model=final.model,
        names=tuple(names),
        definitions=definitions,
        seed=seed,
        settings=_with_plan(settings, judge),
        from_ms=int(times[0]),
        until_ms=int(times[-1]) + 1,
        orders=len(y),
        frauds=int(y.sum()),
        learned_orders=until,
        learned_frauds=int(rehearsed_y.sum()),
        offset=final.offset,
        policy=policy,
        metrics=_with_floor(
            measure(y[cut:], scores, amounts, policy), y[cut:], linear_margins(x[:until], rehearsed_y, x[cut:], seed)
        ),
        fingerprint=hashlib.sha256(margins(final.model, x[cut:]).tobytes()).hexdigest(),
        drift=drifted(x[:until], x[cut:], names),
        drawn=_drawn(times[cut:], y[cut:], scores, amounts),
        populations=populations(x, names, final.scores(x[cut:])),
    )


def _learned(
    part: pd.DataFrame,
    x: Matrix,
    plan: Plan,
    amount_power: float,
    seed: int,
    known_at_ms: int,
    told: Callable[[str], None],
) -> Learned:
    """From orders in the order of their times, as was known at a moment; of the youngest too little was."""
    times, y = part["occurred_at_ms"].to_numpy(dtype=np.int64), part["label"].to_numpy(dtype=np.int64)
    labelled_at = _labelled_at(part)
    stands = np.ones(len(y)) if labelled_at is None else standing(times, y, labelled_at, known_at_ms)
    if not y[stands > 0].any():  # all that is known are outliers: then as the table stands
        stands = np.ones(len(y))
    count = int(np.count_nonzero(stands))
    weight = _amount_weights(part, amount_power)
    return learn(
        x[:count],
        y[:count],
        times[:count],
        plan,
        seed=seed,
        words=np.zeros(x.shape[1], dtype=bool),
        told=told,
        weight=None if weight is None else weight[:count],
        standing=stands[:count],
    )


def _drawn(
    times: NDArray[np.int64], labels: NDArray[np.int64], scores: NDArray[np.float64], amounts_usd: NDArray[np.float64]
) -> Drawn:
    return Drawn(curves(Judged(times, labels, scores, amounts_usd)), reliability(labels, scores))


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
        calibration_error=calibration_error(reliability(labels, scores)),
    )


def _with_floor(metrics: Metrics, labels: NDArray[np.int64], margins: NDArray[np.float64]) -> Metrics:
    return msgspec.structs.replace(
        metrics,
        linear_auc=float(roc_auc_score(labels, margins)),
        linear_average_precision=float(average_precision_score(labels, margins)),
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


def _by_time(table: pd.DataFrame) -> pd.DataFrame:
    """All but the features, which are not copied; the index says which row of the table each is."""
    kept = [column for column in (*REQUIRED, "labelled_at_ms", "amount_minor") if column in table.columns]
    return table[kept].reset_index(drop=True).sort_values(["occurred_at_ms", "decision_id"], kind="stable")


def _split(times: NDArray[np.int64], settings: Settings) -> tuple[int, int]:
    """How many of the earliest orders are learned from, and where the judged ones begin; between them is the gap.

    Orders of the same millisecond stay together, among the judged.
    """
    begin = times[int(len(times) * (1.0 - settings.judged_share))]
    gap_ms = min(settings.delay_days * _DAY_MS, _LONGEST_GAP * (int(times[-1]) - int(times[0])))
    return int(np.searchsorted(times, begin - gap_ms)), int(np.searchsorted(times, begin))


def _known_by(ordered: pd.DataFrame, known_at_ms: int) -> pd.DataFrame:
    """The orders with their labels as they were known at a moment."""
    labelled_at = _labelled_at(ordered)
    if labelled_at is None:
        return ordered
    return ordered.assign(label=np.where(labelled_at > known_at_ms, 0, ordered["label"]))


def _labelled_at(table: pd.DataFrame) -> NDArray[np.float64] | None:
    """NaN where an order has no label; None where nobody says."""
    return table["labelled_at_ms"].to_numpy(dtype=np.float64) if "labelled_at_ms" in table.columns else None


def _amount_weights(table: pd.DataFrame, power: float) -> NDArray[np.float64] | None:
    if not power:
        return None
    if "amount_minor" not in table.columns:
        raise UntrainableTable("the training table lacks columns: amount_minor, to weigh orders by")
    amounts = table["amount_minor"].to_numpy(dtype=np.float64)
    mean = np.nanmean(amounts)
    shares = np.where(np.isfinite(amounts), amounts, mean) / mean if mean > 0 else np.ones(len(amounts))
    return np.asarray(np.clip(shares, 0.1, 10.0) ** power, dtype=np.float64)


def _with_plan(settings: Settings, learned: Learned) -> Settings:
    """The settings that it was learned with in the end."""
    chosen = msgspec.structs.asdict(learned.plan)
    return msgspec.structs.replace(settings, **chosen)


def _both_classes(part: pd.DataFrame, what: str) -> None:
    frauds = int(part["label"].sum())
    if not 0 < frauds < len(part):
        raise UntrainableTable(
            f"{what} must hold fraud and genuine orders both: {frauds} of {len(part)} are fraud; "
            "widen the window or wait for labels"
        )


def _features(table: pd.DataFrame, ordered: pd.DataFrame, names: Sequence[str]) -> Matrix:
    """The features in that order, column by column, in single precision where the table has it so."""
    rows, narrow = ordered.index.to_numpy(), all(table[name].dtype == np.float32 for name in names)
    x = np.empty((len(rows), len(names)), dtype=np.float32 if narrow else np.float64)
    for place, name in enumerate(names):
        x[:, place] = table[name].to_numpy()[rows]
    return x
