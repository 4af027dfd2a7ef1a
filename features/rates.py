"""Amounts in one currency: a dated rate table, integer arithmetic, US cents.

The version is part of the definitions' hash: other rates are other numbers.
"""

from bisect import bisect_right
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property

import msgspec

from events.money import EXPONENTS

SCALE = 10**9  # rates are billionths of a US cent per minor unit


class Rates(msgspec.Struct, frozen=True, dict=True):
    """US dollars for one major unit of each currency, from a date (UTC) until the next.

    Before the first date its rates apply. `version` names the whole table.
    """

    version: str
    usd: tuple[tuple[date, Mapping[str, str]], ...]

    @cached_property
    def _starts_ms(self) -> list[int]:
        return [int(datetime(d.year, d.month, d.day, tzinfo=UTC).timestamp()) * 1000 for d, _ in self.usd]

    @cached_property
    def _scaled(self) -> list[dict[str, int]]:
        return [{code: _scaled(code, usd) for code, usd in table.items()} for _, table in self.usd]

    def knows(self, currency: str) -> bool:
        """Whether any table of its has the currency."""
        return any(currency in table for _, table in self.usd)

    def cents(self, amount_minor: int, currency: str, at_ms: int) -> int | None:
        """The amount in US cents, rounded half up; None for a currency that the table does not have."""
        rate = self._scaled[max(bisect_right(self._starts_ms, at_ms) - 1, 0)].get(currency)
        return None if rate is None else (amount_minor * rate + SCALE // 2) // SCALE


def _scaled(currency: str, usd: str) -> int:
    minor_units = Decimal(10) ** EXPONENTS.get(currency, 2)
    return int(Decimal(usd) * 100 / minor_units * SCALE)


_PEGGED = {
    "USD": "1", "AED": "0.272294", "BHD": "2.659574", "JOD": "1.410437", "OMR": "2.600780", "QAR": "0.274725",
    "SAR": "0.266667", "HKD": "0.128200",
}  # fmt: skip

# Rounded yearly averages, good enough to compare orders with one another, not to settle an account.
RATES = Rates(
    version="2026-01",
    usd=(
        (date(2024, 1, 1), _PEGGED | {
            "KWD": "3.2530", "EUR": "1.0820", "GBP": "1.2780", "CHF": "1.1360", "SEK": "0.0946", "NOK": "0.0930",
            "DKK": "0.1451", "PLN": "0.2513", "CZK": "0.0431", "TRY": "0.0305", "EGP": "0.0221", "MAD": "0.1006",
            "TND": "0.3213", "IQD": "0.00076", "ZAR": "0.0546", "NGN": "0.00068", "KES": "0.0074", "INR": "0.01195",
            "PKR": "0.00359", "BDT": "0.00862", "LKR": "0.00331", "PHP": "0.01745", "IDR": "0.0000631",
            "MYR": "0.2187", "SGD": "0.7485", "THB": "0.02834", "JPY": "0.00661", "CNY": "0.1390", "KRW": "0.000733",
            "AUD": "0.6598", "NZD": "0.6052", "CAD": "0.7302", "MXN": "0.0546", "BRL": "0.1857", "RUB": "0.0108",
        }),
        (date(2025, 1, 1), _PEGGED | {
            "KWD": "3.2590", "EUR": "1.1300", "GBP": "1.3180", "CHF": "1.2060", "SEK": "0.1022", "NOK": "0.0964",
            "DKK": "0.1514", "PLN": "0.2666", "CZK": "0.0458", "TRY": "0.0254", "EGP": "0.0201", "MAD": "0.1073",
            "TND": "0.3352", "IQD": "0.00076", "ZAR": "0.0560", "NGN": "0.00066", "KES": "0.0077", "INR": "0.01147",
            "PKR": "0.00355", "BDT": "0.00820", "LKR": "0.00333", "PHP": "0.01740", "IDR": "0.0000608",
            "MYR": "0.2337", "SGD": "0.7658", "THB": "0.03043", "JPY": "0.00669", "CNY": "0.1391", "KRW": "0.000703",
            "AUD": "0.6448", "NZD": "0.5820", "CAD": "0.7155", "MXN": "0.0521", "BRL": "0.1790", "RUB": "0.0120",
        }),
    ),
)  # fmt: skip
