"""The default set of features: families, each with the fraud that it is for."""

from collections.abc import Iterable

import msgspec

from events.facts import KINDS
from features import direct
from features.automation import Automation
from features.declared import Definitions, Feature
from features.formulas import Burst, Decayed, Deviation, Evenness, Mean, Quantity, Ratio, Score, Share
from features.numbers import LATENESS_S, WINDOWS, Age, Column, Direct, Distinct, Earliest, First, Since, Windowed
from features.visit import Begun, Joined, Pace, Reached, Straight

__all__ = [
    "DEFINITIONS", "FAMILIES", "LATENESS_S", "WINDOWS", "Age", "Column", "Definitions", "Direct", "Feature", "Windowed",
]  # fmt: skip


class Family(msgspec.Struct, frozen=True):
    """Features with one purpose: the fraud that they are for, and what it looks like in them."""

    name: str
    fraud: str
    features: tuple[Feature, ...]


def _windowed(kinds: Iterable[str], source: str, aggregates: Iterable[str], *windows: str) -> Iterable[Windowed]:
    for kind in kinds:
        for aggregate in aggregates:
            for window in windows:
                yield Windowed(kind, source, aggregate, window)  # type: ignore[arg-type]  # checked by the script's table


def joined(window: str) -> tuple[Feature, ...]:
    """The visit of the window before an order, joined to it by session, else by device, else by ip."""
    return (
        *(Joined(source, "count", window) for source in ("visits", "checkouts", "accounts", "errors", "logins_failed")),
        *(Joined(source, "sum", window) for source in ("visits", "checkouts")),
        Begun(window),
        Reached(window),
        Straight(window),
        Pace(window),
    )


_KNOWN = tuple(kind for kind in KINDS if kind != "session")
_WEB = ("device", "ip", "network")
# Who is seen with whom: an entity of the first kind with several of the second.
_SEEN_WITH = (
    ("device", "card"), ("card", "customer"), ("ip", "email"), ("customer", "address"), ("customer", "device"),
    ("customer", "card"), ("card", "shipping_country"), ("email", "card"), ("phone", "customer"), ("address", "card"),
    ("customer", "browser"), ("customer", "os"),
)  # fmt: skip

