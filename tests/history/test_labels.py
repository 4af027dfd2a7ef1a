from datetime import UTC, datetime, timedelta, timezone

import pytest

from events.facts import Coordinates, Entities, LabelFact
from events.types import ChargebackReceived, FraudConfirmed, FraudDismissed
from history.labels import IndexedOrder, resolve

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
