"""How scores are learned: gradient-boosted trees of several seeds as one forest, calibrated on the latest orders.

Time is kept in order throughout: what is tuned or calibrated on came after what was learned from.
"""

import math
import time
from collections.abc import Callable
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32] | NDArray[np.float64]
Ints = NDArray[np.int64]
Told = Callable[[str], None]

_LATER = 0.25  # of the training orders, the latest, to tune and calibrate on
_FEW_FRAUDS = 25  # fewer among the later orders say nothing
_FORWARD = (1 / 3, 1 / 2, 2 / 3, 5 / 6, 1.0)  # then several parts are looked at, each by what was learned before it
_FEWEST_FRAUDS = 10  # to learn anything from
_STEP = 10  # trees between looks at the later orders
_MOST_TREES = 400
_AT_ONCE = 50_000  # rows
_FEW_ROWS = 20_000
_FEW_BINS = 96  # as good for few rows, in half the time; and more than a column has words


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is learned with. `members` forests of seeds of their own are averaged; each split looks at `column_share` of
    the columns; a fraud weighs (genuine orders / frauds) ** `fraud_power`. A member learns from all frauds and as many
    genuine orders, drawn for itself, as make `most_rows`; these then weigh for those left out.

    `trials` other plans, drawn at random, are tried on the later orders until `seconds` are over; the best is taken.
    """

    trees: int = 120
    leaves: int = 15
    learning_rate: float = 0.05
    l2: float = 1.0
    min_leaf: int = 30
    column_share: float = 0.4
    members: int = 3
    most_rows: int = 100_000
    fraud_power: float = 0.0
    trials: int = 0
    seconds: float = 600.0


DEFAULT = Plan()


class Rows(msgspec.Struct, frozen=True):
    """Orders to learn from: (orders, columns), 0 or 1 and a weight each; `words` marks columns of numbers of words."""

    x: Matrix
    y: Ints
    weight: Floats
    words: NDArray[np.bool_]

    def part(self, begin: int, end: int) -> "Rows":
        return Rows(self.x[begin:end], self.y[begin:end], self.weight[begin:end], self.words)


class Learned(msgspec.Struct, frozen=True):
    """A model: the logistic function of its margin plus `offset` is the score. `plan` is what it was learned with."""

    model: HistGradientBoostingClassifier
    offset: float
    plan: Plan

    def scores(self, x: Matrix) -> Floats:
        return np.asarray(expit(margins(self.model, x) + self.offset), dtype=np.float64)


def margins(model: HistGradientBoostingClassifier, x: Matrix) -> Floats:
    """Part by part: the model copies what it is given into double precision."""
    parts = [model.decision_function(x[start : start + _AT_ONCE]) for start in range(0, len(x), _AT_ONCE)]
    return np.concatenate(parts) if parts else np.empty(0)


def learn(
    x: Matrix,
    y: Ints,
    occurred_at_ms: Ints,
    plan: Plan,
    *,
    seed: int,
    words: NDArray[np.bool_],
    told: Told,
    weight: Floats | None = None,
    standing: Floats | None = None,
) -> Learned:
    """From rows in the order of their times, both classes among them. `words` marks columns that hold numbers of words.

    Each counts `weight` times, and as `standing` orders, to which scores are calibrated too. Raises nothing for what is
    hard to learn: a column that is NaN throughout is never split on.
    """
    standing = np.ones(len(y)) if standing is None else standing
    rows = Rows(x, y, standing if weight is None else weight * standing, words)
    cut = _cut(occurred_at_ms, 1.0 - _LATER)
    earlier, later = rows.part(0, cut), slice(cut, len(y))
    enough = min(int(earlier.y.sum()), int(y[later].sum())) >= _FEW_FRAUDS
    if enough and plan.trials:
        plan = _searched(earlier, x[later], y[later], plan, seed, told)
    told("calibrating")
    shares = (1.0 - _LATER, 1.0) if enough else _FORWARD
    scale, shift = _calibration(rows, standing, [_cut(occurred_at_ms, share) for share in shares], plan, seed)
    told(f"learning from {len(y):,} orders")
    return Learned(_scaled(fit(rows, plan, seed), scale), scale * -_weight_log(y, plan) + shift, plan)


def _calibration(rows: Rows, standing: Floats, cuts: list[int], plan: Plan, seed: int) -> tuple[float, float]:
    """Scale and shift of margins, by rehearsals that learn from all before a cut and answer what is up to the next."""
    answers: list[tuple[Floats, Ints, Floats]] = []
    for begin, end in pairwise(cuts):
        earlier = rows.part(0, begin)
        if min(int(earlier.y.sum()), begin - int(earlier.y.sum())) >= _FEWEST_FRAUDS:
            rehearsal = fit(earlier, msgspec.structs.replace(plan, members=1), seed)
            found = margins(rehearsal, rows.x[begin:end]) - _weight_log(earlier.y, plan)
            answers.append((found, rows.y[begin:end], standing[begin:end]))
    if sum(int(y.sum()) for _, y, _ in answers) < _FEW_FRAUDS:
        return 1.0, 0.0
    return _platt(*(np.concatenate(parts) for parts in zip(*answers, strict=True)))


def fit(rows: Rows, plan: Plan, seed: int) -> HistGradientBoostingClassifier:
    """The members' mean margin as one model, of `members * trees` trees."""
    weight = rows.weight * np.where(rows.y == 1, math.exp(_weight_log(rows.y, plan)), 1.0)
    rows = Rows(rows.x, rows.y, weight, rows.words)
    return merged([_member(_sampled(rows, plan.most_rows, seed + n), plan, seed + n) for n in range(plan.members)])


