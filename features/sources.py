"""What a fact counts as: the one table from facts to the classes that features aggregate.

A fact is of one class, a source is a set of classes: a page of the check-out counts as that and as a page visited.
"""

from collections.abc import Mapping
from typing import NamedTuple

from events.facts import ActivityFact, AnyFact, Fact, LabelFact, OrderFact, RefusedOrder, VisitFact
from features.rates import Rates

VERSION = 4  # raise it when a fact comes to count as something else

REFUSED, UNCOUNTED = "refused", "uncounted"
ORDER_CLASSES = ("order", "order_promo")
_VISITS = ("visit", "visit_checkout", "visit_account", "visit_asset", "visit_failed")
_NO_CHECK = frozenset({"quality", "training"})  # purposes of calls that are to verify nobody
_CHECKOUT = frozenset({"basket", "cart", "checkout", "pay", "payment", "payments", "confirm", "shipping"})
_ACCOUNT = frozenset(
    {"login", "signin", "password", "forgot", "recover", "reset", "register", "signup", "profile", "address"}
)
_ASSETS = frozenset({"assets", "static", "css", "js", "fonts", "images", "img"})


class Source(NamedTuple):
    """`unit` is that of what is summed of such a fact; empty where there is nothing to sum."""

    text: str
    classes: tuple[str, ...]
    unit: str = ""


SOURCES: Mapping[str, Source] = {
    "orders": Source("orders placed", ORDER_CLASSES, "US cents"),
    "promotions": Source("orders with a promotion", ("order_promo",), "US cents"),
    "visits": Source("pages visited", _VISITS, "milliseconds on the page"),
    "checkouts": Source(
        "pages of the basket and the check-out visited", ("visit_checkout",), "milliseconds on the page"
    ),
    "accounts": Source(
        "pages of log-in, registration and profile visited", ("visit_account",), "milliseconds on the page"
    ),
    "assets": Source("scripts, styles and images loaded", ("visit_asset",)),
    "errors": Source("pages answered with an error", ("visit_failed",)),
    "registrations": Source("accounts registered", ("registration",)),
    "logins": Source("successful log-ins", ("login",)),
    "logins_failed": Source("failed log-ins", ("login_failed",)),
    "payments": Source("approved payment attempts", ("payment",), "US cents"),
    "declines": Source("declined payment attempts", ("decline",), "US cents"),
    "credential_changes": Source("changes of password, e-mail, phone or second factor", ("credential_change",)),
    "addresses_added": Source("addresses added to an account", ("address_added",)),
    "refunds": Source("refunds", ("refund",), "US cents"),
    "contests": Source("contests entered", ("contest",)),
    "reviews": Source("reviews submitted", ("review",)),
    "calls_verified": Source("calls that verified the customer", ("call_verified",)),
    "calls_unverified": Source("calls that did not verify the customer", ("call_unverified",)),
    "verifications": Source("checks passed at a verification agency", ("verification",)),
    "verifications_failed": Source("checks failed at a verification agency", ("verification_failed",)),
    "verifications_open": Source("checks without a result at a verification agency", ("verification_open",)),
    "frauds": Source("chargebacks and confirmed frauds that had become known", ("fraud",), "US cents"),
}
CLASSES: tuple[str, ...] = tuple(dict.fromkeys(c for source in SOURCES.values() for c in source.classes))

_BY_ACTIVITY: Mapping[tuple[str, bool | None], str] = {
    ("AccountRegistered", None): "registration",
    ("LoggedIn", True): "login",
    ("LoggedIn", False): "login_failed",
    ("PaymentAttempted", True): "payment",
    ("PaymentAttempted", False): "decline",
    ("CredentialsChanged", None): "credential_change",
    ("AddressAdded", None): "address_added",
    ("OrderRefunded", None): "refund",
    ("ContestEntered", None): "contest",
    ("ReviewSubmitted", None): "review",
    ("CallLogged", True): "call_verified",
    ("CallLogged", False): "call_unverified",
    ("IdentityVerified", True): "verification",
    ("IdentityVerified", False): "verification_failed",
}


def class_of(fact: AnyFact) -> str:
    """`uncounted` for a fact that no feature may count, for example a dismissed label."""
    if isinstance(fact, OrderFact):
        return "order" if fact.promo is None else "order_promo"
    if isinstance(fact, VisitFact):
        return _visit(fact)
    if isinstance(fact, ActivityFact):
        return _activity(fact)
    if isinstance(fact, RefusedOrder):
        return REFUSED
    return "fraud" if isinstance(fact, LabelFact) and fact.label != "dismissed" else UNCOUNTED


def fields_of(source: str) -> frozenset[str]:
    """What every fact of a source says of itself."""
    return frozenset.intersection(*(frozenset(_type_of(name).__struct_fields__) for name in SOURCES[source].classes))


def _type_of(name: str) -> type[Fact]:
    if name in ORDER_CLASSES:
        return OrderFact
    return VisitFact if name in _VISITS else LabelFact if name == "fraud" else ActivityFact


def amount_of(fact: AnyFact, rates: Rates) -> int | None:
    """What of a fact is summed, or may be the smallest: US cents, ms of a visit; None without, or without a rate."""
    if isinstance(fact, VisitFact):
        return fact.duration_ms
    if isinstance(fact, OrderFact | LabelFact | ActivityFact) and fact.amount_minor is not None and fact.currency:
        return rates.cents(fact.amount_minor, fact.currency, fact.occurred_at_ms)
    return None


def _activity(fact: ActivityFact) -> str:
    of_class = _BY_ACTIVITY.get((fact.activity, fact.succeeded), UNCOUNTED)
    if of_class == "verification_failed" and fact.detail == "inconclusive":
        return "verification_open"
    return UNCOUNTED if of_class == "call_unverified" and fact.detail in _NO_CHECK else of_class


def _visit(fact: VisitFact) -> str:
    if fact.status is not None and fact.status >= 400:
        return "visit_failed"
    pieces = set(fact.route.split("/"))
    if pieces & _CHECKOUT:
        return "visit_checkout"
    if pieces & _ACCOUNT:
        return "visit_account"
    return "visit_asset" if pieces & _ASSETS else "visit"


def is_order(fact: AnyFact) -> bool:
    """Whether the fact must end in a decision."""
    return isinstance(fact, OrderFact | RefusedOrder)
