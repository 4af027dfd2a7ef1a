"""What the families say of a few facts, as the engine on a real server reads them."""

from math import isnan
from typing import Any

import pytest
from redis.asyncio import Redis

from events.facts import ActivityFact, AnyFact, Coordinates, Entities, OrderFact, VisitFact
from features.definitions import DEFINITIONS, Definitions, joined
from tests.features.chunks import NOON_MS, chunk, opened, order
from tests.features.streams import Run

SECOND_MS = 1000
PERSON = Entities(customer="cu", session="s", device="d", ip="i", network="n")


def visit(second: float, route: str = "/", entities: Entities = PERSON, **more: Any) -> VisitFact:
    return VisitFact(**of(second, "visits"), entities=entities, route=route, **more)


def activity(second: float, name: str, succeeded: bool | None = None, **more: Any) -> ActivityFact:
    return ActivityFact(**of(second, "activity"), activity=name, succeeded=succeeded, **{"entities": PERSON, **more})


def bought(second: float, entities: Entities = PERSON, **more: Any) -> OrderFact:
    common = {**of(second, "orders"), "entities": entities}
    return order(common["source"].offset, **{**common, **more})


def of(second: float, topic: str) -> dict[str, Any]:
    """Offsets and ids follow the time, so that no two facts of a test are repeats of one another."""
    at_ms = round(second * SECOND_MS)
    return {
        "source": Coordinates(topic, f"{topic}-id", 0, 10**9 + at_ms),
        "event_id": f"{topic}-{at_ms}",
        "occurred_at_ms": NOON_MS + at_ms,
        "recorded_at_ms": NOON_MS + at_ms,
    }


def read(run: Run, *facts: AnyFact, definitions: Definitions = DEFINITIONS) -> dict[str, float]:
    """The last order's numbers."""

    async def body(client: Redis) -> list[float]:
        store = await opened(client, shards=2, definitions=definitions)
        vector: list[float] = (await store.apply(chunk(0, *facts))).matrix[-1].tolist()
        return vector

    return dict(zip(definitions.names, run(body), strict=True))


JOINED = ("visits.begun_s", "checkouts.reached_s", "checkouts.straight", "visits.pace_s", "checkouts.sum")


@pytest.mark.parametrize(
    ("visits", "expected"),
    [
        (
            [visit(0), visit(40, "/assets/css/:x"), visit(60), visit(180, "/checkout", duration_ms=9_000)],
            (240, 180, 0, 80, 9_000),
        ),
        ([visit(200, "/cart"), visit(238, "/")], (40, 0, 1, 20, 0)),
        ([visit(230)], (10, None, 0, 10, 0)),
        ([visit(239, "/static/js/:x")], (1, None, 0, None, 0)),
        ([], (None, None, None, None, 0)),
        ([visit(0, entities=Entities(ip="i"))], (None, None, None, None, 0)),  # of the ip, but not of the session
    ],
)
def test_a_visit_says_when_it_began_and_how_it_came_to_the_check_out(
    run: Run, visits: list[AnyFact], expected: tuple[float | None, ...]
) -> None:
    numbers = read(run, *visits, bought(240))
    found = [numbers[f"visit.{name}.1h"] for name in JOINED]
    assert [None if isnan(value) else value for value in found] == list(expected)


def test_without_session_and_device_the_visit_is_the_ips_and_without_an_ip_there_is_none(run: Run) -> None:
    visits = [visit(0, entities=Entities(ip="i")), visit(30, "/checkout", entities=Entities(ip="i"))]
    numbers = read(run, *visits, bought(60, Entities(ip="i", customer="cu")))
    assert [numbers[f"visit.{name}.1h"] for name in JOINED[:4]] == [60, 30, 0, 30]
    numbers = read(run, *visits, bought(60, Entities(customer="cu")))
    assert all(isnan(numbers[f"visit.{name}.1h"]) for name in JOINED)


def test_the_window_that_joins_a_visit_may_be_another(run: Run) -> None:
    definitions = Definitions((*joined("10m"), *joined("24h")))
    numbers = read(run, visit(0), visit(3_000, "/checkout"), bought(3_500), definitions=definitions)
    assert [numbers[f"visit.{name}.10m"] for name in JOINED[:4]] == [500, 0, 1, 500]
    assert [numbers[f"visit.{name}.24h"] for name in JOINED[:4]] == [3_500, 3_000, 0, 1_750]


