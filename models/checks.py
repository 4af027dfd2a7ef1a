"""What is looked at before a model may be registered: does it know the future, and has the world moved on since?"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from models.errors import FromTheFuture
from models.populations import ENOUGH, moved, population, some

Floats = NDArray[np.float32] | NDArray[np.float64]
Ints = NDArray[np.int64]

TOO_GOOD = 0.999  # the area under the ROC curve of one column alone, beyond which it must hold the label
DRIFTED = 0.25  # population stability: by custom, from here on a distribution is another one
_FEW_FRAUDS = 25
_NAMED = 5


def refuse_future(occurred_at_ms: Ints, labelled_at_ms: Floats | None, known_at_ms: int) -> None:
    """Raises FromTheFuture where an order or a label is from `known_at_ms` on, the moment that the model is for."""
    late = int((occurred_at_ms >= known_at_ms).sum())
    if late:
        raise FromTheFuture(
            f"{late:,} of {len(occurred_at_ms):,} orders are from the moment of training or later: "
            "expected the past alone"
        )
    unknown = 0 if labelled_at_ms is None else int((labelled_at_ms > known_at_ms).sum())
    if unknown:
        raise FromTheFuture(
            f"{unknown:,} labels became known after the moment of training: expected what was known then"
        )


def refuse_leaks(x: Floats, y: Ints, names: Sequence[str]) -> None:
    """Raises FromTheFuture where one column alone tells the judged orders' labels: no feature is that good.

    Few frauds prove nothing, and are let pass.
    """
    if int(y.sum()) < _FEW_FRAUDS:
        return
    rows = np.union1d(some(len(y)), np.flatnonzero(y == 1)) if len(y) > ENOUGH else np.arange(len(y))
    leaks = [name for place, name in enumerate(names) if _told_by(x[rows, place], y[rows]) > TOO_GOOD]
    if leaks:
        raise FromTheFuture(
            f"the label can be read off {', '.join(leaks)} alone: expected features of what was known before the order"
        )


def stability(earlier: Floats, later: Floats) -> float:
    """The population stability index of two samples of a column, over tenths of the earlier; NaN is a bin of its own.

    Below .1 nothing has changed, from .25 on it is another population.
    """
    return moved(population(earlier), later)


def drifted(earlier: Floats, later: Floats, names: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """The columns whose population has changed, the most changed first, a few at most."""
    before, after = some(len(earlier)), some(len(later))
    found = [(name, stability(earlier[before, place], later[after, place])) for place, name in enumerate(names)]
    most = sorted((one for one in found if one[1] >= DRIFTED), key=lambda one: -one[1])
    return tuple((name, round(value, 3)) for name, value in most[:_NAMED])


def _told_by(column: Floats, y: Ints) -> float:
    """The better of the column's two directions, an absent value below all and above all."""
    if np.isnan(column).all():
        return 0.5
    low = float(np.nanmin(column[np.isfinite(column)], initial=0.0)) - 1.0
    area = float(roc_auc_score(y, np.nan_to_num(column, nan=low)))
    return max(area, 1.0 - area)
