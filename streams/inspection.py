"""`amana features show` and `amana features entity`: what is known of an order or an entity, without a raw value."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

import msgspec
import numpy as np
from redis.exceptions import RedisError

from events import canonical
from events.cards import holds_card_number
from events.facts import OrderFact
from events.types import Address, Id, Ip
from features.declared import Feature
from features.definitions import DEFINITIONS, FAMILIES
from features.entity import numbers, state
from features.evidence import NEWEST, Evidence, Past, Told, in_log_order, inputs_of, known, once_each
from features.numbers import Number
from features.replay import WARM_UP_MS, Placed, Repeats, decoded
from features.server import embedded
from features.store import Store, connect, shown
from history.index import Index, LoggedVector
from streams.errors import NotKnown, Unusable
from streams.replay import Source
from vault.pseudonyms import Pseudonymiser

# What each kind of entity is named by; the options of `amana features entity`.
NAMED_BY: Mapping[str, str] = {
    "customer": "customer-id",
    "card": "psp-token",
    "device": "device-id",
    "session": "session-id",
    "ip": "ip",
    "network": "ip",
    "email": "email",
    "phone": "phone",
    "address": "address",
    "seller": "seller-id",
}


class Counted(msgspec.Struct, frozen=True):
    """A fact behind a number: `topic:partition:offset` of its event, its class, and when it happened."""

    event: str
    of_class: str
    occurred_at_ms: int


class Basis(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a number was computed from: the facts of [from_ms, until_ms) that it counts, by class, and the newest few.

    Without times it is of no window: the order's own word, or of an entity that the order does not name.
    """

    number: str
    value: float | None
    from_ms: int | None = None
    until_ms: int | None = None
    classes: dict[str, int] = {}
    newest: tuple[Counted, ...] = ()


