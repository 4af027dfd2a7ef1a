"""How a column's values are spread, in few numbers: what a model was trained on, to be held against later orders."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32] | NDArray[np.float64]

_BINS = 10
ENOUGH = 50_000  # rows; evenly drawn, so many say the same of hundreds of columns in a fraction of the time


class Population(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tenths of a column between `edges`, fewer where values repeat; `shares` of each bin, and of absent values last.

    Drawn a little towards evenness, so that an empty one can be compared.
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]


class Populations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of the features that a model was trained on, and of its scores of the latest of these orders.

    Of its own, though it learned from them: another model's scores lie elsewhere, however alike the two are.
    """

    scores: Population
    features: Mapping[str, Population]


def population(sample: Floats) -> Population:
    known = sample[np.isfinite(sample)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1])) if len(known) else np.empty(0)
    return Population(tuple(edges.tolist()), tuple(_shares(sample, edges).tolist()))


def moved(before: Population, later: Floats) -> float:
    """The population stability index of a later sample against an earlier one's tenths; NaN is a bin of its own.

    Below .1 nothing has changed, from .25 on it is another population.
    """
    then, now = np.array(before.shares), _shares(later, np.array(before.edges))
    return float(np.sum((now - then) * np.log(now / then)))


def populations(x: Floats, names: Sequence[str], scores: Floats) -> Populations:
    rows = some(len(x))
    return Populations(population(scores), {name: population(x[rows, at]) for at, name in enumerate(names)})


def some(count: int) -> NDArray[np.intp]:
    """At most ENOUGH places, over all of them evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, ENOUGH)).astype(np.intp))


def _shares(sample: Floats, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    absent = np.isnan(sample)
    counts = np.bincount(np.searchsorted(edges, sample[~absent], side="right"), minlength=len(edges) + 1)
    every = np.append(counts, absent.sum()) + 0.5
    return np.asarray(every / every.sum(), dtype=np.float64)


encode = msgspec.json.Encoder(order="deterministic").encode
decode = msgspec.json.Decoder(Populations).decode
