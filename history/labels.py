"""Resolves a label, which names an order only, to the entities of that order."""

from typing import Literal, Protocol

import msgspec

from events.facts import Coordinates, Entities, LabelFact
from events.types import ChargebackReceived, FraudConfirmed, FraudDismissed, LabelEvent

_LABELS: dict[type, Literal["chargeback", "confirmed", "dismissed"]] = {
    ChargebackReceived: "chargeback",
    FraudConfirmed: "confirmed",
    FraudDismissed: "dismissed",
}


class IndexedOrder(msgspec.Struct, frozen=True):
    """What a label needs to know of the order it names."""

    decision_id: str
    entities: Entities
    amount_minor: int | None
    currency: str | None


class Orders(Protocol):
    """Where orders are looked up; `history.index.Index` is one."""

    def entities_of(self, order_id: str) -> IndexedOrder | None: ...


def resolve(event: LabelEvent, coordinates: Coordinates, recorded_at_ms: int, index: Orders) -> LabelFact | None:
    """The label as a fact, or None while the order is unknown: the caller waits, and in the end quarantines it.

    It counts from `labelled_at`, when the label became known, not from when the order was placed.
    """
    order = index.entities_of(event.order_id)
    if order is None:
        return None
    return LabelFact(
        source=coordinates,
        event_id=event.event_id,
        occurred_at_ms=round(event.labelled_at.timestamp() * 1000),
        recorded_at_ms=recorded_at_ms,
        entities=order.entities,
        order_id=event.order_id,
        label=_LABELS[type(event)],
        decision_id=order.decision_id,
        amount_minor=order.amount_minor or 0,
        currency=order.currency or "USD",
    )


class KnownLabels:
    """Orders' labels as they were known at a moment: the last one by then counts."""

    def __init__(self, at_ms: int) -> None:
        self._at_ms = at_ms
        self._last: dict[str, tuple[tuple[int, int, str], int]] = {}

    def take(self, fact: LabelFact) -> None:
        """Facts may come in any order, and again."""
        newness = (fact.occurred_at_ms, fact.recorded_at_ms, fact.source.text())
        if fact.occurred_at_ms <= self._at_ms and newness > self._last.get(fact.order_id, ((-1, -1, ""), 0))[0]:
            self._last[fact.order_id] = newness, int(fact.label != "dismissed")

    def of(self, order_id: str) -> int | None:
        """1 for fraud, 0 for an order found genuine, None where nobody had said anything."""
        last = self._last.get(order_id)
        return last and last[1]
