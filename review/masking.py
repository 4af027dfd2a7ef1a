"""Personal values as an analyst's list may show them, and text that a customer wrote made safe to print.

Masks keep what tells cases apart and no more: a name's first letter, an e-mail's domain, a phone's last two digits,
an address' city and country, a network instead of an ip. Every mask has one length, whatever it hides.
"""

import ipaddress
import unicodedata

from events.legible import plain
from events.types import Address

__all__ = ["DOTS", "address", "email", "ip", "name", "phone", "plain"]

DOTS = "•••"


def name(text: str) -> str:
    return f"{_first(text)}{DOTS}"


def email(text: str) -> str:
    local, at, domain = text.rpartition("@")
    return f"{_first(local)}{DOTS}@{plain(domain)}" if at else DOTS


def phone(text: str) -> str:
    digits = [str(unicodedata.decimal(c)) for c in text if c.isdecimal()]
    return f"{DOTS}{''.join(digits[-2:])}" if len(digits) > 4 else DOTS


def address(place: Address) -> str:
    return f"{plain(place.city)}, {place.country}" if place.city else place.country


def ip(text: str) -> str:
    try:
        number = ipaddress.ip_address(text)
    except ValueError:
        return DOTS
    return str(ipaddress.ip_network((int(number), 24 if number.version == 4 else 48), strict=False))


def _first(text: str) -> str:
    """The first letter, if the text begins with one."""
    start = text.strip()[:1]
    return start if start.isalpha() else ""
