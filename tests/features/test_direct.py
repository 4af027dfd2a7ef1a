from math import isnan, nan
from typing import Any

import msgspec
import pytest

from events.facts import Coordinates, Entities, OrderFact
from features import direct
from features.definitions import DEFINITIONS
from features.rates import RATES

ORDER = OrderFact(
    source=Coordinates("orders", "id", 0, 0),
    event_id="e",
    occurred_at_ms=1_767_312_000_000,  # Friday 2026-01-02 00:00 UTC
    recorded_at_ms=0,
    order_id="o",
    amount_minor=12_345,
    currency="USD",
    method="card",
)
FUNCTIONS = {function.__name__: function for function, _ in direct.FUNCTIONS}


@pytest.mark.parametrize(
    ("feature", "given", "value"),
    [
        ("amount_usd", {}, 123.45),
        ("amount_usd", {"currency": "XXX"}, nan),
        ("max_unit_usd", {"max_unit_minor": 1000, "currency": "AED"}, 2.72),
        ("currency_known", {}, 1),
        ("currency_known", {"currency": "XXX"}, 0),
        ("hour_utc", {"occurred_at_ms": 1_767_312_000_000 + 82_800_000}, 23),
        ("weekday_utc", {}, 4),
        ("quantity", {"quantity": 3}, 3),
        ("lines", {"lines": 2}, 2),
        ("categories", {"categories": ("toys", "toys", "gold")}, 2),
        ("has_account", {"has_account": True}, 1),
        ("has_promo", {"promo": "p"}, 1),
        ("is_gift", {}, 0),
        ("cookies_refused", {}, 1),
        ("cookies_refused", {"entities": Entities(device="d")}, 0),
        ("issuer_is_billing_country", {"issuer_country": "AE", "billing_country": "AE"}, 1),
        ("issuer_is_shipping_country", {"issuer_country": "AE", "shipping_country": "US"}, 0),
        ("billing_is_shipping_country", {"billing_country": "AE"}, nan),
        ("billing_is_shipping_address", {"billing_address": "a", "entities": Entities(address="a")}, 1),
        ("method_card", {}, 1),
        ("method_wallet", {}, 0),
        ("avs", {"avs": "mismatch"}, 2),
        ("avs", {}, nan),
        ("cvv_result", {"cvv_result": "mismatch"}, 1),
        ("three_ds", {"three_ds": "failed"}, 3),
        ("email_provider", {"email_provider": "disposable"}, 2),
    ],
)
def test_an_order_says_by_itself(feature: str, given: dict[str, Any], value: float) -> None:
    found = FUNCTIONS[feature](msgspec.structs.replace(ORDER, **given), RATES)
    assert found == value or (isnan(found) and isnan(value))


def test_a_definition_set_computes_them_in_the_vectors_order() -> None:
    values = dict(
        zip((DEFINITIONS.numbers[at].name for at, _ in DEFINITIONS.functions), DEFINITIONS.of_order(ORDER), strict=True)
    )
    assert values["order.amount_usd"] == 123.45
    assert values["order.weekday_utc"] == 4
