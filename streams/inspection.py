"""`amana features show` and `amana features entity`: what is known of an order or an entity, without a raw value."""

from collections.abc import Iterator, Mapping

import msgspec
import numpy as np
from redis.exceptions import RedisError

from events import canonical
from events.cards import holds_card_number
from events.types import Address, Id, Ip
from features import definitions as defined
from features.definitions import DEFINITIONS
from features.entity import numbers, state
from features.server import embedded
from features.store import Store, connect
from history.index import Index, LoggedVector
from streams.errors import NotKnown, Unusable
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


class Line(msgspec.Struct, frozen=True):
    """A number of a logged vector; None where it is absent. `purpose` is the fraud that it is for."""

    feature: str
    value: float | None
    text: str
    purpose: str


def logged(index: Index, order_id: str) -> list[LoggedVector]:
    """The logged vectors of an order, by decision. Raises NotKnown where there is none."""
    found = index.vectors_of(order_id)
    if not found:
        raise NotKnown("no decision with a vector is known of that order")
    return found


def lines(vector: LoggedVector) -> Iterator[Line]:
    """Each number with its definition. Raises NotKnown for a vector of other definitions: its numbers have no names."""
    if vector.definitions != DEFINITIONS.hash or len(vector.vector) != 8 * len(DEFINITIONS.names):
        raise NotKnown(
            f"decision {vector.decision_id} was made on definitions {vector.definitions}, expected {DEFINITIONS.hash}: "
            "the version of Amana that made it can show it"
        )
    purposes = {
        feature.name: family.fraud for family in getattr(defined, "FAMILIES", ()) for feature in family.features
    }
    for feature, value in zip(DEFINITIONS.features, np.frombuffer(vector.vector, dtype="<f8").tolist(), strict=True):
        number = None if np.isnan(value) else value
        yield Line(feature.name, number, feature.text, purposes.get(feature.name, ""))


def canonical_form(kind: str, value: str, country: str | None = None) -> str:
    """What intake makes of a value before it gives it a pseudonym. Raises Unusable, which does not say the value."""
    try:
        if holds_card_number(value):
            raise Unusable("that holds a card number, which Amana never takes: a card is known by its gateway's token")
        form = _canonical(kind, value.strip(), country)
    except (msgspec.ValidationError, msgspec.DecodeError):
        form = None
    if form is None:
        raise Unusable(f"that is no {NAMED_BY[kind].replace('-', ' ')} of a form that intake takes")
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
        raise NotKnown(f"the feature store did not answer: {type(error).__name__}") from None
    if packed is None:
        raise NotKnown(f"the feature store knows nothing of that {kind}: never seen under this keyring, or long ago")
    with embedded() as url:
        async with connect(url) as scratch:
            return await numbers(Store(scratch), scratch, kind, pseudonym, packed, at_ms)
