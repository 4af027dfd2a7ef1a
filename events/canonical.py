"""Canonical forms: what differs in writing but means the same gets one text, so that it gets one pseudonym.

A value that has no canonical form gives None: the entity is then absent. Nothing here raises, prints or keeps more than
its bounded caches. Results are personal data like what they came from, but for the closed sets: `email_provider`,
`user_agent`, `route`, `referred_by`, `category`, `decline_code`, `policy_version`.
"""

import ipaddress
import re
import unicodedata
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from events.cards import Folding, fold_digits
from events.types import Address
from events.words import WORDS

_CACHED = 65_536
_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_APART = re.compile(r"[\W_]+")

# Arabic letters that are written for one another, and digits and marks.
_ALIKE = Folding(
    str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ی": "ي", "ة": "ه", "ک": "ك", "ـ": None})
)

# Internet addresses whose text is canonical already: of version 4, and of version 6 without a group of zeros.
_OCTET, _GROUP = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])", r"[1-9a-f][0-9a-f]{0,3}"
_PLAIN_IP = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}|{_GROUP}(?::{_GROUP}){{7}}")
_PLAIN_NETWORK = re.compile(rf"(?:{_GROUP}:){{3}}")

# A telephone number with its country's code, in digits with spaces or hyphens.
_NOTHING = re.compile("(?!)")
_DIALLED = re.compile(r"\+[1-9][0-9 -]{0,40}[0-9]")

BROWSERS = (
    ("script", ("curl/", "wget/", "python", "okhttp", "java/", "go-http", "axios", "node-fetch", "libwww", "scrapy")),
    ("headless", ("headless", "phantomjs", "puppeteer", "playwright", "selenium")),
    ("bot", ("bot", "crawl", "spider", "slurp", "facebookexternalhit", "preview")),
    ("edge", ("edg/", "edge/", "edga/", "edgios/", "edge")),
    ("opera", ("opr/", "opera")),
    ("samsung", ("samsungbrowser", "samsung internet")),
    ("firefox", ("firefox", "fxios")),
    ("app", ("; wv)", "fban/", "fbav/", "instagram")),
    ("chrome", ("chrome", "crios/", "chromium")),
    ("ie", ("msie ", "trident/")),
    ("safari", ("safari", "applewebkit")),
)
SYSTEMS = (
    ("android", ("android",)),
    ("ios", ("iphone", "ipad", "ipod", "ios")),
    ("windows", ("windows",)),
    ("macos", ("mac os x", "macintosh", "macos")),
    ("chromeos", ("cros ", "chrome os", "chromeos")),
    ("harmonyos", ("harmonyos",)),
    ("linux", ("linux", "x11", "ubuntu")),
)

_DEPTH = 4
_SEARCH = re.compile(r"(?:^|\.)(?:google|bing|duckduckgo|yahoo|yandex|baidu|ecosia)\.")
_SOCIAL = re.compile(
    r"(?:^|\.)(?:facebook|instagram|tiktok|snapchat|twitter|youtube|pinterest|linkedin|whatsapp|telegram|reddit)\.com$|"
    r"^(?:t\.co|x\.com|t\.me|wa\.me|youtu\.be|lnkd\.in|fb\.me)$"
)

_RESPONSE = re.compile(r"[0-9A-Z][0-9]")  # ISO 8583, field 39
_VERSION = re.compile(r"(?:20[0-9]{2}-[01][0-9](?:-[0-3][0-9])?|v?[0-9]{1,2}(?:\.[0-9]{1,2}){0,2})")


@lru_cache(_CACHED)
def email(text: str) -> str | None:
    """RFC 5321 and 6531 without look-ups: lower case, ASCII domain, without the parts that providers ignore."""
    local, at, domain = unicodedata.normalize("NFKC", text).strip().rpartition("@")
    local, host = local.lower(), _domain(domain)
    if not at or host is None or len(local) > 64:
        return None
    if not _LOCAL.fullmatch(local):
        try:
            local = validate_email(f"{local}@{host}", check_deliverability=False).local_part
        except EmailNotValidError:
            return None
    if host in WORDS.tagging_providers:
        local = local.partition("+")[0] or local
    if host == "gmail.com":
        local = local.replace(".", "")
    return f"{local}@{host}"


@lru_cache(_CACHED)
def _domain(domain: str) -> str | None:
    try:
        host = validate_email(f"a@{domain}", check_deliverability=False).ascii_domain
    except EmailNotValidError:
        return None
    return "gmail.com" if host == "googlemail.com" else host


def email_provider(address: str) -> Literal["free", "disposable", "other"]:
    """What kind of provider a canonical address is at."""
    host = address.rpartition("@")[2]
    if host in WORDS.disposable_providers:
        return "disposable"
    return "free" if host in WORDS.free_providers or host in WORDS.tagging_providers else "other"


@lru_cache(_CACHED)
def phone(text: str, country: str | None) -> str | None:
    """E.164, for example `+966501234567`; a number without its country's code is one of `country` (ISO 3166-1)."""
    text = fold_digits(text)
    return _dialled(text) or _parsed(text, country)