def test_what_facts_name_is_counted_for_it(run: Run) -> None:
    everyone = Entities(**{kind: kind[:2] for kind in Entities.__struct_fields__})
    of_card = Entities(card="ca", customer="cu", session="se", ip="ip", network="ne")
    numbers = read(
        run,
        bought(0, everyone, promo="p"),
        activity(1, "PaymentAttempted", False, entities=of_card),
        activity(2, "OrderRefunded", entities=everyone, amount_minor=5, currency="USD", order_id="o"),
        activity(3, "AccountRegistered", entities=everyone),
        activity(4, "AddressAdded", entities=everyone),
        activity(5, "ReviewSubmitted", entities=everyone),
        activity(6, "ContestEntered", entities=everyone),
        activity(7, "LoggedIn", False, entities=everyone),
        bought(60, everyone),
    )
    kinds = ("customer", "card", "device", "ip", "network", "email", "phone", "address", "seller")
    counted = [
        *(f"{kind}.promotions.count.24h" for kind in (*kinds, "session")),
        *(f"{kind}.declines.count.1h" for kind in ("customer", "card", "session", "ip", "network")),
        *(f"{kind}.refunds.count.7d" for kind in ("customer", "device", "ip", "network")),
        *("session.refunds.count.24h", "network.registrations.count.24h", "email.registrations.count.30d"),
        *("phone.registrations.count.30d", "address.addresses_added.count.7d", "customer.reviews.count.7d"),
        *(f"{kind}.contests.count.7d" for kind in ("customer", "device", "ip", "network")),
        "visit.logins_failed.count.1h",
    ]
    assert {name: numbers[name] for name in counted} == dict.fromkeys(counted, 1.0)


def test_an_agencys_result_counts_with_its_agency(run: Run) -> None:
    results = [("a", True, "passed"), ("b", False, "failed"), ("b", False, "failed"), ("c", False, "inconclusive")]
    checks = [
        activity(second, "IdentityVerified", passed, detail=detail, agency=agency)
        for second, (agency, passed, detail) in enumerate(results)
    ]
    numbers = read(run, *checks, bought(60))
    assert [numbers[f"customer.{name}.count.30d"] for name in ("verifications", "verifications_open")] == [1, 1]
    assert numbers["customer.verifications_failed.count.30d"] == 2
    agencies = [f"customer.{name}.agency.distinct.30d" for name in ("verifications", "verifications_failed")]
    assert [numbers[name] for name in agencies] == [1, 1]
    assert numbers["customer.verifications.since_s"] == 60
    assert numbers["device.verifications_failed.count.7d"] == 2


def test_a_call_says_who_was_verified_unless_it_was_for_something_else(run: Run) -> None:
    calls = [(10, True, "verification"), (11, False, "fraud_prevention"), (12, False, "quality")]
    facts = [activity(second, "CallLogged", verified, detail=purpose) for second, verified, purpose in calls]
    numbers = read(run, *facts, bought(70))
    found = [numbers[f"customer.{name}"] for name in ("calls_verified.count.30d", "calls_unverified.count.30d")]
    assert [*found, numbers["customer.calls_verified.since_s"]] == [1, 1, 60]


def test_a_basket_is_beside_the_customers_habit(run: Run) -> None:
    numbers = read(run, bought(0, quantity=2), bought(60, quantity=4), bought(120, quantity=12))
    assert numbers["customer.quantity.ratio.30d"] == 4
    assert isnan(numbers["card.quantity.ratio.30d"])  # the order names none
    assert isnan(read(run, bought(0), bought(60, quantity=1))["customer.quantity.ratio.30d"])  # orders without a line


def test_an_amount_is_beside_what_more_entities_are_used_to(run: Run) -> None:
    entities = Entities(customer="cu", card="ca", device="d", email="e", phone="p", address="a", seller="s")
    numbers = read(run, bought(0, entities, amount_minor=1_000), bought(60, entities, amount_minor=3_000))
    names = [f"{kind}.amount.ratio.30d" for kind in ("device", "email", "phone", "address", "seller")]
    names += [f"{kind}.amount.ratio.7d" for kind in ("customer", "card")]
    assert [numbers[name] for name in names] == [3] * 7
    assert [numbers[f"{kind}.amount.z.7d"] for kind in ("customer", "card")] == [20, 20]


def test_of_an_amount_over_a_million_dollars_a_million_is_squared_and_so_the_sum_stays_exact(run: Run) -> None:
    """Whole dollars of 95 million and more have squares of over 2^53, which doubles cannot tell apart."""
    huge = [bought(n, amount_minor=10**12) for n in range(9)]
    numbers = read(run, *huge, bought(30, amount_minor=300), bought(60, amount_minor=10**12))
    deviation = (9 * 10**12 + 9) / 10 - ((9 * 10**6 + 3) / 10) ** 2
    assert numbers["customer.orders.std.30d"] == deviation**0.5
    assert numbers["customer.amount.z.30d"] == (10**6 - (9 * 10**6 + 3) / 10) / deviation**0.5
    assert numbers["customer.orders.max.30d"] == 10**12
