"""What the `late` topic holds: where a fact came from that was more than the lateness behind its partition's clock."""

from collections.abc import Mapping, Sequence

import msgspec

from events.facts import ActivityFact, AnyFact, Coordinates, LabelFact, OrderFact, RefusedOrder, VisitFact

_EVENTS: Mapping[type, str] = {OrderFact: "OrderPlaced", RefusedOrder: "OrderPlaced", VisitFact: "VisitRecorded"}
_LABELS = {"chargeback": "ChargebackReceived", "confirmed": "FraudConfirmed", "dismissed": "FraudDismissed"}


class Late(msgspec.Struct, frozen=True):
    """`late_s`: seconds that the fact was behind the latest of its facts partition. Nothing of what it says."""

    source: Coordinates
    event: str
    late_s: int


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Late).decode


def of_chunk(facts: Sequence[AnyFact | None], late: Sequence[tuple[int, int]]) -> list[Late]:
    """A chunk's late facts, by their places and seconds as the store tells them."""
    told = ((facts[place], late_s) for place, late_s in late)
    return [Late(fact.source, event_of(fact), late_s) for fact, late_s in told if fact is not None]


def event_of(fact: AnyFact) -> str:
    """The name of the event's type."""
    if isinstance(fact, ActivityFact):
        return fact.activity
    return _LABELS[fact.label] if isinstance(fact, LabelFact) else _EVENTS[type(fact)]