class Line(msgspec.Struct, frozen=True):
    """A number of a logged vector; None where it is absent. `fraud` is what its family is for.

    `recomputed` is the same number by the facts of the log, and `inputs` what that was computed from: itself, or for a
    formula each number in it; none where the log was not read.
    """

    feature: str
    value: float | None
    text: str
    family: str
    fraud: str
    recomputed: float | None = None
    inputs: tuple[Basis, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether the facts give the number that was logged, or were not asked."""
        return not self.inputs or self.value == self.recomputed


class Decided(msgspec.Struct, frozen=True):
    """A decision, and each number that it was made on. `explained`: whether its order's fact was found in a log."""

    decision_id: str
    occurred_at_ms: int
    outcome: str
    score: float | None
    definitions: str
    explained: bool
    numbers: list[Line]


class Facts(msgspec.Struct, frozen=True):
    """What a log says of an order: its own fact and what was before it, each event once."""

    order: OrderFact
    past: Past
    evidence: Evidence


def logged(index: Index, order_id: str) -> list[LoggedVector]:
    """The logged vectors of an order, by decision. Raises NotKnown where there is none."""
    found = index.vectors_of(order_id)
    if not found:
        raise NotKnown("no decision with a vector is known of that order")
    return found


async def facts_behind(
    source: Source, vectors: Sequence[LoggedVector], on_read: Callable[[float], None]
) -> dict[str, Facts]:
    """For each decision whose order's fact is in the log, that and the facts that its entities had before it.

    Reads the whole log; takes the memory of what touches the entities. Raises what the source does for a record that
    is no fact.
    """
    pseudonyms = {p for vector in vectors for p in msgspec.structs.astuple(vector.entities) if p is not None}
    wanted = [pseudonym.encode() for pseudonym in pseudonyms]
    since_ms = min(vector.occurred_at_ms for vector in vectors) - WARM_UP_MS
    repeats, found = Repeats(), []
    async for records in source.records(on_read):
        touching = [Placed(0, p, number, body) for p, number, body in records if any(w in body for w in wanted)]
        for placed, fact in decoded(touching, source.unreadable):
            partition = fact.source.partition
            if not repeats.met(partition, fact.source) and fact.occurred_at_ms >= since_ms:
                found.append(Told(partition, placed.number, fact))
    evidence = Evidence(DEFINITIONS)
    asked = {vector.decision_id for vector in vectors}
    return {
        told.fact.source.text(): Facts(told.fact, _past(evidence, told, told.fact, found), evidence)
        for told in found
        if isinstance(told.fact, OrderFact) and told.fact.source.text() in asked
    }


def _past(evidence: Evidence, told: Told, order: OrderFact, found: Sequence[Told]) -> Past:
    before, _ = once_each(in_log_order(told, found))
    return evidence.past(order, (one.fact for one in before))


def decision(vector: LoggedVector, facts: Facts | None, pattern: str = "*") -> Decided:
    """A decision with each number whose name matches and, given facts, with what that was computed from.

    Raises NotKnown where none matches, and for a vector of other definitions: its numbers have no names.
    """
    numbers = list(_lines(vector, facts, pattern))
    if not numbers:
        raise NotKnown("no feature has a name of that pattern; docs/features.md has them all")
    return Decided(
        vector.decision_id,
        vector.occurred_at_ms,
        vector.outcome,
        vector.score,
        vector.definitions,
        bool(facts),
        numbers,
    )


def _lines(vector: LoggedVector, facts: Facts | None, pattern: str) -> Iterator[Line]:
    if vector.definitions != DEFINITIONS.hash or len(vector.vector) != 8 * len(DEFINITIONS.names):
        raise NotKnown(
            f"decision {vector.decision_id} was made on definitions {vector.definitions}, expected {DEFINITIONS.hash}: "
            "the version of Amana that made it can show it"
        )
    families = {feature: family for family in FAMILIES for feature in family.features}
    for feature, value in zip(DEFINITIONS.features, np.frombuffer(vector.vector, dtype="<f8").tolist(), strict=True):
        if fnmatchcase(feature.name, pattern):
            family = families[feature]
            line = Line(feature.name, known(value), feature.text, family.name, family.fraud)
            yield line if facts is None else _explained(line, feature, facts)


def _explained(line: Line, feature: Feature, facts: Facts) -> Line:
    recomputed = facts.evidence.value(feature, facts.order, facts.past)
    inputs = tuple(_basis(number, facts) for number in inputs_of(feature))
    return msgspec.structs.replace(line, recomputed=known(recomputed), inputs=inputs)


def _basis(number: Number, facts: Facts) -> Basis:
    reading = facts.evidence.reading(number, facts.order, facts.past)
    if reading.begin_s is None or reading.until_s is None:
        return Basis(number.name, known(reading.value))
    newest = sorted((one.fact for one in reading.counted), key=lambda fact: fact.occurred_at_ms, reverse=True)[:NEWEST]
    of_class = {one.fact.source: one.of_class for one in reading.counted}
    return Basis(
        number=number.name,
        value=known(reading.value),
        from_ms=reading.begin_s * 1000,
        until_ms=(reading.until_s + 60) * 1000,
        classes=dict(Counter(one.of_class for one in reading.counted)),
        newest=tuple(
            Counted(
                f"{fact.source.topic}:{fact.source.partition}:{fact.source.offset}",
                of_class[fact.source],
                fact.occurred_at_ms,
            )
            for fact in newest
        ),
    )


def canonical_form(kind: str, value: str, country: str | None = None) -> str:
    """What intake makes of a value before it gives it a pseudonym. Raises Unusable, which does not say the value."""
    try:
        if holds_card_number(value):
            raise Unusable("that holds a card number, which Amana never takes: a card is known by its gateway's token")
        form = _canonical(kind, value.strip(), country)
    except (msgspec.ValidationError, msgspec.DecodeError):
        form = None
    if form is None:
        raise Unusable(f"that is no {NAMED_BY.get(kind, kind).replace('-', ' ')} of a form that intake takes")
    return form


def _canonical(kind: str, value: str, country: str | None) -> str | None:
    match kind:
        case "email":
            return canonical.email(value)
        case "phone":
            return canonical.phone(value, country)
        case "address":
            return canonical.address(msgspec.json.decode(value, type=Address))
        case "ip" | "network":
            address = canonical.ip(msgspec.convert(value, Ip))
            return canonical.network(address) if address and kind == "network" else address
        case _:
            return msgspec.convert(value, Id)


async def entity(
    redis: str, pseudonymise: Pseudonymiser, kind: str, form: str, at_ms: int
) -> list[tuple[str, str, float]]:
    """(name, text, number) of each feature of the entity with that canonical form, as of a moment.

    Raises NotKnown where the store has not seen it, ForeignStore for a store of other definitions.
    """
    pseudonym = pseudonymise(kind, form)
    try:
        async with connect(redis) as live:
            packed = await state(live, DEFINITIONS, kind, pseudonym)
    except RedisError as error:
        raise NotKnown(f"the feature store at {shown(redis)} did not answer: {type(error).__name__}") from None
    if packed is None:
        raise NotKnown(f"the feature store knows nothing of that {kind}: never seen under this keyring, or long ago")
    with embedded() as url:
        async with connect(url) as scratch:
            return await numbers(Store(scratch), scratch, kind, pseudonym, packed, at_ms)
