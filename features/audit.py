"""Logged vectors against recomputed ones, and why they differ, by what the facts say. No I/O.

An order's vector is a function of the set of facts that were applied before it. Replayed in event-time order, that is
all that happened before; as it was logged, all that had come by then, which the decision's positions tell. So each
number that differs is worked out again from what had been applied, and is explained if that gives the logged one.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Literal, get_args

import msgspec
import numpy as np

from events.facts import KINDS, AnyFact, Coordinates, OrderFact
from features.batches import Positions, shard_of
from features.declared import Definitions, Feature
from features.evidence import Evidence, Past, Told, in_log_order, inputs_of, known, once_each
from features.formulas import Floats
from features.numbers import LATENESS_S, Age, Direct
from features.replay import Placed
from features.sources import CLASSES, SOURCES, class_of

# From the best explained to the worst.
Cause = Literal["late fact", "duplicate", "crossed", "rebuilt after a gap", "unexplained"]
CAUSES: tuple[Cause, ...] = get_args(Cause)
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
        Changed(names[place], known(there[place]), known(recomputed[place]))
        for place in np.flatnonzero(differs).tolist()
    )


class Suspect(msgspec.Struct, frozen=True):
    """An order with another vector than was logged, where it is in the log, and the positions of its decision."""

    order: OrderFact
    placed: Placed
    changed: tuple[Changed, ...]
    flags: tuple[str, ...] = ()
    positions: Positions = ()

    def difference(self, causes: Sequence[Cause] = (), facts: Sequence[str] = ()) -> Difference:
        """With the weakest of the causes of its numbers; unexplained without any."""
        weakest: Cause = max(causes, key=CAUSES.index) if causes else "unexplained"
        cause: Cause = "rebuilt after a gap" if _GAP in self.flags else weakest
        order = self.order
        return Difference(order.source.text(), order.order_id, order.occurred_at_ms, cause, self.changed, tuple(facts))


class Inquiry:
    """Is told of every fact around the suspects, in any order, then says what explains each.

    A cause is a proof: worked out again from the facts that had been applied, the number is the one that was logged.
    `repeated` are the sources of facts that came again. Memory: each fact of the suspects' entities.
    """

    def __init__(
        self, definitions: Definitions, suspects: Sequence[Suspect], repeated: Collection[Coordinates]
    ) -> None:
        self._features = {feature.name: feature for feature in definitions.features}
        self._evidence = Evidence(definitions)
        self._repeated = repeated
        entities = {entity: None for suspect in suspects for entity in self._entities(suspect)}
        self._of: dict[tuple[str, str], dict[Coordinates, Told]] = {entity: {} for entity in entities}

    def hear(self, placed: Placed, fact: AnyFact) -> None:
        for kind in KINDS:
            told = self._of.get((kind, getattr(fact.entities, kind)))
            if told is not None and self._evidence.touches(kind, fact):
                told[fact.source] = Told(placed.partition, placed.number, fact)

    def explain(self, suspect: Suspect) -> Difference:
        """Why the suspect's vector differs: every one of its numbers has the cause, or a stronger one."""
        causes, facts = [], dict[str, None]()
        for changed in suspect.changed:
            cause, of_number = self._cause(suspect, changed)
            causes.append(cause)
            facts.update(dict.fromkeys(of_number))
        return suspect.difference(causes, list(facts)[:_SHOWN])

    def _entities(self, suspect: Suspect) -> Iterator[tuple[str, str]]:
        for changed in suspect.changed:
            feature = self._features.get(changed.feature)
            for number in () if feature is None else inputs_of(feature):
                pseudonym = None if isinstance(number, Direct) else getattr(suspect.order.entities, number.kind)
                if pseudonym is not None and not isinstance(number, Direct):
                    yield number.kind, pseudonym

    def _cause(self, suspect: Suspect, changed: Changed) -> tuple[Cause, list[str]]:
        feature = self._features.get(changed.feature)
        if feature is None or isinstance(feature, Direct):
            return "unexplained", []
        alone = msgspec.structs.replace(suspect, changed=(changed,))
        heard = {source: told for entity in self._entities(alone) for source, told in self._of[entity].items()}
        order = Told(suspect.placed.partition, suspect.placed.number, suspect.order)
        counted, begin = _counted(feature), self._evidence.begin(feature, suspect.order)
        others = [
            told
            for source, told in heard.items()
            if source != suspect.order.source
            and told.fact.occurred_at_ms // 1000 >= begin
            and (class_of(told.fact) in counted or _moves_the_clock(told, suspect.order))
        ]
        for cause, past in self._pasts(suspect, order, others):
            if _is(changed.logged, self._evidence.value(feature, suspect.order, past)):
                return cause, [told.fact.source.text() for told in _moved(suspect, others, past)]
        return "unexplained", []

    def _pasts(self, suspect: Suspect, order: Told, others: list[Told]) -> Iterator[tuple[Cause, Past]]:
        """What may have been applied before the order, by each cause, the likeliest first."""
        by_log, again = once_each(in_log_order(order, others))
        yield "late fact", self._past(suspect, by_log)
        yield "crossed", self._by_positions(suspect, order, others)
        again += [told for told in by_log if told.fact.source in self._repeated]
        for counted_twice in (again, *([told] for told in again)):
            if counted_twice:
                yield "duplicate", self._past(suspect, by_log + counted_twice)

    def _by_positions(self, suspect: Suspect, order: Told, others: list[Told]) -> Past:
        """What the decision says that each shard had applied."""
        by_shard = [
            self._past(suspect, once_each(_at(order, others, positions))[0]) for positions in suspect.positions or ((),)
        ]
        shards = {kind: shard_of(getattr(suspect.order.entities, kind), len(by_shard)) for kind in by_shard[0]}
        return {kind: by_shard[shard][kind] for kind, shard in shards.items()}

    def _past(self, suspect: Suspect, applied: list[Told]) -> Past:
        return self._evidence.past(suspect.order, (told.fact for told in applied))


def _at(order: Told, facts: list[Told], positions: Sequence[int]) -> list[Told]:
    """The facts before an order in its own partition, and in others up to their position."""
    last = {**dict(zip(positions[::2], positions[1::2], strict=True)), order.partition: order.number - 1}
    return [told for told in facts if told.number <= last.get(told.partition, -1)]


def _counted(feature: Feature) -> set[str]:
    """The classes of facts that a feature's numbers look at."""
    numbers = [number for number in inputs_of(feature) if not isinstance(number, Direct)]
    return {
        name for number in numbers for name in (CLASSES if isinstance(number, Age) else SOURCES[number.source].classes)
    }


def _moved(suspect: Suspect, others: list[Told], past: Past) -> Iterator[Told]:
    """The facts that a number has by one order of application and not by the other, or twice."""
    place = (suspect.order.occurred_at_ms, suspect.placed.partition, suspect.placed.number)
    times = Counter[Coordinates]()
    for of_entity in past.values():
        times |= Counter(seen.fact.source for seen in of_entity)
    in_time, _ = once_each(t for t in others if (t.fact.occurred_at_ms, t.partition, t.number) < place)
    times.subtract(told.fact.source for told in in_time)
    return (told for told in others if times[told.fact.source])


def _is(logged: float | None, found: float) -> bool:
    return found == logged if logged is not None else bool(np.isnan(found))


def _moves_the_clock(told: Told, order: OrderFact) -> bool:
    """Whether an order that comes after the fact is read as of a later minute than its own."""
    return told.fact.occurred_at_ms // 60_000 * 60 - LATENESS_S > order.occurred_at_ms // 60_000 * 60
