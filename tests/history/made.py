"""Decisions and labels as the tests need them."""

import struct

from events.facts import Coordinates, Entities, LabelFact, VisitFact
from models.decisions import Decision, Reason

TOPIC = "T" * 22


def decision(offset, *, revision=1, order_id=None, at_ms=1_000, vector=(1.0, 2.0), partition=0, **changes):
    source = Coordinates("orders", TOPIC, partition, offset)
    given = {
        "decision_id": source.text(),
        "revision": revision,
        "order_id": order_id or f"order-{partition}-{offset}",
        "source": source,
        "occurred_at_ms": at_ms,
        "outcome": "approve",
        "mode": "model",
        "score": 0.25,
        "reasons": (Reason("card.velocity", "card.orders.count.1h", 4.0),),
        "amount_minor": 12_500,
        "currency": "SAR",
        "entities": Entities(customer="c" * 22, card="k" * 22),
        "definitions": None if vector is None else "hash",
        "vector": None if vector is None else struct.pack(f"<{len(vector)}d", *vector),
    }
    return Decision(**{**given, **changes})


def label(offset, order_id, kind="chargeback", at_ms=5_000, recorded_at_ms=6_000):
    return LabelFact(
        source=Coordinates("labels", "L" * 22, 0, offset),
        event_id=f"label-{offset}",
        occurred_at_ms=at_ms,
        recorded_at_ms=recorded_at_ms,
        order_id=order_id,
        label=kind,
        decision_id=f"{TOPIC}:0:0",
    )


def visit(offset, session="s", *, at_ms=None, event_id=None, **changes):
    """A page of a session, a second after that of the offset before; `session` is None where cookies were refused."""
    return VisitFact(
        source=Coordinates("visits", TOPIC, 0, offset),
        event_id=event_id or f"visit-{offset}",
        occurred_at_ms=1_000 * offset if at_ms is None else at_ms,
        recorded_at_ms=0,
        entities=Entities(session=session and session * 22),
        **{"route": f"/page/{offset}", **changes},
    )
