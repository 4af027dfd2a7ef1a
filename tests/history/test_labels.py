from datetime import UTC, datetime, timedelta, timezone

import pytest

from events.facts import Coordinates, Entities, LabelFact
from events.types import ChargebackReceived, FraudConfirmed, FraudDismissed
from history.labels import IndexedOrder, KnownLabels, resolve

SOURCE = Coordinates("labels", "L" * 22, 2, 40)
WHO = Entities(customer="c" * 22, card="k" * 22)


class Orders:
    def __init__(self, **orders):
        self.orders = orders

    def entities_of(self, order_id):
        return self.orders.get(order_id)


def event(kind=ChargebackReceived, order_id="a", labelled_at=datetime(2026, 3, 4, 5, 6, 7, 89_000, UTC)):
    return kind(event_id="e1", occurred_at=datetime(2026, 1, 1, tzinfo=UTC), order_id=order_id, labelled_at=labelled_at)


@pytest.mark.parametrize(
    ("kind", "name"),
    [(ChargebackReceived, "chargeback"), (FraudConfirmed, "confirmed"), (FraudDismissed, "dismissed")],
)
def test_a_label_becomes_a_fact_about_its_orders_entities(kind, name):
    orders = Orders(a=IndexedOrder("T:0:1", WHO, 12_500, "SAR"))
    assert resolve(event(kind), SOURCE, 99, orders) == LabelFact(
        source=SOURCE,
        event_id="e1",
        occurred_at_ms=1_772_600_767_089,
        recorded_at_ms=99,
        entities=WHO,
        order_id="a",
        label=name,
        decision_id="T:0:1",
        amount_minor=12_500,
        currency="SAR",
    )


def test_it_counts_from_when_it_became_known_in_any_time_zone():
    orders = Orders(a=IndexedOrder("T:0:1", WHO, 1, "SAR"))
    riyadh = datetime(2026, 3, 4, 8, 6, 7, 89_000, timezone(timedelta(hours=3)))
    assert resolve(event(labelled_at=riyadh), SOURCE, 99, orders).occurred_at_ms == 1_772_600_767_089


def test_a_label_of_an_unknown_order_waits():
    assert resolve(event(order_id="b"), SOURCE, 99, Orders()) is None


def test_a_label_of_a_refused_order_has_no_amount():
    fact = resolve(event(), SOURCE, 99, Orders(a=IndexedOrder("T:0:1", Entities(), None, None)))
    assert (fact.amount_minor, fact.entities) == (0, Entities())


def told(offset, kind, at_ms, recorded_at_ms=0, order_id="a"):
    return LabelFact(
        source=Coordinates("labels", "L", 0, offset),
        event_id=f"e{offset}",
        occurred_at_ms=at_ms,
        recorded_at_ms=recorded_at_ms,
        order_id=order_id,
        label=kind,
        decision_id="d",
    )


@pytest.mark.parametrize(("at_ms", "expected"), [(9, None), (10, 1), (19, 1), (20, 0), (30, 1)])
def test_an_orders_label_is_the_last_one_known_by_then_in_whatever_order_they_come(at_ms, expected):
    labels = [told(0, "chargeback", 10), told(1, "dismissed", 20), told(2, "confirmed", 30), told(0, "chargeback", 10)]
    for given in (labels, labels[::-1]):
        known = KnownLabels(at_ms)
        for label in given:
            known.take(label)
        assert (known.of("a"), known.of("b")) == (expected, None)


def test_of_labels_known_at_the_same_time_the_one_recorded_last_counts():
    known = KnownLabels(10)
    for label in (told(1, "dismissed", 10, recorded_at_ms=6), told(2, "confirmed", 10, recorded_at_ms=5)):
        known.take(label)
    assert known.of("a") == 0