def _dialled(text: str) -> str | None:
    """What `_parsed` gives, at a tenth of its cost, for a number in which it would change nothing; None for others."""
    if not _DIALLED.fullmatch(text):
        return None
    digits = text[1:].replace(" ", "").replace("-", "")
    for length in (1, 2, 3):
        prefix, lengths = _numbering_plan(digits[:length])
        if len(digits) - length in lengths:
            return None if prefix.match(digits[length:]) else f"+{digits}"
    return None


@lru_cache(1_000)
def _numbering_plan(code: str) -> tuple[re.Pattern[str], frozenset[int]]:
    """What may have to go from before a national number, and how long one is; nothing for what is no country's code."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code))
    plan = phonenumbers.PhoneMetadata.metadata_for_region(regions[0]) if regions else None
    if plan is None or plan.general_desc is None:
        return _NOTHING, frozenset()
    return re.compile(plan.national_prefix_for_parsing or _NOTHING), frozenset(plan.general_desc.possible_length)


def _parsed(text: str, country: str | None) -> str | None:
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@lru_cache(_CACHED)
def ip(text: str) -> str | None:
    """RFC 5952; an IPv4 address mapped into IPv6 is the IPv4 one."""
    if _PLAIN_IP.fullmatch(text):
        return text
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address).partition("%")[0]


@lru_cache(_CACHED)
def network(address: str) -> str:
    """The /24 or /48 of a canonical address."""
    if ":" not in address:
        return f"{address.rpartition('.')[0]}.0/24"
    if plain := _PLAIN_NETWORK.match(address):
        return f"{plain[0]}:/48"
    return str(ipaddress.ip_network(f"{address}/48", strict=False))


@lru_cache(_CACHED)
def name(text: str) -> str | None:
    """Without case, accents' and vowels' marks, and punctuation; Arabic letters that stand for one another are one."""
    return _words(text) or None


@lru_cache(_CACHED)
def address(given: Address) -> str | None:
    """Lines, postal code, city and country; None without a line or a postal code, since a city is not an address."""
    lines, code = _words(" ".join(given.lines)), _words(given.postal_code or "")
    if not lines and not code:
        return None
    city = name(given.city) if given.city else None  # cities are few: their forms are remembered
    return f"{lines}|{code}|{city or ''}|{given.country}"


def _words(text: str) -> str:
    if not text.isascii():
        # Decomposed first, so that the marks fall away; composed again, so that what was one letter is one.
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", text).translate(_ALIKE))
    return _APART.sub(" ", text.casefold()).strip()


@lru_cache(_CACHED)
def user_agent(text: str) -> tuple[str, str]:
    """The families of browser and system, each of a dozen or `other`; from a user agent or from their names."""
    return _family(text, BROWSERS), _family(text, SYSTEMS)


def _family(text: str, families: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    lowered = text.lower()
    return next((family for family, marks in families if any(mark in lowered for mark in marks)), "other")


@lru_cache(_CACHED)
def route(path: str) -> str:
    """The path's template: known words, `:id` for what has a digit, `:x` for the rest.

    `/product/123?a=b` is `/product/:id`. At most four pieces of a closed set, so that nothing that a visitor or a link
    carries gets through.
    """
    pieces = [piece for piece in re.split(r"[?#;]", path, maxsplit=1)[0].lower().split("/") if piece]
    known = [_piece(piece) for piece in pieces[:_DEPTH]]
    return "/" + "/".join(known)


def _piece(piece: str) -> str:
    if piece in WORDS.path_pieces:
        return piece
    return ":id" if any(map(str.isdigit, piece)) else ":x"


@lru_cache(_CACHED)
def referred_by(
    referrer: str | None, own_hosts: frozenset[str] = frozenset()
) -> Literal["none", "own", "search", "social", "other"]:
    """Where a visitor came from; `own_hosts` are the store's own names."""
    if not referrer:
        return "none"
    if referrer.startswith("/") and not referrer.startswith("//"):
        return "own"
    try:
        host = urlsplit(referrer).hostname or ""
    except ValueError:
        return "other"
    if host in own_hosts:
        return "own"
    if _SEARCH.search(host):
        return "search"
    return "social" if _SOCIAL.search(host) else "other"


@lru_cache(_CACHED)
def category(text: str) -> str:
    """A department that stores commonly have, or `other`: a store's own words might be anybody's name."""
    folded = text.lower().replace("-", "_")
    return folded if folded in WORDS.categories else "other"


def decline_code(text: str) -> str:
    """A known word or an ISO 8583 response code, or `other`."""
    folded = text.lower().replace("-", "_")
    return folded if folded in WORDS.decline_codes else text if _RESPONSE.fullmatch(text) else "other"


def policy_version(text: str) -> str:
    """A date or a short dotted number, or `other`."""
    return text if _VERSION.fullmatch(text) else "other"
