"""A set of features: what must be read for it, what must be stored, and how its vectors come of the numbers read."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from hashlib import blake2b
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np

from events.facts import KINDS, OrderFact
from features import direct, sources
from features.automation import Automation
from features.formulas import Decayed, Floats, Formula, Indexes
from features.numbers import (
    DISTINCT,
    FUNCTIONS,
    LATENESS_S,
    NUMBERS,
    SEMANTICS,
    SUMMED,
    WINDOWS,
    Age,
    Column,
    Direct,
    Distinct,
    Earliest,
    First,
    Number,
    Roll,
    Since,
    Window,
    Windowed,
)
from features.rates import RATES, Rates
from features.visit import Visit

Derived = Formula | Visit | Automation
Feature = Number | Derived


NOWHERE = -1


class Wanted(NamedTuple):
    """Where what is read of an entity of a kind stands among the definitions' numbers; NOWHERE: nobody asks for it.

    Of each window the columns, the age, and of each roll the windows and then whether it is the first meeting.
    """

    by_window: tuple[tuple[int, ...], ...]
    age: int
    rolls: tuple[tuple[int, ...], ...]


class Definitions(msgspec.Struct, frozen=True, dict=True):
    """An ordered set of features, the windows they look through, and the rates that their amounts are converted with.

    Windows come narrowest first: each hop is a multiple of a minute and of the hop before, each width of its hop. The
    order of features is the vector's. Two sets with the same `hash` give the same numbers for the same facts.
    """

    features: tuple[Feature, ...]
    rates: Rates = RATES
    windows: tuple[Window, ...] = tuple(WINDOWS.values())

    def __post_init__(self) -> None:
        if len(set(self.names)) < len(self.names):
            raise ValueError("two features have the same name")
        for number in self.numbers:
            if why := _unreadable(number, self.window_names[-1]):
                raise ValueError(f"{number.name}: {why}")
        for finer, window in pairwise((Window("", 0, 60), *self.windows)):
            if window.hop_s % finer.hop_s or window.width_s % window.hop_s or window.width_s <= finer.width_s:
                raise ValueError(f"the window {window.name} is not made of whole hops of the one before it")
        asked = {number.window for number in self.numbers if isinstance(number, Windowed | Distinct)}
        if unknown := sorted(asked.difference(self.window_names)):
            raise ValueError(f"no window is called {', '.join(unknown)}; there are {', '.join(self.window_names)}")
        if self.windows != tuple(WINDOWS.values()) and any(isinstance(f, Decayed) for f in self.features):
            raise ValueError("decayed counts are weighted for the default windows alone")

    @cached_property
    def window_names(self) -> list[str]:
        return [window.name for window in self.windows]

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    @cached_property
    def hash(self) -> str:
        """32 hexadecimal digits over everything that the numbers depend on."""
        meaning = [
            self.features, self.windows, LATENESS_S, DISTINCT, SEMANTICS, sources.VERSION, KINDS,
            self.rates.version,
        ]  # fmt: skip
        return blake2b(msgspec.json.encode(meaning, order="deterministic"), digest_size=16).hexdigest()

    @cached_property
    def numbers(self) -> tuple[Number, ...]:
        """All that must be read: what the vector holds as it is, and what its derived features are made from."""
        needed: dict[Number, None] = {}
        for feature in self.features:
            needed.update(dict.fromkeys((feature,) if isinstance(feature, NUMBERS) else feature.inputs))
        return tuple(needed)

    @cached_property
    def columns(self) -> Mapping[str, tuple[Column, ...]]:
        """What the tiles of each kind of entity hold, summed columns first, for the kinds that any feature needs."""
        needed: dict[str, dict[Column, None]] = {}
        for number in self.numbers:
            if isinstance(number, Direct):
                continue
            of_kind = needed.setdefault(number.kind, {})
            if isinstance(number, Windowed):
                of_kind.setdefault(Column(number.source, number.aggregate))
            elif isinstance(number, Since):
                of_kind.setdefault(Column(number.source, "last"))
            elif isinstance(number, Earliest):
                of_kind.setdefault(Column(number.source, "earliest"))
        in_order = {kind: sorted(needed[kind], key=lambda c: c.aggregate not in SUMMED) for kind in needed}
        return {kind: tuple(in_order[kind]) for kind in KINDS if kind in in_order}

    @cached_property
    def rolls(self) -> Mapping[str, tuple[Roll, ...]]:
        """The lists of members of each kind that has columns."""
        needed: dict[str, dict[Roll, None]] = {kind: {} for kind in self.columns}
        for number in self.numbers:
            if isinstance(number, Distinct | First):
                needed[number.kind].setdefault(Roll(number.source, number.member))
        return {kind: tuple(rolls) for kind, rolls in needed.items()}

    @cached_property
    def wanted(self) -> Mapping[str, Wanted]:
        """Of each kind that has columns."""
        return {kind: self._wanted(kind) for kind in self.columns}

    def _wanted(self, kind: str) -> Wanted:
        at = {number: place for place, number in enumerate(self.numbers)}
        windows = self.window_names

        def places(asked: Iterable[Number]) -> tuple[int, ...]:
            return tuple(at.get(number, NOWHERE) for number in asked)

        return Wanted(
            tuple(places(_of_column(kind, c, w, w == windows[-1]) for c in self.columns[kind]) for w in windows),
            at.get(Age(kind), NOWHERE),
            tuple(
                places([*(Distinct(kind, r.source, r.member, w) for w in windows), First(kind, r.source, r.member)])
                for r in self.rolls[kind]
            ),
        )

    def sources(self, kind: str) -> frozenset[str]:
        """What a kind counts, or meets members in."""
        return frozenset(c.source for c in self.columns[kind]) | frozenset(r.source for r in self.rolls[kind])

    @cached_property
    def functions(self) -> tuple[tuple[int, direct.Function], ...]:
        """(place among the numbers, function) of the direct ones."""
        direct_features = ((at, f) for at, f in enumerate(self.numbers) if isinstance(f, Direct))
        return tuple((at, FUNCTIONS[feature.function]) for at, feature in direct_features)

    def of_order(self, order: OrderFact) -> list[float]:
        """The direct numbers of an order, in the order of `functions`."""
        return [function(order, self.rates) for _, function in self.functions]

    @cached_property
    def _layout(self) -> tuple[Indexes, list[tuple[Callable[..., Floats], int, int]], Indexes]:
        """How vectors come of the numbers read: which of them to take, each kind of formula, and where its results are.

        Taken are the numbers that the vector holds as they are, then each formula's inputs, one after another: so all
        are gathered in one go. A formula stands with its features and its inputs; their results follow the numbers
        held, and the last list says where among these each feature is.
        """
        at = {number: place for place, number in enumerate(self.numbers)}
        by_type: dict[type[Derived], list[Derived]] = {}
        for feature in self.features:
            if not isinstance(feature, NUMBERS):
                by_type.setdefault(type(feature), []).append(feature)
        held = [feature for feature in self.features if isinstance(feature, NUMBERS)]
        taken = [at[number] for number in held]
        formulas = []
        for of_type, derived in by_type.items():
            columns = list(zip(*(feature.inputs for feature in derived), strict=True))
            taken += [at[number] for column in columns for number in column]
            formulas.append((of_type.formula, len(derived), len(columns)))
        made = {f: place for place, f in enumerate([*held, *(f for derived in by_type.values() for f in derived)])}
        return np.array(taken), formulas, np.array([made[feature] for feature in self.features])

    def vectors(self, numbers: Floats) -> Floats:
        """Vectors, (facts, features), from the numbers read, (facts, numbers).

        Elementwise throughout, so that a row's bytes do not depend on the other rows.
        """
        taken, formulas, order = self._layout
        gathered = numbers.take(taken, axis=1)
        end = begin = len(order) - sum(features for _, features, _ in formulas)
        results = [gathered[:, :begin]]
        with np.errstate(divide="ignore", invalid="ignore"):
            for formula, features, inputs in formulas:
                columns = [gathered[:, at : at + features] for at in range(end, end + inputs * features, features)]
                end += inputs * features
                results.append(formula(*columns))
        made = np.concatenate(results, axis=1)
        derived = made[:, begin:]
        derived[~np.isfinite(derived)] = np.nan
        return made.take(order, axis=1)


def _unreadable(number: Number, longest: str) -> str | None:
    """Why no fact can ever give this number."""
    if isinstance(number, Direct):
        return None if number.function in FUNCTIONS else f"no function is called {number.function}"
    if number.kind not in KINDS:
        return f"no entity is called {number.kind}; there are {', '.join(KINDS)}"
    if not isinstance(number, Age) and number.source not in sources.SOURCES:
        return f"no source is called {number.source}; there are {', '.join(sources.SOURCES)}"
    if isinstance(number, Windowed):
        return _unaggregated(number, longest)
    if isinstance(number, Distinct | First) and number.member not in KINDS:
        return _unmet(number)
    return None


def _unmet(number: Distinct | First) -> str | None:
    if number.member not in _said_by(number):
        return f"no fact of the {number.source} says its {number.member}"
    if isinstance(number, First) and number.member not in OrderFact.__struct_fields__:
        return f"no order says its {number.member}"
    return None


def _unaggregated(number: Windowed, longest: str) -> str | None:
    if number.aggregate == "units" and "quantity" not in _said_by(number):
        return f"no fact of the {number.source} says its quantity"
    if number.aggregate in {"earliest", "last"} and number.window == longest:
        return "in the longest window that is asked for as Earliest or Since"
    return None


def _said_by(number: Windowed | Distinct | First) -> frozenset[str]:
    return sources.fields_of(number.source)


def _of_column(kind: str, column: Column, window: str, longest: bool) -> Number:
    """The number that a column is in a window; when a source was is only ever asked for in the longest."""
    if column.aggregate == "last" and longest:
        return Since(kind, column.source)
    if column.aggregate == "earliest" and longest:
        return Earliest(kind, column.source)
    return Windowed(kind, column.source, column.aggregate, window)
