"""What differs between two vectors, and which facts explain it."""

import struct
from math import nan

import msgspec
import numpy as np
import pytest

from events.facts import ActivityFact, Coordinates, Entities, OrderFact, VisitFact
from features.audit import Changed, Inquiry, Suspect, compare
from features.batches import shard_of
from features.definitions import DEFINITIONS
from features.replay import Placed
from tests.features.oracle import Oracle

MINUTE_MS = 60_000
AT_MS = 1_767_225_600_000
ORDERS, SUM, MEAN = "customer.orders.count.1h", "customer.orders.sum.1h", "customer.orders.mean.24h"
VISITS, AGE, OTHER, DIRECT = "device.visits.count.1h", "customer.age_s", "card.orders.count.1h", "order.quantity"


def order(offset, minute=0, *, recorded=None, partition=0, entities=None, cents=1, **changes):
    return OrderFact(
        source=Coordinates("orders", "orders-id", partition, offset),
        event_id=changes.pop("event_id", f"e-{partition}-{offset}"),
        occurred_at_ms=AT_MS + round(minute * MINUTE_MS),
        recorded_at_ms=AT_MS + round((minute if recorded is None else recorded) * MINUTE_MS),
        entities=entities or Entities(customer="c", device="d", card="k"),
        order_id=f"o-{offset}",
        amount_minor=cents,
        currency="USD",
        method="card",
    )


SUSPECTED = order(100, 10)


def logged(applied, feature):
    """The number of the suspected order after facts applied in that order, by the engine's naive twin."""
    oracle = Oracle(DEFINITIONS)
    for offset, fact in enumerate([*applied, SUSPECTED]):
        vector = oracle.apply(msgspec.structs.replace(fact, source=Coordinates("", "", 0, offset)))
    return vector[DEFINITIONS.names.index(feature)]


def found(log, applied, *features, repeated=(), flags=(), positions=(), of=logged):
    """What facts of a log, where an order's number is its offset, make of numbers that came of those applied."""
    changed = tuple(Changed(feature, of(applied, feature), -1.0) for feature in features)
    suspect = Suspect(SUSPECTED, Placed(0, 0, 100, b""), changed, flags, positions)
    inquiry = Inquiry(DEFINITIONS, [suspect], repeated)
    for fact in (*log, SUSPECTED):
        inquiry.hear(Placed(fact.occurred_at_ms, fact.source.partition, fact.source.offset, b""), fact)
    return inquiry.explain(suspect)


def one_more(applied, feature):
    return logged(applied, feature) + 1


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
    difference = found([order(101, 9), order(50, 5)], [order(50, 5)], ORDERS)
    assert (difference.cause, difference.facts) == ("late fact", ("orders-id:0:101",))
    assert (difference.decision_id, difference.order_id) == ("orders-id:0:100", "o-100")


def test_an_order_that_itself_came_late_is_explained_by_what_came_before_it():
    after = order(99, 11)
    difference = found([after], [after], AGE)
    assert (difference.cause, difference.facts) == ("late fact", ("orders-id:0:99",))


def test_a_wrong_number_beside_a_late_fact_is_unexplained():
    late, before = order(101, 9), order(50, 5)
    assert found([late, before], [before], ORDERS).cause == "late fact"
    assert found([late, before], [before], ORDERS, of=one_more).cause == "unexplained"


def test_a_fact_that_was_recorded_before_the_order_and_applied_after_it_has_crossed():
    before, after = order(7, 9, partition=1), order(7, 11, partition=1)
    difference = found([before], [], ORDERS)
    assert (difference.cause, difference.facts) == ("crossed", ("orders-id:1:7",))
    assert found([before], [], ORDERS, positions=((1, 6),)).cause == "crossed"
    assert found([before], [], ORDERS, positions=((1, 7),)).cause == "unexplained"  # it was applied, and not counted
    assert found([after], [after], AGE).cause == "late fact"  # as it was: recorded later, and not counted
    assert found([after], [after], ORDERS, of=one_more).cause == "unexplained"


def test_a_fact_that_was_recorded_after_the_order_and_applied_before_it_has_crossed():
    after = order(7, 9, recorded=11, partition=1)
    assert found([after], [after], ORDERS, positions=((1, 7),)).cause == "crossed"
    assert found([after], [after], ORDERS, positions=((1, 6),)).cause == "unexplained"


