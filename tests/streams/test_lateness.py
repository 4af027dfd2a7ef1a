from collections.abc import Mapping

import pytest

from events.facts import ActivityFact, AnyFact, Coordinates, LabelFact, RefusedOrder, VisitFact
from streams import lateness
from streams.lateness import Late, of_chunk
from tests.streams.fakes import order_fact

COMMON: Mapping[str, object] = {
    "source": Coordinates("t", "t-id", 1, 2),
    "event_id": "e",
    "occurred_at_ms": 0,
    "recorded_at_ms": 0,
}


@pytest.mark.parametrize(
    ("fact", "event"),
    [
        (order_fact(0), "OrderPlaced"),
        (RefusedOrder(**COMMON, order_id="o", reason="refused.empty"), "OrderPlaced"),  # type: ignore[arg-type]
        (VisitFact(**COMMON), "VisitRecorded"),  # type: ignore[arg-type]
        (ActivityFact(**COMMON, activity="LoggedIn"), "LoggedIn"),  # type: ignore[arg-type]
        (LabelFact(**COMMON, order_id="o", label="chargeback", decision_id="d"), "ChargebackReceived"),  # type: ignore[arg-type]
    ],
)
def test_a_late_fact_goes_by_its_events_type(fact: AnyFact, event: str) -> None:
    assert lateness.event_of(fact) == event


def test_nothing_of_what_a_fact_says_is_told() -> None:
    (late,) = of_chunk([None, order_fact(7)], [(1, 301)])
    assert late == Late(Coordinates("orders", "orders-id", 0, 7), "OrderPlaced", 301)
    assert lateness.encode(late) == b'{"source":["orders","orders-id",0,7],"event":"OrderPlaced","late_s":301}'
