"""Features, each defined once: its name, documentation, storage and place in the vector derive from its definition."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from hashlib import blake2b
from typing import Literal

import msgspec

from events.facts import KINDS, OrderFact
from features import direct, sources
from features.rates import RATES, Rates

Aggregate = Literal["count", "sum"]


class Window(msgspec.Struct, frozen=True):
    """What begins at a multiple of its hop, between `width_s` and `width_s + hop_s` before an order's minute."""

    name: str
    width_s: int
    hop_s: int


# Each hop divides the next, and each width is a multiple of its hop: the tiles of one window are made of finer ones.
WINDOWS: Mapping[str, Window] = {
    w.name: w
    for w in (
        Window("10m", 600, 60),
        Window("1h", 3_600, 300),
        Window("24h", 86_400, 3_600),
        Window("7d", 604_800, 21_600),
        Window("30d", 2_592_000, 86_400),
    )
}
LATENESS_S = 300
SEMANTICS = 1  # raise it when the same definitions come to give other numbers


class Column(msgspec.Struct, frozen=True):
    """One number of an entity's tiles."""

    source: str
    aggregate: Aggregate


class Windowed(msgspec.Struct, frozen=True, tag="windowed"):
    """How many, or how much (US cents), of `source` an entity had in a window."""

    kind: str
    source: str
    aggregate: Aggregate
    window: str

    @property
    def name(self) -> str:
        return f"{self.kind}.{self.source}.{self.aggregate}.{self.window}"

    @property
    def text(self) -> str:
        what = "number" if self.aggregate == "count" else "amount in US cents"
        return f"The {what} of {sources.SOURCES[self.source]} of this {self.kind} in the last {self.window}."


class Age(msgspec.Struct, frozen=True, tag="age"):
    """Seconds since the earliest fact of an entity that its longest window can still see; 0 for a new one."""

    kind: str

    @property
    def name(self) -> str:
        return f"{self.kind}.age_s"

    @property
    def text(self) -> str:
        return f"Seconds since this {self.kind} was first seen in the last 30d; 0 if never before."


class Direct(msgspec.Struct, frozen=True, tag="direct"):
    """What the order's fact says by itself: a function of `direct.FUNCTIONS`, at a version of it."""

    function: str
    version: int

    @property
    def name(self) -> str:
        return f"order.{self.function}"

    @property
    def text(self) -> str:
        return " ".join((_FUNCTIONS[self.function].__doc__ or "").split())


Feature = Windowed | Age | Direct
_FUNCTIONS: Mapping[str, direct.Function] = {function.__name__: function for function, _ in direct.FUNCTIONS}


class Definitions(msgspec.Struct, frozen=True, dict=True):
    """An ordered set of features and the rates that their amounts are converted with.

    The order is the vector's. Two sets with the same `hash` give the same numbers for the same facts.
    """

    features: tuple[Feature, ...]
    rates: Rates = RATES

    def __post_init__(self) -> None:
        if len(set(self.names)) < len(self.names):
            raise ValueError("two features have the same name")

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    @cached_property
    def hash(self) -> str:
        """32 hexadecimal digits over everything that the numbers depend on."""
        meaning = [
            self.features, list(WINDOWS.values()), LATENESS_S, SEMANTICS, sources.VERSION, KINDS, self.rates.version
        ]  # fmt: skip
        return blake2b(msgspec.json.encode(meaning, order="deterministic"), digest_size=16).hexdigest()

    @cached_property
    def columns(self) -> Mapping[str, tuple[Column, ...]]:
        """What the tiles of each kind of entity hold, for the kinds that any feature needs."""
        needed: dict[str, dict[Column, None]] = {}
        for feature in self.features:
            if not isinstance(feature, Direct):
                needed.setdefault(feature.kind, {})
            if isinstance(feature, Windowed):
                needed[feature.kind].setdefault(Column(feature.source, feature.aggregate))
        return {kind: tuple(needed[kind]) for kind in KINDS if kind in needed}

    @cached_property
    def functions(self) -> tuple[tuple[int, direct.Function], ...]:
        """(place in the vector, function) of the direct features."""
        direct_features = ((at, f) for at, f in enumerate(self.features) if isinstance(f, Direct))
        return tuple((at, _FUNCTIONS[feature.function]) for at, feature in direct_features)

    def of_order(self, order: OrderFact) -> list[float]:
        """The direct features of an order, in the order of `functions`."""
        return [function(order, self.rates) for _, function in self.functions]


def _windowed(
    kinds: Iterable[str], source: str, aggregates: tuple[Aggregate, ...], *windows: str
) -> Iterable[Windowed]:
    for kind in kinds:
        for aggregate in aggregates:
            for window in windows:
                yield Windowed(kind, source, aggregate, window)


_KNOWN = tuple(kind for kind in KINDS if kind != "session")
_WEB = ("device", "ip", "network")
DEFINITIONS = Definitions(
    (
        *_windowed(KINDS, "orders", ("count", "sum"), *WINDOWS),
        *_windowed(_KNOWN, "frauds", ("count",), "7d", "30d"),
        *_windowed(("session", *_WEB), "visits", ("count",), "10m", "1h", "24h"),
        *_windowed(("customer", *_WEB), "logins_failed", ("count",), "10m", "1h", "24h"),
        *_windowed(("customer", "card", *_WEB), "declines", ("count",), "10m", "1h", "24h", "7d"),
        *_windowed(("customer",), "credential_changes", ("count",), "1h", "24h", "7d"),
        *_windowed(("customer",), "addresses_added", ("count",), "1h", "24h", "7d"),
        *_windowed(("customer",), "refunds", ("count", "sum"), "7d", "30d"),
        *(Age(kind) for kind in KINDS),
        *(Direct(function.__name__, version) for function, version in direct.FUNCTIONS),
    )
)
