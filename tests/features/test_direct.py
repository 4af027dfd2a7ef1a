from math import isnan, nan
from typing import Any

import msgspec
import pytest

from events.facts import Coordinates, Entities, OrderFact
from events.words import WORDS
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
        ("ip_is_shipping_country", {"ip_country": "AE", "shipping_country": "AE"}, 1),
        ("ip_is_shipping_country", {"shipping_country": "AE"}, nan),
        ("ip_is_billing_country", {"ip_country": "AE", "billing_country": "SA"}, 0),
        ("ip_is_issuer_country", {"ip_country": "AE", "issuer_country": "SA"}, 0),
        ("ip_distance_km", {"ip_distance_km": 868}, 868),
        ("ip_distance_km", {}, nan),
        ("ip_hours_away", {"ip_utc_offset_min": -300, "shipping_utc_offset_min": 330}, 10.5),
        ("ip_hours_away", {"ip_utc_offset_min": -300}, nan),
        ("hour_local", {"shipping_utc_offset_min": 330, "ip_utc_offset_min": 0}, 5),
        ("hour_local", {"ip_utc_offset_min": -60}, 23),
        ("hour_local", {}, nan),
        ("at_night", {"shipping_utc_offset_min": 330}, 1),
        ("at_night", {"shipping_utc_offset_min": 360}, 0),
        ("at_night", {"shipping_utc_offset_min": 0}, 0),
        ("at_night", {}, nan),
        ("name_in_email", {"name_in_email": 0.0}, 0),
        ("name_in_email", {}, nan),
        ("unit_usd", {"quantity": 2}, 61.725),
        ("unit_usd", {}, nan),
        ("unit_usd", {"quantity": 2, "currency": "XXX"}, nan),
        ("dearest_share", {"lines": 2, "max_unit_minor": 1_234, "amount_minor": 2_468}, 0.5),
        ("dearest_share", {"max_unit_minor": 1_234}, nan),
        ("dearest_share", {"lines": 1, "max_unit_minor": 1_234, "amount_minor": 0}, nan),
        ("resale_goods", {"categories": ("food", "other", "phones")}, 1),
        ("resale_goods", {"categories": ("food",)}, 0),
        ("resale_goods", {"categories": ("other",)}, nan),
        ("cash_like_goods", {"categories": ("gift_cards",)}, 1),
        ("cash_like_goods", {"categories": ("phones",)}, 0),
        ("cash_like_goods", {}, nan),
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


def test_goods_that_resell_are_categories_that_intake_knows() -> None:
    assert direct.CASH_LIKE < direct.RESALE < WORDS.categories


def test_a_definition_set_computes_them_in_the_vectors_order() -> None:
    values = dict(
        zip((DEFINITIONS.numbers[at].name for at, _ in DEFINITIONS.functions), DEFINITIONS.of_order(ORDER), strict=True)
    )
    assert values["order.amount_usd"] == 123.45
    assert values["order.weekday_utc"] == 4
