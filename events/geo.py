"""Which country an internet address is in, how far apart two countries are, and what time it is in one. All offline.

Addresses are looked up in the five registries' own tables of whom a block was assigned to (RFC 7020), as `iptocc` ships
them. A country stands for its principal time zone's place, as IANA's zone.tab has it: its largest city, mostly.
What is found goes into facts as a value, so that other versions of these tables change no number of the past.
"""

import re
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from math import asin, cos, radians, sin, sqrt
from zoneinfo import ZoneInfo

from iptocc import country_code

# Blocks that no registry assigns and nobody routes (RFC 6598, 3849, 2544): a simulated store's visitors live in them.
# The second number of an IPv4 address and the third of an IPv6 one tell the country.
MADE_UP = {
    code: 64 + number
    for number, code in enumerate(("SA", "AE", "KW", "QA", "BH", "OM", "EG", "JO", "US", "GB", "DE", "FR", "IN", "TR"))
}
_MADE_UP_HEADS = {
    **{f"100.{block}": code for code, block in MADE_UP.items()},
    **{f"2001:db8:{block:x}": code for code, block in MADE_UP.items()},
    "198.18": "NL",
}

_EARTH_KM = 6371.0  # the mean radius
_QUARTER_MS = 900_000  # clocks change on a quarter of an hour
_ANGLE = re.compile(r"([+-])(\d+)")
# Where zone.tab does not begin with the zone that most of a country's people live in.
_PRINCIPAL = {
    "AU": "Australia/Sydney", "BR": "America/Sao_Paulo", "CA": "America/Toronto", "RU": "Europe/Moscow",
    "UA": "Europe/Kyiv",
}  # fmt: skip


def country_of(ip: str) -> str | None:
    """The country (ISO 3166-1) whose registry has the block of a canonical address; None where none has it."""
    mark, pieces = (":", 3) if ":" in ip else (".", 2)
    return country_code(ip) or _MADE_UP_HEADS.get(mark.join(ip.split(mark)[:pieces]))


@lru_cache(65_536)
def distance_km(one: str, other: str) -> int | None:
    """The great circle between the principal places of two countries; 0 within one, None for an unknown one."""
    if one not in _PLACES or other not in _PLACES:
        return None
    (_, north, east), (_, other_north, other_east) = _PLACES[one], _PLACES[other]
    half_chord = sin((other_north - north) / 2) ** 2
    half_chord += cos(north) * cos(other_north) * sin((other_east - east) / 2) ** 2
    return round(2 * _EARTH_KM * asin(sqrt(half_chord)))


def utc_offset_min(country: str, at_ms: int) -> int | None:
    """How far a country's principal clocks are ahead of UTC at a moment (milliseconds since 1970), in minutes."""
    return _utc_offset_min(country, max(at_ms, 0) // _QUARTER_MS)


@lru_cache(65_536)
def _utc_offset_min(country: str, quarter: int) -> int | None:
    if country not in _PLACES:
        return None
    offset = datetime.fromtimestamp(quarter * _QUARTER_MS // 1000, _zone(_PLACES[country][0])).utcoffset()
    return None if offset is None else round(offset.total_seconds() / 60)


@lru_cache
def _zone(name: str) -> ZoneInfo:
    """From the locked package, whatever the system has."""
    with files("tzdata").joinpath("zoneinfo", name).open("rb") as data:
        return ZoneInfo.from_file(data, name)


def _places() -> dict[str, tuple[str, float, float]]:
    """Each country's principal zone, and where its place is: radians north and east."""
    places = {}
    for line in files("tzdata").joinpath("zoneinfo", "zone.tab").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            country, position, zone = line.split("\t")[:3]
            if country not in places or zone == _PRINCIPAL.get(country):
                north, east = (_angle(*found) for found in _ANGLE.findall(position))
                places[country] = zone, north, east
    return places


def _angle(sign: str, digits: str) -> float:
    """ISO 6709: two digits of degrees or three, two of minutes, two of seconds or none."""
    degrees, rest = digits[: 2 + len(digits) % 2], digits[2 + len(digits) % 2 :]
    size = radians(int(degrees) + int(rest[:2]) / 60 + int(rest[2:] or 0) / 3600)
    return -size if sign == "-" else size


_PLACES = _places()
