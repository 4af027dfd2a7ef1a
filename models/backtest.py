"""A backtest: learn from what was known by a moment, be judged on what came after. Pure, over arrays.

The steps of a row's life are kept apart by time: an order teaches if it was placed in the training window, with its
label as it was known when the test began; it is tested if placed in the test window, against the truth.
"""

import hashlib
from collections.abc import Callable, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.encoding import encoded
from models.errors import UntrainableTable
from models.learner import Learned, Plan, learn
from models.measures import Curves, Group, Judged, Measures, curves, measures, reliability

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Indexes = NDArray[np.intp]

DAY_MS = 86_400_000
TEST_SHARE = 0.3  # of the time, by default
_SHOWN_WEIGHTS = 25
_SHUFFLED = 20_000


class Protocol(msgspec.Struct, frozen=True, kw_only=True):
    """Windows of the orders' times, milliseconds since 1970, their ends outside.

    `leave_out_known`: a customer with a fraud placed since `known_from_ms`, and known when a day begins, is not tested
    from that day on: somebody has blocked the card.
    """

    train_from_ms: int
    train_until_ms: int
    test_from_ms: int
    test_until_ms: int
    leave_out_known: bool = False
    known_from_ms: int | None = None

    def __post_init__(self) -> None:
        if not self.train_from_ms < self.train_until_ms <= self.test_from_ms < self.test_until_ms:
            raise UntrainableTable(
                f"expected the training window before the test window and both longer than nothing, got {self.text()}"
            )

    def text(self) -> str:
        day = [str(np.datetime64(ms, "ms").astype("datetime64[m]")) for ms in msgspec.structs.astuple(self)[:4]]
        return f"training from {day[0]} until {day[1]}, test from {day[2]} until {day[3]} (UTC)"


class Examples(msgspec.Struct, frozen=True):
    """Orders by time: a row each of the matrix, whose columns are `names`; `label` is the truth, 0 or 1.

    `labelled_at_ms`: when it became known. `amount` in major units, `customer` a number each or None.
    """

    names: tuple[str, ...]
    matrix: NDArray[np.float32]
    categories: Mapping[str, Ints]
    occurred_at_ms: Ints
    label: Ints
    labelled_at_ms: Ints
    amount: Floats
    customer: Ints | None


class Tested(msgspec.Struct, frozen=True):
    """What came of it; `weights` is how much a column's shuffling changes a score, on average."""

    measures: Measures
    curves: Curves
    groups: list[Group]
    orders: int
    frauds: int
    learned_orders: int
    learned_frauds: int
    columns: int
    constant: tuple[str, ...]
    plan: Plan
    weights: list[tuple[str, float]]
    fingerprint: str
    rows: Indexes
    scores: Floats


def default_protocol(occurred_at_ms: Ints, delay_ms: int) -> Protocol:
    """The last 30 % of the time as test, from a midnight on if that is days; before it a gap for the labels' delay."""
    first, last = int(occurred_at_ms.min()), int(occurred_at_ms.max()) + 1
    begin = last - round((last - first) * TEST_SHARE)
    if last - first >= 10 * DAY_MS:
        begin = round(begin / DAY_MS) * DAY_MS
    return Protocol(
        train_from_ms=first, train_until_ms=max(first + 1, begin - delay_ms), test_from_ms=begin, test_until_ms=last
    )


def backtest(examples: Examples, protocol: Protocol, plan: Plan, seed: int, told: Callable[[str], None]) -> Tested:
    """Raises UntrainableTable where there is nothing to learn from, or nothing to be judged on."""
    names, matrix = _with_categories(examples)
    taught, tested = learned_rows(examples, protocol), judged_rows(examples, protocol)
    label = known_label(examples, protocol.test_from_ms)[taught]
    _check(label, "the training window", protocol)
    _check(examples.label[tested], "the test window", protocol)
    varies = _varying(matrix, taught)
    kept = [name for name, one in zip(names, varies, strict=True) if one]
    if not kept:
        raise UntrainableTable("every column is constant in the training window: nothing to learn from")
    matrix = matrix[:, varies]
    words = [name.endswith(".word") and name.removesuffix(".word") in examples.categories for name in kept]
    learned = learn(
        matrix[taught], label, examples.occurred_at_ms[taught], plan, seed=seed, words=np.array(words), told=told
    )
    told("testing")
    scores = learned.scores(matrix[tested])
    judged = _judged(examples, tested, scores)
    return Tested(
        measures=measures(judged),
        curves=curves(judged),
        groups=reliability(judged.label, scores),
        orders=len(tested),
        frauds=int(judged.label.sum()),
        learned_orders=len(taught),
        learned_frauds=int(label.sum()),
        columns=len(kept),
        constant=tuple(name for name, one in zip(names, varies, strict=True) if not one),
        plan=learned.plan,
        weights=_weights(learned, kept, matrix[tested], seed),
        fingerprint=hashlib.sha256(np.ascontiguousarray(scores).tobytes()).hexdigest(),
        rows=tested,
        scores=scores,
    )


