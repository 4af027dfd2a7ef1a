"""What a terminal may show of a case: one masked view, for tables and for `--json` alike."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise

import msgspec

from events import canonical, money
from events.types import Item
from history.pages import Page
from models.reasons import told
from review import masking
from review.cases import Case, Personal
from vault.envelopes import Envelopes
from vault.errors import EnvelopeError, Erased

_PERSONAL = msgspec.json.Decoder(Personal)


class Customer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the envelope holds, every value masked or neutralised."""

    name: str
    email: str | None = None
    phone: str | None = None
    billing: str | None = None
    shipping: str | None = None
    ip: str
    user_agent: str | None = None
    items: tuple[str, ...] = ()


class Glimpse(msgspec.Struct, frozen=True):
    """What a list shows of a customer: masked name, e-mail address and network; the families of browser and system."""

    name: str
    email: str | None
    ip: str
    device: tuple[str, str] | None


class CaseView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A case in words; the fields that are None are not known, or not opened.

    `reasons` are codes; `why` says them in words with the numbers behind them, `why_ar` in Arabic.
    `path`: of each page its route template, the seconds since the page before, the status; or why there is none.
    """

    order_id: str
    decision_id: str
    status: str
    outcome: str
    score: float | None = None
    reasons: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    why_ar: tuple[str, ...] = ()
    amount: str | None = None
    country: str | None = None
    method: str | None = None
    last4: str | None = None
    occurred_at: str
    opened_at: str
    withheld: str | None = None
    customer: Customer | None = None
    path: tuple[str, ...] | str | None = None
    verdict: str | None = None
    decided_at: str | None = None
    decided_by: str | None = None
    reason: str | None = None


def summary(case: Case) -> CaseView:
    """What is in clear: needs no key."""
    return CaseView(
        order_id=case.order_id,
        decision_id=case.decision_id,
        status=case.status,
        outcome=case.outcome,
        score=case.score,
        reasons=tuple(reason.code for reason in case.reasons),
        why=told(case.reasons, "analyst", "en"),
        why_ar=told(case.reasons, "analyst", "ar"),
        amount=_amount(case),
        country=case.country,
        method=case.method,
        last4=case.last4,
        occurred_at=iso(case.occurred_at_ms),
        opened_at=iso(case.opened_at_ms),
        withheld=case.withheld,
        verdict=case.verdict,
        decided_at=None if case.decided_at_ms is None else iso(case.decided_at_ms),
        decided_by=case.decided_by,
    )


def opened(case: Case, envelopes: Envelopes) -> CaseView:
    """With the customer masked and the analyst's reason. A subject that was erased shows as withheld "erased"."""
    view = summary(case)
    try:
        held = personal(case, envelopes)
        if held is not None:
            view = msgspec.structs.replace(view, customer=_customer(held), path=_path(held))
        if case.reason is not None:
            reason = envelopes.open(case.subject, case.order_id, "reason", case.reason)
            view = msgspec.structs.replace(view, reason=masking.plain(reason.decode(), 1000))
    except Erased:
        return msgspec.structs.replace(view, withheld="erased")
    return view


def glimpses(cases: Iterable[Case], envelopes: Envelopes, keys: Mapping[str, bytes]) -> dict[str, Glimpse]:
    """By decision; `keys` are the subjects' wrapped ones. Of who was erased, or whose data are withheld, nothing.

    Nor of a case whose envelope does not open: its own page fails, not the list of all others.
    """
    found = {}
    for case in cases:
        with suppress(EnvelopeError):
            held = personal(case, envelopes, keys)
            if held is not None:
                found[case.decision_id] = _glimpse(held)
    return found


def _glimpse(held: Personal) -> Glimpse:
    return Glimpse(
        name=masking.name(held.contact.name),
        email=None if held.contact.email is None else masking.email(held.contact.email),
        ip=masking.ip(held.ip),
        device=None if held.user_agent is None else canonical.user_agent(held.user_agent),
    )


def personal(case: Case, envelopes: Envelopes, keys: Mapping[str, bytes] | None = None) -> Personal | None:
    """What the envelope holds, unmasked; None where the case has none. Raises Erased."""
    if case.envelope is None:
        return None
    return _PERSONAL.decode(envelopes.open(case.subject, case.order_id, "order", case.envelope, keys=keys))


def _amount(case: Case) -> str | None:
    if case.amount_minor is None or case.currency is None:
        return None
    return money.text(case.amount_minor, case.currency)


def _customer(personal: Personal) -> Customer:
    contact = personal.contact
    return Customer(
        name=masking.name(contact.name),
        email=None if contact.email is None else masking.email(contact.email),
        phone=None if contact.phone is None else masking.phone(contact.phone),
        billing=None if personal.billing is None else masking.address(personal.billing),
        shipping=None if personal.shipping is None else masking.address(personal.shipping),
        ip=masking.ip(personal.ip),
        user_agent=None if personal.user_agent is None else masking.plain(personal.user_agent),
        items=tuple(_item(item) for item in personal.items),
    )


def _path(personal: Personal) -> tuple[str, ...] | str | None:
    path = personal.path
    if path is msgspec.UNSET:
        return None
    if path is None:
        return "none: the order named no session (cookies refused)"
    if not path:
        return "none: no page of the session was known when the case opened"
    return (
        _page(path[0], ""),
        *(_page(page, f" +{(page.at_ms - last.at_ms) / 1000:.1f} s") for last, page in pairwise(path)),
    )


def _page(page: Page, since: str) -> str:
    route = masking.plain(page.route)
    return f"{route}{since}" if page.status is None else f"{route}{since} {page.status}"


def _item(item: Item) -> str:
    return f"{item.quantity} x {masking.plain(item.title or item.sku, 60)}"


def iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
