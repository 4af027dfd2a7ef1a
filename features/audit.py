"""Logged vectors against recomputed ones, and why they differ, by what the facts say. No I/O.

An order's vector is a function of the set of facts that were applied before it. Replayed in event-time order, that is
all that happened before; as it was logged, all that had come by then. So a number may differ only where a fact of the
same entity is in one of the sets alone, and such a fact is looked for: for every number that differs.
"""

from collections.abc import Collection, Sequence
from typing import Literal, get_args

import msgspec
import numpy as np

from events.facts import KINDS, AnyFact, Coordinates, OrderFact
from features.definitions import LATENESS_S, Definitions
from features.formulas import Floats
from features.numbers import NUMBERS
from features.replay import Placed
from features.sources import CLASSES, SOURCES, class_of

Cause = Literal["late fact", "crossed", "duplicate", "rebuilt after a gap", "unexplained"]
CAUSES: tuple[Cause, ...] = get_args(Cause)
# Of two explanations of one number the first is given; of two numbers the last.
_BY_FACTS: tuple[Cause, ...] = ("late fact", "crossed", "duplicate", "unexplained")
_GAP = "history.gap"  # the flag of a decision that was made on a store that may miss something
_SHOWN = 3


class Changed(msgspec.Struct, frozen=True):
    """A number that differs; None where it is absent (NaN), or where one vector has no such place."""

    feature: str
    logged: float | None
    recomputed: float | None


class Difference(msgspec.Struct, frozen=True):
    """An order whose logged vector is not the recomputed one; `facts` are the sources of some that explain it."""

    decision_id: str
    order_id: str
    occurred_at_ms: int
    cause: Cause
    features: tuple[Changed, ...]
    facts: tuple[str, ...] = ()


def compare(names: Sequence[str], logged: bytes, recomputed: Floats) -> tuple[Changed, ...]:
    """The numbers that differ. `logged` is little-endian float64; two absent ones are equal."""
    if logged == recomputed.astype("<f8", copy=False).tobytes():
        return ()
    if len(logged) != 8 * len(names):
        return (Changed(f"(a vector of {len(logged)} bytes, expected {8 * len(names)})", None, None),)
    there = np.frombuffer(logged, dtype="<f8")
    differs = ~((there == recomputed) | (np.isnan(there) & np.isnan(recomputed)))
    return tuple(
        Changed(names[place], _number(there[place]), _number(recomputed[place]))
        for place in np.flatnonzero(differs).tolist()
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


class Suspect:
    """An order with another vector than was logged, where it is in the log, and what explains each of its numbers."""

    def __init__(
        self, order: OrderFact, placed: Placed, changed: tuple[Changed, ...], flags: Collection[str] = ()
    ) -> None:
        self.order, self.placed, self.changed = order, placed, changed
        self.found: dict[str, Cause] = {}
        self.facts: list[str] = []
        self._gap = _GAP in flags

    @property
    def key(self) -> tuple[int, int, int]:
        return self.order.occurred_at_ms, self.placed.partition, self.placed.number

    def explain(self, feature: str, cause: Cause, source: Coordinates) -> None:
        if _BY_FACTS.index(cause) < _BY_FACTS.index(self.found.get(feature, "unexplained")):
            self.found[feature] = cause
            if len(self.facts) < _SHOWN and source.text() not in self.facts:
                self.facts.append(source.text())

    def difference(self) -> Difference:
        causes = [self.found.get(changed.feature, "unexplained") for changed in self.changed]
        cause = "rebuilt after a gap" if self._gap else max(causes, key=_BY_FACTS.index)
        order = self.order
        return Difference(
            order.source.text(), order.order_id, order.occurred_at_ms, cause, self.changed, tuple(self.facts)
        )


class Inquiry:
    """Is told of every fact around the suspects, in any order, and finds what explains them.

    Facts of different partitions may be applied in either order if they were recorded within `moment_ms` of each other.
    `repeated` are the sources of facts that came again.
    """

    def __init__(
        self, definitions: Definitions, suspects: Sequence[Suspect], moment_ms: int, repeated: Collection[Coordinates]
    ) -> None:
        self._moment_ms = moment_ms
        self._repeated = repeated
        self._events: dict[str, Coordinates] = {}
        # Entity -> who is to be explained -> each number of that entity, with the source that it counts if one.
        self._of: dict[tuple[str, str], dict[Suspect, list[tuple[str, str | None]]]] = {}
        features = {feature.name: feature for feature in definitions.features}
        for suspect in suspects:
            for changed in suspect.changed:
                feature = features.get(changed.feature)
                for number in (feature,) if isinstance(feature, NUMBERS) else getattr(feature, "inputs", ()):
                    kind = getattr(number, "kind", "")
                    pseudonym = getattr(suspect.order.entities, kind, None)
                    if pseudonym is not None:
                        numbers = self._of.setdefault((kind, pseudonym), {}).setdefault(suspect, [])
                        numbers.append((changed.feature, getattr(number, "source", None)))

    def hear(self, placed: Placed, fact: AnyFact) -> None:
        """Whether the fact explains any number of any suspect."""
        of_class = class_of(fact)
        for kind in KINDS if of_class in CLASSES else ():
            for suspect, numbers in self._of.get((kind, getattr(fact.entities, kind)), {}).items():
                cause = self._cause(placed, fact, suspect)
                if cause is None:
                    continue
                for feature, source in numbers:
                    if source is None or of_class in SOURCES[source].classes or _moves_the_clock(fact, suspect.order):
                        suspect.explain(feature, cause, fact.source)

    def _cause(self, placed: Placed, fact: AnyFact, suspect: Suspect) -> Cause | None:
        order = suspect.order
        if fact.source == order.source:
            return None
        happened_before = (fact.occurred_at_ms, placed.partition, placed.number) < suspect.key
        apart_ms = fact.recorded_at_ms - order.recorded_at_ms
        same = placed.partition == suspect.placed.partition
        came_after = placed.number - suspect.placed.number if same else apart_ms  # in the log, or at the broker
        if came_after and happened_before == (came_after > 0):
            return "late fact"
        if not same and abs(apart_ms) <= self._moment_ms:
            return "crossed"
        return "duplicate" if happened_before and self._came_again(fact) else None

    def _came_again(self, fact: AnyFact) -> bool:
        return fact.source in self._repeated or self._events.setdefault(fact.event_id, fact.source) != fact.source


def _moves_the_clock(fact: AnyFact, order: OrderFact) -> bool:
    """Whether an order that comes after the fact is read as of a later minute than its own."""
    return fact.occurred_at_ms // 60_000 * 60 - LATENESS_S > order.occurred_at_ms // 60_000 * 60
