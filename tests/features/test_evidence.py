"""What an order's numbers come from: the facts that are shown give the numbers of the engine's naive twin."""

import random
from math import isnan

import msgspec
import numpy as np
import pytest

from events.facts import ActivityFact, AnyFact, Coordinates, Entities, OrderFact
from features.definitions import DEFINITIONS, Definitions
from features.evidence import Evidence, Told, in_log_order, inputs_of, once_each
from features.numbers import Distinct, Earliest, First, Since, Windowed
from tests.features.oracle import Oracle
from tests.features.streams import Settings, random_facts

MINUTE_MS = 60_000
AT_MS = 1_767_225_600_000
EVIDENCE = Evidence(DEFINITIONS)


def order(offset: int, minute: float, *, partition: int = 0, cents: int = 100, recorded: float | None = None, **named):
    return OrderFact(
        source=Coordinates("orders", "orders-id", partition, offset),
        event_id=f"e-{partition}-{offset}",
        occurred_at_ms=AT_MS + round(minute * MINUTE_MS),
        recorded_at_ms=AT_MS + round((minute if recorded is None else recorded) * MINUTE_MS),
        entities=Entities(**(named or {"card": "k"})),
        order_id=f"o-{offset}",
        amount_minor=cents,
        currency="USD",
        method="card",
    )


def told(fact: AnyFact, number: int | None = None) -> Told:
    return Told(fact.source.partition, fact.source.offset if number is None else number, fact)


def offsets(facts: list[Told]) -> list[int]:
    return [each.fact.source.offset for each in facts]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("entities", [2, 90])
def test_the_facts_that_are_shown_give_the_numbers_of_the_naive_twin(seed: int, entities: int) -> None:
    stream = Settings(facts=150, entities=entities, step_min=20, late=0.2, repeats=0.1)
    oracle = Oracle(DEFINITIONS)
    compared = 0
    for fact in random_facts(random.Random(seed), stream):
        applied = [one for seen in oracle.seen.values() for _, one, *_ in seen]
        vector = oracle.apply(fact)
        if vector is None or not isinstance(fact, OrderFact):
            continue
        past = EVIDENCE.past(fact, {one.source: one for one in applied}.values())
        for feature, expected in zip(DEFINITIONS.features, vector, strict=True):
            found = EVIDENCE.value(feature, fact, past)
            assert found == expected or (isnan(found) and isnan(expected)), feature.name
        compared += 1
    assert compared > 20


def test_a_count_shows_the_facts_of_its_classes_in_its_window_and_no_other() -> None:
    login = ActivityFact(
        source=Coordinates("activity", "activity-id", 0, 0),
        event_id="a",
        occurred_at_ms=AT_MS,
        recorded_at_ms=AT_MS,
        entities=Entities(card="k"),
        activity="LoggedIn",
    )
    facts = [order(0, -70), order(1, -50), order(2, -1, cents=250), order(3, -1, card="other"), login]
    asked = order(9, 0)
    past = EVIDENCE.past(asked, facts)
    found = EVIDENCE.reading(Windowed("card", "orders", "sum", "1h"), asked, past)
    assert (found.value, [one.fact.source.offset for one in found.counted]) == (350.0, [1, 2])
    assert (found.begin_s, found.until_s) == (AT_MS // 1000 - 3_600, AT_MS // 1000)


def test_since_shows_the_latest_fact_and_first_those_with_the_orders_own_member() -> None:
    facts = [order(0, -9, card="k", customer="c"), order(1, -2, card="k", customer="d")]
    asked = order(9, 0, card="k", customer="c")
    past = EVIDENCE.past(asked, facts)
    since = EVIDENCE.reading(Since("card", "orders"), asked, past)
    earliest = EVIDENCE.reading(Earliest("card", "orders"), asked, past)
    first = EVIDENCE.reading(First("card", "orders", "customer"), asked, past)
    distinct = EVIDENCE.reading(Distinct("card", "orders", "customer", "1h"), asked, past)
    assert (since.value, [one.fact.source.offset for one in since.counted]) == (120.0, [1])
    assert (earliest.value, [one.fact.source.offset for one in earliest.counted]) == (540.0, [0])
    assert (first.value, [one.fact.source.offset for one in first.counted]) == (0.0, [0])
    assert (distinct.value, [one.fact.source.offset for one in distinct.counted]) == (2.0, [0, 1])


def test_among_more_members_than_are_kept_those_of_one_second_are_kept_by_their_number_as_the_script_does() -> None:
    words = [f"C{n}" for n in range(80)]
    facts = [msgspec.structs.replace(order(n, -5, card="k"), shipping_country=word) for n, word in enumerate(words)]
    feature = First("card", "orders", "shipping_country")
    oracle = Oracle(Definitions((feature,)))
    for fact in facts:
        oracle.apply(fact)
    found = {}
    for word in words:
        asked = msgspec.structs.replace(order(200, 0, card="k"), shipping_country=word)
        found[word] = EVIDENCE.reading(feature, asked, EVIDENCE.past(asked, facts)).value
        assert np.array_equal([found[word]], oracle._vector(asked), equal_nan=True)
    kept = {word for word, value in found.items() if value == 0.0}
    assert len(kept) == 65
    assert kept != set(sorted(words)[-65:])


def test_an_entity_that_the_order_does_not_name_has_no_facts_and_no_number() -> None:
    asked = order(9, 0)
    found = EVIDENCE.reading(Windowed("device", "orders", "count", "1h"), asked, EVIDENCE.past(asked, [order(0, -1)]))
    assert (isnan(found.value), found.counted, found.begin_s) == (True, (), None)


def test_a_derived_features_inputs_are_the_numbers_it_is_made_of() -> None:
    (mean,) = [feature for feature in DEFINITIONS.features if feature.name == "card.orders.mean.24h"]
    assert [number.name for number in inputs_of(mean)] == ["card.orders.sum.24h", "card.orders.count.24h"]
    asked = order(9, 0)
    past = EVIDENCE.past(asked, [order(0, -1, cents=100), order(1, -2, cents=200)])
    assert EVIDENCE.value(mean, asked, past) == 150.0
    assert isnan(EVIDENCE.value(mean, asked, EVIDENCE.past(asked, [])))


def test_before_an_order_is_by_number_in_its_partition_and_by_the_brokers_time_in_others() -> None:
    asked = told(order(5, 0))
    facts = [order(4, 9), order(6, -9), order(1, 9, partition=1, recorded=-1), order(2, -9, partition=1, recorded=1)]
    assert offsets(in_log_order(asked, [*map(told, facts), asked])) == [4, 1]


def test_an_event_that_came_again_is_kept_once_the_first_in_the_log() -> None:
    fact = order(1, 0)
    again = told(fact, 7)
    kept, repeated = once_each([again, told(order(2, 0)), told(fact)])
    assert ([one.number for one in kept], [one.number for one in repeated]) == ([1, 2], [7])
