"""Countries the store sells to: cities, currencies, telephone and postal forms, and blocks of internet addresses.

Every block is one that nobody on the internet has (RFC 6598, 2544, 3849), so that no address is a real person's.
"""

from random import Random

import msgspec

from events.geo import MADE_UP

# Units of the currency for one US dollar, and decimals of its minor unit (ISO 4217).
CURRENCIES = {
    "SAR": (3.75, 2),
    "AED": (3.6725, 2),
    "KWD": (0.307, 3),
    "QAR": (3.64, 2),
    "BHD": (0.376, 3),
    "OMR": (0.3845, 3),
    "EGP": (48.0, 2),
    "USD": (1.0, 2),
    "EUR": (0.92, 2),
}


class Country(msgspec.Struct, frozen=True):
    """`mobile` holds a national prefix and `digits` how many follow it; '#' in `postal` is a digit."""

    code: str
    weight: float
    currency: str
    utc_offset_h: int
    dial: str
    trunk: str
    mobile: tuple[str, ...]
    digits: int
    postal: str | None
    cities: tuple[tuple[str, str], ...]  # Arabic (or local) and Latin spelling

    @property
    def arabic(self) -> bool:
        return self.code in ARABIC


ARABIC = frozenset({"SA", "AE", "KW", "QA", "BH", "OM", "EG", "JO"})
COUNTRIES = (
    Country(
        "SA", 44, "SAR", 3, "966", "0", ("50", "53", "54", "55", "56", "59"), 7, "1####",
        (("الرياض", "Riyadh"), ("جدة", "Jeddah"), ("الدمام", "Dammam"), ("مكة المكرمة", "Makkah"), ("أبها", "Abha")),
    ),
    Country(
        "AE", 17, "AED", 4, "971", "0", ("50", "52", "54", "55", "56", "58"), 7, None,
        (("دبي", "Dubai"), ("أبو ظبي", "Abu Dhabi"), ("الشارقة", "Sharjah"), ("العين", "Al Ain")),
    ),
    Country(
        "KW", 9, "KWD", 3, "965", "", ("50", "55"), 6, "#####",
        (("مدينة الكويت", "Kuwait City"), ("حولي", "Hawalli"), ("السالمية", "Salmiya")),
    ),
    Country(
        "QA", 6, "QAR", 3, "974", "", ("33", "55", "66", "77"), 6, None,
        (("الدوحة", "Doha"), ("الريان", "Al Rayyan"), ("الوكرة", "Al Wakrah")),
    ),
    Country(
        "BH", 4, "BHD", 3, "973", "", ("33", "36", "39"), 6, "1##",
        (("المنامة", "Manama"), ("المحرق", "Muharraq"), ("الرفاع", "Riffa")),
    ),
    Country(
        "OM", 4, "OMR", 4, "968", "", ("92", "95", "99"), 6, "1##",
        (("مسقط", "Muscat"), ("صلالة", "Salalah"), ("صحار", "Sohar")),
    ),
    Country(
        "EG", 6, "EGP", 2, "20", "0", ("10", "11", "12"), 8, "1####",
        (("القاهرة", "Cairo"), ("الإسكندرية", "Alexandria"), ("الجيزة", "Giza")),
    ),
    Country(
        "JO", 4, "USD", 3, "962", "0", ("79",), 7, "11###",
        (("عمّان", "Amman"), ("إربد", "Irbid"), ("الزرقاء", "Zarqa")),
    ),
    Country(
        "US", 1.5, "USD", -5, "1", "", ("212555", "415555", "713555"), 4, "1000#",
        (("New York", "New York"), ("Houston", "Houston"), ("San Francisco", "San Francisco")),
    ),
    Country(
        "GB", 1.5, "EUR", 0, "44", "0", ("7400", "7402", "7410"), 6, "SW#A #AA",
        (("London", "London"), ("Manchester", "Manchester"), ("Leeds", "Leeds")),
    ),
    Country(
        "DE", 1, "EUR", 1, "49", "0", ("160", "170"), 7, "10###",
        (("Berlin", "Berlin"), ("Hamburg", "Hamburg"), ("München", "Munich")),
    ),
    Country(
        "FR", 0.7, "EUR", 1, "33", "0", ("61", "62"), 7, "7500#",
        (("Paris", "Paris"), ("Lyon", "Lyon"), ("Marseille", "Marseille")),
    ),
    Country(
        "IN", 0.8, "USD", 5, "91", "0", ("981", "990"), 7, "1100##",
        (("Mumbai", "Mumbai"), ("Delhi", "Delhi"), ("Kochi", "Kochi")),
    ),
    Country(
        "TR", 0.5, "USD", 3, "90", "0", ("532", "542"), 7, "34###",
        (("İstanbul", "Istanbul"), ("Ankara", "Ankara"), ("İzmir", "Izmir")),
    ),
)  # fmt: skip
BY_CODE = {country.code: country for country in COUNTRIES}
_WEIGHTS = [country.weight for country in COUNTRIES]


def a_country(rng: Random) -> Country:
    return rng.choices(COUNTRIES, _WEIGHTS)[0]


def digits(rng: Random, pattern: str) -> str:
    """The pattern with every '#' replaced by a drawn digit."""
    return "".join(str(int(rng.random() * 10)) if mark == "#" else mark for mark in pattern)


def home_ip(rng: Random, country: Country) -> str:
    """A household's or an office's address; one in ten has IPv6."""
    if rng.random() < 0.1:
        return f"2001:db8:{MADE_UP[country.code]:x}:{rng.randrange(65536):x}::{rng.randrange(1, 65536):x}"
    return f"100.{MADE_UP[country.code]}.{rng.randrange(16, 256)}.{rng.randrange(1, 255)}"


def mobile_ip(rng: Random, country: Country) -> str:
    """One of a carrier's few shared gateways (address translation puts many people behind one)."""
    return f"100.{MADE_UP[country.code]}.{rng.randrange(4)}.{rng.randrange(1, 33)}"


def exit_ip(rng: Random) -> str:
    """One of the VPN exits that customers and frauds share."""
    return f"198.18.{rng.randrange(6)}.{rng.randrange(1, 21)}"


def minor_units(dollars: float, currency: str) -> int:
    """A price in the currency's minor units, rounded as shops do (to 0.05 of it)."""
    rate, decimals = CURRENCIES[currency]
    twentieth = 50 if decimals == 3 else 5
    return max(1, round(dollars * rate * 20)) * twentieth
