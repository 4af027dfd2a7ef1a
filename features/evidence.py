"""What an order's numbers come from: the facts behind each, and the number again by those facts. No I/O, no state.

For people who ask, and for the audit's proofs, not for vectors: those are the engine's (`features/store.py`), by the
rules of docs/features-semantics.md, which the tests hold these readings to.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import isnan, nan
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from events.facts import KINDS, AnyFact, OrderFact
from features.batches import number_of
from features.declared import Definitions, Feature
from features.numbers import (
    DISTINCT,
    FUNCTIONS,
    LATENESS_S,
    MOST_DOLLARS,
    NUMBERS,
    Age,
    Direct,
    Distinct,
    Earliest,
    First,
    Number,
    Since,
    Window,
    Windowed,
)
from features.sources import ORDER_CLASSES, SOURCES, amount_of, class_of

NEWEST = 3


class Told(NamedTuple):
    """A fact and where it is in the log: the facts partition, and its number there."""

    partition: int
    number: int
    fact: AnyFact


class Seen(NamedTuple):
    """What a fact is to an entity: its second, its class, what it adds to a sum (US cents; ms of a visit) if any."""

    second: int
    of_class: str
    amount: int | None
    fact: AnyFact


class Reading(NamedTuple):
    """A number (NaN: absent), what it counts, and the minutes that were looked at: seconds, the last one included."""

    value: float
    counted: Sequence[Seen] = ()
    begin_s: int | None = None
    until_s: int | None = None


Past = Mapping[str, Sequence[Seen]]  # what the order's entity of each kind had before it


def in_log_order(order: Told, facts: Iterable[Told]) -> list[Told]:
    """The facts that were before an order: in its partition by their number, in others by when they were recorded."""
    return [
        told
        for told in facts
        if (
            told.number < order.number
            if told.partition == order.partition
            else told.fact.recorded_at_ms < order.fact.recorded_at_ms
        )
    ]


def once_each(facts: Iterable[Told]) -> tuple[list[Told], list[Told]]:
    """Facts without those whose event came before, and those."""
    events: dict[tuple[str, type, int], Told] = {}
    ordered = sorted(facts, key=lambda told: (told.partition, told.number))
    for told in ordered:
        events.setdefault((told.fact.event_id, type(told.fact), told.fact.occurred_at_ms), told)
    kept = {(told.partition, told.number) for told in events.values()}
    return list(events.values()), [told for told in ordered if (told.partition, told.number) not in kept]


class Evidence:
    """Reads numbers off facts, by the definitions."""

    def __init__(self, definitions: Definitions) -> None:
        self._rates = definitions.rates
        self._windows = {window.name: window for window in definitions.windows}
        self._longest = definitions.windows[-1]
        self._alone = {f: Definitions((f,), definitions.rates, definitions.windows) for f in definitions.features}
        self._classes = {
            kind: frozenset(ORDER_CLASSES).union(*(SOURCES[name].classes for name in definitions.sources(kind)))
            for kind in definitions.columns
        }

    def touches(self, kind: str, fact: AnyFact) -> bool:
        """Whether a fact counts as anything to an entity of that kind that it names."""
        return class_of(fact) in self._classes.get(kind, ())

    def past(self, order: OrderFact, facts: Iterable[AnyFact]) -> Past:
        """Of the facts that were before the order, those of each of its entities."""
        facts = [fact for fact in facts if fact.source != order.source]
        named = ((kind, getattr(order.entities, kind)) for kind in self._classes)
        return {
            kind: [
                Seen(fact.occurred_at_ms // 1000, class_of(fact), amount_of(fact, self._rates), fact)
                for fact in facts
                if getattr(fact.entities, kind) == pseudonym and self.touches(kind, fact)
            ]
            for kind, pseudonym in named
            if pseudonym is not None
        }

    def reading(self, number: Number, order: OrderFact, past: Past) -> Reading:
        """A number of an order."""
        if isinstance(number, Direct):
            return Reading(FUNCTIONS[number.function](order, self._rates))
        if getattr(order.entities, number.kind) is None:
            return Reading(nan)
        seen = past[number.kind]
        window = self._windows[number.window] if isinstance(number, Windowed | Distinct) else self._longest
        begin, until = bounds(order, seen, window)
        after = [one for one in seen if begin <= _minute(one.second)]
        if isinstance(number, Distinct | First):
            return Reading(*_met(number, order, after), begin, until)
        inside = [one for one in after if _minute(one.second) <= until]
        return Reading(*_within(number, order.occurred_at_ms // 1000, inside), begin, until)

    def value(self, feature: Feature, order: OrderFact, past: Past) -> float:
        """A feature's number, NaN where it is absent: a derived one by its own formula."""
        alone = self._alone[feature]
        numbers = [[self.reading(number, order, past).value for number in alone.numbers]]
        return float(alone.vectors(np.array(numbers))[0, 0])

    def begin(self, feature: Feature, order: OrderFact) -> int:
        """The earliest second that any of a feature's windows can begin at, wherever the entity's clock is."""
        minute = _minute(order.occurred_at_ms // 1000)
        numbers = [number for number in inputs_of(feature) if not isinstance(number, Direct)]
        windows = [self._windows[n.window] if isinstance(n, Windowed | Distinct) else self._longest for n in numbers]
        return min(minute // window.hop_s * window.hop_s - window.width_s for window in windows)


def inputs_of(feature: Feature) -> tuple[Number, ...]:
    """The numbers that a feature is made of; itself, where it is one."""
    return (feature,) if isinstance(feature, NUMBERS) else feature.inputs


def known(value: float) -> float | None:
    """A number, None where it is absent (NaN)."""
    return None if isnan(value) else float(value)


def bounds(order: OrderFact, seen: Iterable[Seen], window: Window) -> tuple[int, int]:
    """The first and the last minute (seconds) of a window, by the entity's clock."""
    clock = max((_minute(one.second) for one in seen), default=0)
    as_of = max(_minute(order.occurred_at_ms // 1000), clock - LATENESS_S)
    return as_of // window.hop_s * window.hop_s - window.width_s, as_of


def _within(number: Windowed | Since | Earliest | Age, second: int, inside: list[Seen]) -> tuple[float, list[Seen]]:
    if isinstance(number, Age):
        first = min(inside, key=lambda one: one.second, default=None)
        return (0.0, []) if first is None else (float(max(0, second - first.second)), [first])
    of_source = [one for one in inside if one.of_class in SOURCES[number.source].classes]
    if isinstance(number, Since):
        last = max(of_source, key=lambda one: one.second, default=None)
        return (nan, []) if last is None else (float(max(0, second - last.second)), [last])
    if isinstance(number, Earliest) or number.aggregate == "earliest":
        first = min(of_source, key=lambda one: one.second, default=None)
        return (nan, []) if first is None else (float(max(0, second - first.second)), [first])
    if number.aggregate == "count":
        return float(len(of_source)), of_source
    if number.aggregate == "units":
        return float(sum(one.fact.quantity for one in of_source if isinstance(one.fact, OrderFact))), of_source
    return _aggregated(number, [one.amount for one in of_source if one.amount is not None]), of_source


def _aggregated(number: Windowed, amounts: list[int]) -> float:
    match number.aggregate:
        case "sum":
            return float(sum(amounts))
        case "min":
            return float(min(amounts, default=nan))
        case "max":
            return float(max(amounts, default=nan))
    power = 2 if number.aggregate == "squares" else 1
    # Whole dollars, rounded half up.
    return float(sum(min((cents + 50) // 100, MOST_DOLLARS) ** power for cents in amounts))


def _met(number: Distinct | First, order: OrderFact, after: list[Seen]) -> tuple[float, list[Seen]]:
    member = attrgetter(f"entities.{number.member}" if number.member in KINDS else number.member)
    classes = SOURCES[number.source].classes
    met = [one for one in after if one.of_class in classes and member(one.fact) is not None]
    last: dict[str, int] = {}
    for one in met:
        last[member(one.fact)] = max(one.second, last.get(member(one.fact), 0))
    numbered = number_of(number.member)
    kept = sorted(last, key=lambda name: (last[name], numbered(name)))[-DISTINCT:]
    if isinstance(number, Distinct):
        return float(len(kept)), met
    own = member(order)
    if own in kept:
        return 0.0, [one for one in met if member(one.fact) == own]
    return (nan if own is None or len(kept) == DISTINCT else 1.0), []


def _minute(second: int) -> int:
    return second // 60 * 60
