"""What a fact counts as: the one table from facts to the classes that features aggregate."""

from collections.abc import Mapping

from events.facts import ActivityFact, AnyFact, Fact, LabelFact, OrderFact, RefusedOrder, VisitFact

VERSION = 1  # raise it when a fact comes to count as something else

SOURCES: Mapping[str, str] = {
    "orders": "orders placed",
    "visits": "pages visited",
    "logins": "successful log-ins",
    "logins_failed": "failed log-ins",
    "payments": "approved payment attempts",
    "declines": "declined payment attempts",
    "credential_changes": "changes of password, e-mail, phone or second factor",
    "addresses_added": "addresses added to an account",
    "refunds": "refunds",
    "frauds": "chargebacks and confirmed frauds that had become known",
}

_BY_TYPE: Mapping[type[Fact], str] = {OrderFact: "orders", VisitFact: "visits"}
_BY_ACTIVITY: Mapping[tuple[str, bool | None], str] = {
    ("LoggedIn", True): "logins",
    ("LoggedIn", False): "logins_failed",
    ("PaymentAttempted", True): "payments",
    ("PaymentAttempted", False): "declines",
    ("CredentialsChanged", None): "credential_changes",
    ("AddressAdded", None): "addresses_added",
    ("OrderRefunded", None): "refunds",
}


def source_of(fact: AnyFact) -> str | None:
    """The class that a fact counts in; None for one that no feature may count (a refused order, a dismissed label)."""
    known = _BY_TYPE.get(type(fact))
    if known is not None:
        return known
    if isinstance(fact, ActivityFact):
        return _BY_ACTIVITY.get((fact.activity, fact.succeeded))
    return "frauds" if isinstance(fact, LabelFact) and fact.label != "dismissed" else None


def is_order(fact: AnyFact) -> bool:
    """Whether the fact must end in a decision."""
    return isinstance(fact, OrderFact | RefusedOrder)