def learned_rows(examples: Examples, protocol: Protocol) -> Indexes:
    at = examples.occurred_at_ms
    return np.flatnonzero((at >= protocol.train_from_ms) & (at < protocol.train_until_ms))


def judged_rows(examples: Examples, protocol: Protocol) -> Indexes:
    at = examples.occurred_at_ms
    within = (at >= protocol.test_from_ms) & (at < protocol.test_until_ms)
    if protocol.leave_out_known:
        if examples.customer is None:
            raise UntrainableTable("leaving out known customers: the mapping names no customer_id")
        within &= ~_known_by_its_day(examples, protocol)
    return np.flatnonzero(within)


def known_label(examples: Examples, at_ms: int) -> Ints:
    """A fraud that nobody knew of yet is taken for genuine, as whoever trained then would have."""
    return np.where(examples.labelled_at_ms <= at_ms, examples.label, 0)


def _known_by_its_day(examples: Examples, protocol: Protocol) -> NDArray[np.bool_]:
    assert examples.customer is not None
    since = protocol.train_from_ms if protocol.known_from_ms is None else protocol.known_from_ms
    frauds = np.flatnonzero((examples.label == 1) & (examples.occurred_at_ms >= since) & (examples.customer >= 0))
    known = np.full(int(examples.customer.max(initial=0)) + 1, 2**62, dtype=np.int64)
    np.minimum.at(known, examples.customer[frauds], examples.labelled_at_ms[frauds])
    midnight = examples.occurred_at_ms // DAY_MS * DAY_MS
    return np.asarray((examples.customer >= 0) & (known[np.maximum(examples.customer, 0)] < midnight))


def _with_categories(examples: Examples) -> tuple[list[str], NDArray[np.float32]]:
    if not examples.categories:
        return list(examples.names), examples.matrix
    columns = encoded(examples.categories, examples.occurred_at_ms, examples.label, examples.labelled_at_ms)
    more = np.stack([column.astype(np.float32) for column in columns.values()], axis=1)
    return [*examples.names, *columns], np.concatenate([examples.matrix, more], axis=1)


def _varying(matrix: NDArray[np.float32], rows: Indexes) -> NDArray[np.bool_]:
    """Which columns have two values, or a value and none, among the rows."""
    varies = np.zeros(matrix.shape[1], dtype=bool)
    for place in range(matrix.shape[1]):
        column = matrix[rows, place]
        absent = np.isnan(column)
        there = column[~absent]
        varies[place] = len(there) > 0 and (bool(absent.any()) or there.min() < there.max())
    return varies


def _check(label: Ints, window: str, protocol: Protocol) -> None:
    frauds = int(label.sum())
    if not len(label):
        raise UntrainableTable(f"{window} holds no order; {protocol.text()}")
    if not 0 < frauds < len(label):
        raise UntrainableTable(
            f"{window} must hold fraud and genuine orders both: {frauds} of {len(label)} are fraud, as far as was "
            f"known; {protocol.text()}"
        )


def _judged(examples: Examples, rows: Indexes, scores: Floats) -> Judged:
    customer = None if examples.customer is None else examples.customer[rows]
    return Judged(examples.occurred_at_ms[rows], examples.label[rows], scores, examples.amount[rows], customer)


def _weights(learned: Learned, names: list[str], matrix: NDArray[np.float32], seed: int) -> list[tuple[str, float]]:
    """The mean change of a score when a column's values are dealt out among the orders anew."""
    random = np.random.default_rng(seed)
    some = matrix[np.sort(random.permutation(len(matrix))[: _SHUFFLED // 4])]
    before, dealt = learned.scores(some), random.permutation(len(some))
    found = []
    for place, name in enumerate(names):
        changed = some.copy()
        changed[:, place] = some[dealt, place]
        found.append((name, float(np.abs(learned.scores(changed) - before).mean())))
    return sorted(found, key=lambda one: -one[1])[:_SHOWN_WEIGHTS]
