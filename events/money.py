"""Currencies' minor units (ISO 4217, list one)."""

from collections.abc import Mapping

# Where they are not two; the codes without minor units of trade (funds, metals, testing) are not orders' currencies.
EXPONENTS: Mapping[str, int] = dict.fromkeys(
    ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"), 0
) | dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3)


def major(amount_minor: int, currency: str) -> int:
    """Whole major units, rounded down."""
    return int(amount_minor // 10 ** EXPONENTS.get(currency, 2))


def text(amount_minor: int, currency: str) -> str:
    """`12.50 SAR`, `3.250 KWD`, `900 JPY`: the amount as a person reads it, without a locale."""
    exponent = EXPONENTS.get(currency, 2)
    digits = f"{amount_minor:0{exponent + 1}d}"
    return f"{digits[:-exponent]}.{digits[-exponent:]} {currency}" if exponent else f"{digits} {currency}"