def test_of_each_partition_what_was_applied_is_on_record():
    first, second = order(7, 9.2, partition=1), order(8, 9.5, partition=1, cents=5)
    third = order(3, 9.4, partition=2, cents=11)
    log = [first, second, third]
    difference = found(log, [first, third], SUM, positions=((1, 7, 2, 3),))
    assert (difference.cause, difference.facts) == ("crossed", ("orders-id:1:8",))
    assert found(log, [second, third], SUM, positions=((1, 7, 2, 3),)).cause == "unexplained"


def test_each_entity_is_as_far_as_the_shard_that_it_lives_in():
    assert [shard_of(name, 3) for name in ("c", "k")] == [0, 1]
    crossed = order(7, 9, partition=1)
    positions = ((1, 7), (1, 6), ())
    assert found([crossed], [], OTHER, positions=positions).cause == "crossed"
    assert found([crossed], [], ORDERS, positions=positions).cause == "unexplained"


def test_a_fact_of_another_partition_that_was_recorded_later_is_late_however_much():
    assert found([order(7, 9, recorded=500, partition=1)], [], ORDERS).cause == "late fact"


def test_a_fact_explains_its_own_entities_and_classes_alone():
    late = VisitFact(
        source=Coordinates("visits", "visits-id", 0, 101),
        event_id="v",
        occurred_at_ms=AT_MS,
        recorded_at_ms=AT_MS,
        entities=Entities(device="d", customer="c"),
    )
    assert found([late], [], VISITS).cause == "late fact"
    assert found([late], [], ORDERS, of=one_more).cause == "unexplained"


def test_a_derived_number_is_worked_out_again_by_its_formula():
    late, before = order(101, 9, cents=300), order(50, 5, cents=100)
    assert found([late, before], [before], MEAN).cause == "late fact"
    assert found([late, before], [before], MEAN, of=one_more).cause == "unexplained"


def test_what_the_order_says_by_itself_is_never_explained():
    assert found([order(101, 9)], [], ORDERS, DIRECT).cause == "unexplained"


def test_a_later_fact_that_moved_the_entitys_clock_explains_its_numbers():
    login = ActivityFact(
        source=Coordinates("activity", "activity-id", 0, 99),
        event_id="a",
        occurred_at_ms=AT_MS + 80 * MINUTE_MS,
        recorded_at_ms=AT_MS,
        entities=Entities(customer="c"),
        activity="LoggedIn",
        succeeded=False,
    )
    before = order(50, 5)
    difference = found([login, before], [before, login], ORDERS)
    assert (logged([before], ORDERS), logged([before, login], ORDERS)) == (1.0, 0.0)
    assert (difference.cause, difference.facts) == ("late fact", ("activity-id:0:99",))


def test_a_fact_that_was_counted_twice_is_a_duplicate():
    fact = order(50, 5)
    twice = [fact, msgspec.structs.replace(fact, event_id="counted again")]
    assert found([fact], twice, ORDERS, repeated={fact.source}).cause == "duplicate"
    assert found([fact], twice, ORDERS).cause == "unexplained"
    again = order(60, 5, event_id=fact.event_id)
    difference = found([fact, again], twice, ORDERS)
    assert (difference.cause, difference.facts) == ("duplicate", ("orders-id:0:60",))
    assert found([fact, again], twice, ORDERS, of=one_more).cause == "unexplained"


def test_the_weakest_explanation_of_several_numbers_is_the_orders():
    late = order(101, 9, entities=Entities(customer="c"))
    crossed = order(7, 9.5, partition=1, entities=Entities(card="k"))
    assert found([late, crossed], [], ORDERS).cause == "late fact"
    assert found([late, crossed], [], ORDERS, OTHER).cause == "crossed"
    assert found([late, crossed], [], ORDERS, OTHER, of=one_more).cause == "unexplained"


@pytest.mark.parametrize("feature", [ORDERS, DIRECT])
def test_a_decision_on_a_store_with_a_gap_says_so_itself(feature):
    before = order(99, 9)
    assert found([before], [before], feature, flags=("history.gap",)).cause == "rebuilt after a gap"
