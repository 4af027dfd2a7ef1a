from datetime import UTC, date, datetime

import pytest

from features.rates import RATES, Rates

TABLE = Rates(
    "test", ((date(2025, 1, 1), {"EUR": "1.1"}), (date(2026, 1, 1), {"EUR": "1.2", "KWD": "3.25", "JPY": "0.0066"}))
)


def at(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("amount_minor", "currency", "cents"),
    [(1000, "EUR", 1200), (1000, "KWD", 325), (1000, "JPY", 660), (0, "EUR", 0), (1, "KWD", 0), (2, "KWD", 1)],
)
def test_amounts_become_cents_by_their_minor_units_rounded_half_up(
    amount_minor: int, currency: str, cents: int
) -> None:
    assert TABLE.cents(amount_minor, currency, at(2026, 5, 1)) == cents


def test_the_rate_is_that_of_the_day_and_the_first_one_serves_earlier_days() -> None:
    days = [at(2020, 1, 1), at(2025, 12, 31), at(2026, 1, 1)]
    assert [TABLE.cents(1000, "EUR", day) for day in days] == [1100, 1100, 1200]


def test_a_currency_without_a_rate_has_no_amount() -> None:
    assert TABLE.cents(1000, "XXX", at(2026, 1, 1)) is None
    assert TABLE.cents(1000, "KWD", at(2025, 1, 1)) is None


def test_the_largest_amount_is_converted_without_loss() -> None:
    assert RATES.cents(10**12, "AED", at(2025, 1, 1)) == 272_294_000_000
    assert RATES.cents(10**12 - 1, "USD", at(2025, 1, 1)) == 10**12 - 1


def test_every_period_has_the_same_currencies() -> None:
    first, *later = [set(table) for _, table in RATES.usd]
    assert all(table == first for table in later)


def test_a_currency_of_any_period_is_known() -> None:
    assert [TABLE.knows(code) for code in ("EUR", "JPY", "XXX", "")] == [True, True, False, False]
