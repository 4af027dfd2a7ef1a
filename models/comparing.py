"""Two versions side by side."""

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from models.manifest import Manifest

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
