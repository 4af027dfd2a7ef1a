"""Two versions side by side."""

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import numpy as np
import pandas as pd

from models.errors import ForeignVectors, UntrainableTable
from models.manifest import Manifest
from models.policy import amounts_of
from models.scoring import HistScorer
from models.training import measure

Row = tuple[str, str, str, str]  # name, one's, the other's, the change


def compared(one: Manifest, other: Manifest) -> Iterator[Row]:
    """What they learned from and how they were judged, always; settings, costs and features only where they differ."""
    yield _texts("definitions", one.definitions[:12], other.definitions[:12])
    yield _texts("orders from", _day(one.from_ms), _day(other.from_ms))
    yield _texts("orders until", _day(one.until_ms - 1), _day(other.until_ms - 1))
    yield _numbers("orders learned from", one.orders, other.orders)
    yield _numbers("frauds among them", one.frauds, other.frauds)
    metrics = (msgspec.structs.asdict(each.metrics) for each in (one, other))
    yield from _pairs(*metrics, always=True)
    yield from _thresholds(one, other)
    for part in ("settings", "policy"):
        yield from _pairs(*(_flat(getattr(each, part)) for each in (one, other)), always=False)
    only = [sorted(set(a.names) - set(b.names)) for a, b in ((one, other), (other, one))]
    if any(only):
        yield _texts("features of its own", *(", ".join(names) or "-" for names in only))
    yield _texts("features that drifted", *(f"{len(each.drift)}" for each in (one, other)))


def alike(one: Manifest, other: Manifest) -> None:
    """Raises ForeignVectors for versions that no order's vector suits both."""
    if (one.definitions, one.names) != (other.definitions, other.names):
        raise ForeignVectors(
            f"{one.version} is of definitions {one.definitions}, {other.version} of {other.definitions}: "
            "no order's vector is both's"
        )


def overlap(orders: pd.DataFrame, manifest: Manifest) -> int:
    """How many of the orders are of the time that a version learned from."""
    at = orders["occurred_at_ms"]
    return int(((at >= manifest.from_ms) & (at < manifest.until_ms)).sum())


def on_same(orders: pd.DataFrame, one: HistScorer, other: HistScorer) -> Iterator[Row]:
    """Both versions' metrics on the same orders, each by its own policy; and how much they say alike.

    `orders` has the features and `label`. Raises UntrainableTable where these are of one class.
    """
    label = orders["label"].to_numpy(dtype=np.int64)
    if not 0 < label.sum() < len(label):
        raise UntrainableTable(f"expected orders with fraud among them and others: {label.sum()} of {len(label)} are")
    matrix = orders[list(one.names)].to_numpy(dtype=np.float64)
    amounts_usd = amounts_of(matrix, one.names)
    scores = [each.scores(matrix) for each in (one, other)]
    metrics = [
        msgspec.structs.asdict(measure(label, found, amounts_usd, each.policy))
        for each, found in zip((one, other), scores, strict=True)
    ]
    metrics = [{name: value for name, value in each.items() if value is not None} for each in metrics]
    yield from _pairs(*metrics, always=True)
    ranks = [each.policy.ranks(found, amounts_usd) for each, found in zip((one, other), scores, strict=True)]
    flagged = [rank > 0 for rank in ranks]
    yield _numbers("flagged by it alone", int((flagged[0] & ~flagged[1]).sum()), int((flagged[1] & ~flagged[0]).sum()))
    frauds = [int((mine & ~theirs & (label == 1)).sum()) for mine, theirs in (flagged, flagged[::-1])]
    yield _numbers("frauds among these", *frauds)


def _thresholds(one: Manifest, other: Manifest) -> Iterator[Row]:
    """At the amounts that both have."""
    later = {each.amount_usd: each for each in other.thresholds}
    for at in one.thresholds:
        if at.amount_usd in later:
            of = f"of an order of {at.amount_usd:,.0f} USD"
            yield _numbers(f"reviewed from, {of}", at.review_at, later[at.amount_usd].review_at)
            yield _numbers(f"blocked from, {of}", at.block_at, later[at.amount_usd].block_at)


def _flat(struct: msgspec.Struct) -> dict[str, object]:
    """Its fields, and those of the structs in it."""
    found: dict[str, object] = {}
    for name, value in msgspec.structs.asdict(struct).items():
        found.update(_flat(value) if isinstance(value, msgspec.Struct) else {name: value})
    return found


def _pairs(one: dict[str, object], other: dict[str, object], *, always: bool) -> Iterator[Row]:
    for name, value in one.items():
        if always or value != other[name]:
            yield _numbers(name.replace("_", " "), value, other[name])


def _numbers(name: str, one: object, other: object) -> Row:
    change = f"{other - one:+,.4g}" if isinstance(one, int | float) and isinstance(other, int | float) else ""
    return name, _shown(one), _shown(other), "" if one == other else change


def _texts(name: str, one: str, other: str) -> Row:
    return name, one, other, "" if one == other else "differs"


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)


def _day(moment_ms: int) -> str:
    return str(datetime.fromtimestamp(moment_ms / 1000, UTC).date())
