"""What differs between two vectors, and which facts explain it."""

import struct
from math import nan

import msgspec
import numpy as np
import pytest

from events.facts import ActivityFact, Coordinates, Entities, OrderFact, VisitFact
from features.audit import Changed, Inquiry, Suspect, compare
from features.definitions import DEFINITIONS
from features.replay import Placed

MINUTE_MS = 60_000
AT_MS = 1_767_225_600_000
ORDERS, VISITS, AGE, OTHER, DIRECT = (
    "customer.orders.count.1h", "device.visits.count.1h", "customer.age_s", "card.orders.count.1h", "order.quantity",
)  # fmt: skip


def order(offset, minute=0, *, recorded=None, partition=0, entities=None, **changes):
    return OrderFact(
        source=Coordinates("orders", "orders-id", partition, offset),
        event_id=changes.pop("event_id", f"e-{partition}-{offset}"),
        occurred_at_ms=AT_MS + minute * MINUTE_MS,
        recorded_at_ms=AT_MS + (minute if recorded is None else recorded) * MINUTE_MS,
        entities=entities or Entities(customer="c", device="d", card="k"),
        order_id=f"o-{offset}",
        amount_minor=1,
        currency="USD",
        method="card",
    )


SUSPECTED = order(100, 10)


def found(fact, number, *features, repeated=(), flags=(), moment_ms=MINUTE_MS, others=()):
    """What one fact, of a number in the log (the order's is 100), makes of numbers that differ."""
    suspect = Suspect(
        SUSPECTED, Placed(0, 0, 100, b""), tuple(Changed(feature, 1.0, 2.0) for feature in features), flags
    )
    inquiry = Inquiry(DEFINITIONS, [suspect], moment_ms, repeated)
    for heard in (*others, fact):
        inquiry.hear(Placed(heard.occurred_at_ms, heard.source.partition, number, b""), heard)
    return suspect.difference()


def test_equal_vectors_do_not_differ_and_absent_numbers_are_equal():
    row = np.array([1.0, nan])
    assert compare(("a", "b"), row.tobytes(), row) == ()
    other_nan = struct.pack("<dQ", 1.0, 0x7FF8_0000_0000_0001)
    assert compare(("a", "b"), other_nan, row) == ()


def test_each_number_that_differs_is_named_with_both_values():
    logged = struct.pack("<3d", 1.0, nan, 3.0)
    assert compare(("a", "b", "c"), logged, np.array([2.0, 0.0, 3.0])) == (
        Changed("a", 1.0, 2.0),
        Changed("b", None, 0.0),
    )


def test_a_vector_of_another_width_says_so():
    assert compare(("a",), bytes(16), np.array([1.0])) == (Changed("(a vector of 16 bytes, expected 8)", None, None),)


def test_an_earlier_fact_that_came_later_in_the_log_is_late():
    difference = found(order(101, 9), 101, ORDERS)
    assert (difference.cause, difference.facts) == ("late fact", ("orders-id:0:101",))
    assert (difference.decision_id, difference.order_id) == ("orders-id:0:100", "o-100")


def test_an_order_that_itself_came_late_is_explained_by_what_came_before_it():
    assert found(order(99, 11), 99, ORDERS).cause == "late fact"


def test_a_fact_in_its_place_explains_nothing():
    assert found(order(99, 9), 99, ORDERS).cause == "unexplained"
    assert found(order(101, 11), 101, ORDERS).cause == "unexplained"


def test_facts_of_another_partition_may_have_crossed_within_a_moment():
    assert found(order(7, 9, partition=1), 7, ORDERS).cause == "crossed"
    assert found(order(7, 11, partition=1), 7, ORDERS).cause == "crossed"
    assert found(order(7, 8, partition=1), 7, ORDERS).cause == "unexplained"
    assert found(order(7, 8, partition=1), 7, ORDERS, moment_ms=3 * MINUTE_MS).cause == "crossed"


def test_a_fact_of_another_partition_that_was_recorded_later_is_late_however_much():
    assert found(order(7, 9, recorded=500, partition=1), 7, ORDERS).cause == "late fact"


def test_a_fact_explains_its_own_entities_and_classes_alone():
    late = VisitFact(
        source=Coordinates("visits", "visits-id", 0, 1),
        event_id="v",
        occurred_at_ms=AT_MS,
        recorded_at_ms=AT_MS,
        entities=Entities(device="d", customer="c"),
    )
    assert found(late, 101, VISITS).cause == "late fact"
    assert found(late, 101, AGE).cause == "late fact"
    assert found(late, 101, ORDERS).cause == "unexplained"
    assert found(late, 101, VISITS, OTHER).cause == "unexplained"


def test_what_the_order_says_by_itself_is_never_explained():
    assert found(order(101, 9), 101, ORDERS, DIRECT).cause == "unexplained"


def test_a_fact_that_counts_as_nothing_explains_nothing():
    contest = ActivityFact(
        source=Coordinates("activity", "activity-id", 0, 1),
        event_id="a",
        occurred_at_ms=AT_MS,
        recorded_at_ms=AT_MS,
        entities=Entities(customer="c"),
        activity="ContestEntered",
    )
    assert found(contest, 101, ORDERS).cause == "unexplained"


def test_a_later_fact_that_moved_the_entitys_clock_explains_all_its_numbers():
    login = ActivityFact(
        source=Coordinates("activity", "activity-id", 0, 1),
        event_id="a",
        occurred_at_ms=AT_MS + 20 * MINUTE_MS,
        recorded_at_ms=AT_MS,
        entities=Entities(customer="c"),
        activity="LoggedIn",
        succeeded=False,
    )
    assert found(login, 99, ORDERS).cause == "late fact"
    nearer = msgspec.structs.replace(login, occurred_at_ms=AT_MS + 12 * MINUTE_MS)
    assert found(nearer, 99, ORDERS).cause == "unexplained"


def test_an_absent_entity_is_not_explained_by_facts_that_lack_it_too():
    late = order(101, 9, entities=Entities(customer="c"))
    assert found(late, 101, "seller.orders.count.1h").cause == "unexplained"


def test_a_fact_that_was_sent_twice_is_a_duplicate():
    fact = order(50, 5)
    assert found(fact, 50, ORDERS, repeated={fact.source}).cause == "duplicate"
    again = order(60, 5, event_id=fact.event_id)
    assert found(again, 60, ORDERS, others=[fact]).cause == "duplicate"


def test_the_weakest_explanation_of_several_numbers_is_the_orders():
    late, crossed = order(101, 9), order(7, 9, partition=1, entities=Entities(card="k"))
    other = msgspec.structs.replace(late, entities=Entities(customer="c"))
    assert found(crossed, 101, ORDERS, OTHER, others=[other]).cause == "crossed"
    assert found(other, 101, ORDERS, OTHER, others=[crossed]).cause == "crossed"


@pytest.mark.parametrize("features", [(ORDERS,), (DIRECT,)])
def test_a_decision_on_a_store_with_a_gap_says_so_itself(features):
    assert found(order(99, 9), 99, *features, flags=("history.gap",)).cause == "rebuilt after a gap"