FAMILIES: tuple[Family, ...] = (
    Family(
        "orders and amounts",
        "Card testing and stolen cards: many orders, or much money, in a short time on one card, device or network.",
        (
            *_windowed(KINDS, "orders", ("count", "sum"), *WINDOWS),
            *_windowed(("customer", "card"), "orders", ("min", "max"), "30d"),
            *(Mean(kind, "orders", window) for kind in ("customer", "card") for window in ("24h", "30d")),
            *(Deviation(kind, "orders", "30d") for kind in ("customer", "card")),
            *(Burst(kind, "orders", "1h", "7d") for kind in ("customer", "card", *_WEB)),
            *(Decayed(kind, "orders") for kind in ("customer", "card", *_WEB)),
        ),
    ),
    Family(
        "habit",
        "Account takeover and stolen cards: an order unlike the customer's or card's own past, or unlike what the "
        "device, the parcel's address or the seller is used to.",
        (
            *(Ratio(kind, window) for kind in ("customer", "card") for window in ("7d", "30d")),
            *(Ratio(kind, "30d") for kind in ("device", "email", "phone", "address", "seller")),
            *(Score(kind, window) for kind in ("customer", "card") for window in ("7d", "30d")),
            *(Quantity(kind, "30d") for kind in ("customer", "card")),
        ),
    ),
    Family(
        "declines",
        "Card testing: cards tried until one is accepted.",
        (
            *_windowed(("customer", "card", *_WEB), "declines", ("count",), "10m", "1h", "24h", "7d"),
            *_windowed(("session",), "declines", ("count",), "1h"),
            *(Share(kind, "declines", "payments", "24h") for kind in ("customer", "card", *_WEB)),
            Since("customer", "declines"),
        ),
    ),
    Family(
        "who with whom",
        "Fraud rings and card testing: many cards on a device, many customers on a card, many e-mails from an address.",
        tuple(
            Distinct(kind, "orders", member, window) for kind, member in _SEEN_WITH for window in ("1h", "24h", "30d")
        ),
    ),
    Family(
        "novelty and age",
        "Account takeover and new accounts: a card, device or address never seen with this customer, new entities.",
        (
            *(First(kind, "orders", member) for kind, member in _SEEN_WITH),
            *(First("customer", "orders", member) for member in ("ip_country", "main_category")),
            *(Age(kind) for kind in KINDS),
            *(Since("customer", source) for source in ("orders", "credential_changes", "addresses_added")),
        ),
    ),
    Family(
        "account",
        "Account takeover: failed log-ins, changed credentials and new addresses just before an order. Made-up "
        "accounts: many of one device, network, e-mail or phone, many that add one address.",
        (
            *_windowed(("customer", *_WEB), "logins_failed", ("count",), "10m", "1h", "24h"),
            *(Share(kind, "logins_failed", "logins", "24h") for kind in ("customer", "ip")),
            *_windowed(("customer",), "credential_changes", ("count",), "1h", "24h", "7d"),
            *_windowed(("customer",), "addresses_added", ("count",), "1h", "24h", "7d"),
            *_windowed(("device", "ip"), "registrations", ("count",), "24h", "30d"),
            *_windowed(("network",), "registrations", ("count",), "24h"),
            *_windowed(("email", "phone"), "registrations", ("count",), "30d"),
            *_windowed(("address",), "addresses_added", ("count",), "7d"),
        ),
    ),
    Family(
        "visit",
        "Scripted visitors: no browsing before the order, pages too fast or at one period, nothing loaded that a "
        "browser loads, errors, the check-out alone or at once.",
        (
            *_windowed(("session", *_WEB), "visits", ("count",), "10m", "1h", "24h"),
            *_windowed(("session",), "visits", ("sum",), "1h"),
            Mean("session", "visits", "1h"),
            *_windowed(("session",), "visits", ("min",), "1h"),
            Evenness("session", "visits", "1h"),
            Automation("session", "1h"),
            *_windowed(("session",), "assets", ("count",), "1h"),
            *_windowed(("session", "device", "ip"), "checkouts", ("count",), "1h"),
            *_windowed(("session", "device", "ip"), "accounts", ("count",), "1h"),
            *_windowed(("session", "device", "ip"), "errors", ("count",), "1h"),
            *(Distinct(kind, "visits", "route", "1h") for kind in ("session", "device", "ip")),
            Since("session", "visits"),
            *joined("1h"),
        ),
    ),
    Family(
        "refunds and promotions",
        "Refund and promotion abuse: promotions on one device, address or network, refunds again and again; accounts "
        "that only enter contests and write reviews.",
        (
            *_windowed(("customer",), "refunds", ("count", "sum"), "7d", "30d"),
            Share("customer", "refunds", "orders", "30d"),
            *_windowed(_WEB, "refunds", ("count",), "7d"),
            *_windowed(("session",), "refunds", ("count",), "24h"),
            *_windowed(_KNOWN, "promotions", ("count",), "24h", "30d"),
            *_windowed(("session",), "promotions", ("count",), "24h"),
            *_windowed(("customer", *_WEB), "contests", ("count",), "7d"),
            *_windowed(("customer",), "reviews", ("count",), "7d"),
        ),
    ),
    Family(
        "labels known by then",
        "Repeated fraud: chargebacks and confirmed frauds of the same entities, from when they became known.",
        (
            *_windowed(_KNOWN, "frauds", ("count",), "7d", "30d"),
            *(Since(kind, "frauds") for kind in ("customer", "card", "device")),
            # A theft lasts for weeks, not for ever: when it began to show says whether it still goes on.
            *(Earliest(kind, "frauds") for kind in ("customer", "card", "seller")),
        ),
    ),
    Family(
        "verification",
        "Stolen identities: checks failed at an agency, or passed at one and failed at another, many of one device; "
        "calls that verified nobody.",
        (
            *_windowed(("customer",), "verifications", ("count",), "30d"),
            *_windowed(("customer",), "verifications_failed", ("count",), "30d"),
            *_windowed(("customer",), "verifications_open", ("count",), "30d"),
            *(Distinct("customer", source, "agency", "30d") for source in ("verifications", "verifications_failed")),
            Since("customer", "verifications"),
            *_windowed(("device", "ip"), "verifications_failed", ("count",), "7d"),
            *_windowed(("customer",), "calls_verified", ("count",), "30d"),
            *_windowed(("customer",), "calls_unverified", ("count",), "30d"),
            Since("customer", "calls_verified"),
        ),
    ),
    Family(
        "the order",
        "Stolen cards: issuer, billing and shipping that disagree, weak authentication, goods that resell.",
        tuple(Direct(function.__name__, version) for function, version in direct.FUNCTIONS),
    ),
)
DEFINITIONS = Definitions(tuple(feature for family in FAMILIES for feature in family.features))
