"""Personal values as an analyst's list may show them, and text that a customer wrote made safe to print.

Masks keep what tells cases apart and no more: a name's first letter, an e-mail's domain, a phone's last two digits,
an address' city and country, a network instead of an ip. Every mask has one length, whatever it hides.
"""

import ipaddress
import unicodedata

from events.types import Address

DOTS = "•••"
# Controls (terminal escapes), format marks (bidi, zero width), unassigned, private, surrogates, line breaks.
_UNSAFE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})

# Letters, marks and signs that are drawn as nothing: fillers, a joiner, variation selectors, Braille without a dot.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0" + "".join(map(chr, range(0xFE00, 0xFE10))))


def plain(text: str, limit: int = 120) -> str:
    r"""The text, cut to `limit`, with characters that could move, hide or reorder others written out: `\u{202e}`."""
    cut = text if len(text) <= limit else f"{text[:limit]}…"
    if cut.isprintable():  # then there is none of these, which is told faster so
        return cut
    return "".join(f"\\u{{{ord(c):x}}}" if unicodedata.category(c) in _UNSAFE else c for c in cut)


def seen(text: str) -> str:
    """What of a text can be seen, without the space around it."""
    return "".join(c for c in text if unicodedata.category(c) not in _UNSAFE and c not in _BLANK).strip()


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