def _member(rows: Rows, plan: Plan, seed: int) -> HistGradientBoostingClassifier:
    model = HistGradientBoostingClassifier(
        max_iter=plan.trees,
        max_leaf_nodes=plan.leaves,
        learning_rate=plan.learning_rate,
        l2_regularization=plan.l2,
        min_samples_leaf=plan.min_leaf,
        max_features=plan.column_share,
        max_bins=255 if len(rows.y) > _FEW_ROWS else _FEW_BINS,
        categorical_features=rows.words if rows.words.any() else None,
        early_stopping=False,
        random_state=seed,
    )
    return model.fit(rows.x, rows.y, sample_weight=rows.weight)


def _sampled(rows: Rows, most: int, seed: int) -> Rows:
    """In double precision, which the model would otherwise copy them to; a column that is empty is 0 throughout."""
    chosen, weight = _drawn_for(rows, most, seed)
    x = rows.x[chosen].astype(np.float64, copy=False)
    x[:, np.isnan(x).all(axis=0)] = 0.0  # the histograms need a number
    return Rows(x, rows.y[chosen], weight, rows.words)


def _drawn_for(rows: Rows, most: int, seed: int) -> tuple[Ints, Floats]:
    """Places of all frauds and of genuine orders, at most `most` in all if these allow; and what each weighs."""
    genuine = np.flatnonzero(rows.y == 0)
    kept = most - (len(rows.y) - len(genuine))
    if kept >= len(genuine):
        return np.arange(len(rows.y)), rows.weight
    kept = max(kept, len(genuine) // 50, 1)  # where frauds alone are as many
    drawn = np.random.default_rng(seed).permutation(genuine)[:kept]
    chosen = np.sort(np.concatenate([np.flatnonzero(rows.y == 1), drawn]))
    weight = np.where(rows.y == 0, len(genuine) / kept, 1.0) * rows.weight
    return chosen, weight[chosen]


def merged(members: list[HistGradientBoostingClassifier]) -> HistGradientBoostingClassifier:
    """One model whose margin is the mean of the members': all their trees, each leaf's value over their number."""
    whole = members[0]
    for member in members:
        _multiply(member, 1.0 / len(members))
    whole._predictors = [trees for member in members for trees in member._predictors]
    whole._baseline_prediction = sum(member._baseline_prediction for member in members)
    return whole


def _scaled(model: HistGradientBoostingClassifier, scale: float) -> HistGradientBoostingClassifier:
    _multiply(model, scale)
    return model


def _multiply(model: HistGradientBoostingClassifier, factor: float) -> None:
    for trees in model._predictors:
        for tree in trees:
            tree.nodes["value"] *= factor
    model._baseline_prediction = model._baseline_prediction * factor


def _weight_log(y: Ints, plan: Plan) -> float:
    """The logarithm of a fraud's weight; taken off a margin, it is a probability again (King and Zeng, 2001)."""
    frauds = int(y.sum())
    return plan.fraud_power * math.log((len(y) - frauds) / frauds)


def _platt(margins: Floats, y: Ints, standing: Floats) -> tuple[float, float]:
    """Scale and shift by which the margins fit what came of the orders; never a scale that turns their order around."""
    fitted = LogisticRegression(C=1.0).fit(margins[:, None], y, sample_weight=standing)
    scale = float(fitted.coef_[0, 0])
    return (scale, float(fitted.intercept_[0])) if scale > 0 else (1.0, 0.0)


def _cut(occurred_at_ms: Ints, share: float) -> int:
    """How many of the orders are the earliest share; those of one moment stay together, among the later."""
    place = int(len(occurred_at_ms) * share)
    return place if place == len(occurred_at_ms) else int(np.searchsorted(occurred_at_ms, occurred_at_ms[place]))


def _searched(rows: Rows, x_later: Matrix, y_later: Ints, plan: Plan, seed: int, told: Told) -> Plan:
    """The best of `plan` and others like it, by average precision on the later orders, one member each."""
    random, until = np.random.default_rng(seed), time.monotonic() + plan.seconds
    tried: list[tuple[float, Plan]] = []
    for number in range(plan.trials + 1):
        if number and time.monotonic() > until:
            told(f"the search ended with its time, after {number} of {plan.trials + 1} plans")
            break
        told(f"trying plan {number + 1} of {plan.trials + 1}")
        one = plan if not number else _drawn(plan, random)
        tried.append(_tried(rows, x_later, y_later, one, seed))
    return max(tried, key=lambda pair: pair[0])[1]


def _drawn(plan: Plan, random: np.random.Generator) -> Plan:
    return msgspec.structs.replace(
        plan,
        leaves=int(random.choice([7, 15, 31, 63])),
        learning_rate=float(random.choice([0.02, 0.05, 0.1])),
        l2=float(random.choice([0.1, 1.0, 10.0])),
        min_leaf=int(random.choice([10, 20, 50, 100])),
        column_share=float(random.choice([0.2, 0.35, 0.5, 0.8])),
        trees=_MOST_TREES,
    )


def _tried(rows: Rows, x_later: Matrix, y_later: Ints, plan: Plan, seed: int) -> tuple[float, Plan]:
    """Average precision on the later orders with as many trees as do best there: the stopping is early, in effect."""
    model = fit(rows, msgspec.structs.replace(plan, members=1), seed)
    by_trees = [
        (float(average_precision_score(y_later, margins.ravel())), -number)
        for number, margins in enumerate(model._staged_raw_predict(x_later), 1)
        if number % _STEP == 0 or number == plan.trees
    ]
    best, fewest = max(by_trees)
    return best, msgspec.structs.replace(plan, trees=-fewest)
