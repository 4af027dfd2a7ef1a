"""Cases: flagged orders in front of analysts, what may become of them, and what is sealed in them."""

from typing import Literal

import msgspec

from events.types import Address, Contact, Item
from history.pages import Page
from models.decisions import Outcome, Reason
from review.workflow import State
from sharing.disclosable import Material, Verification

Verdict = Literal["confirm_fraud", "dismiss"]
Withheld = Literal["expired", "refused", "erased"]


class Personal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of an order, what is personal and may be kept for its case: only ever stored sealed.

    `path` has the last pages of the order's session up to the order, the oldest first; None where the order named no
    session (cookies refused). Cases that were opened before paths were kept do not have it.
    `material` is what contracts may draw on, `verification` what an agency had found out about the customer: the raw
    records are gone after 72 hours. Cases that were opened when partners were told at once have neither.
    """

    contact: Contact
    billing: Address | None = None
    shipping: Address | None = None
    ip: str
    user_agent: str | None = None
    items: tuple[Item, ...] = ()
    path: tuple[Page, ...] | msgspec.UnsetType | None = msgspec.UNSET
    material: Material | msgspec.UnsetType = msgspec.UNSET
    verification: Verification | None = None


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One flagged order. In clear: what an analyst sorts and filters by; the rest is in `envelope`.

    `subject` names the key that the envelopes are sealed under: the customer's blind index, or the order's where the
    customer is not known. A case without an envelope says in `withheld` why: the raw order had expired or
    was refused, or the customer was erased.
    `version` rises with every change. `priority`: US cents that a review saves a minute; `holder` to `first_look` are
    how far the work has come (review.workflow). `resolved`: the outcome that holds since the case was decided, by a
    verdict or, without one, because it was due; `contested`: a block that was decided has come back once. `reason` is
    the analyst's, sealed as it may name people. `assignee`: whose work it is, whether they hold it now or not. `card`
    and `device` are the decision's pseudonyms of them; `lead` is the case that this order is, or was, decided with
    (review.joining).
    """

    decision_id: str
    order_id: str
    opened_at_ms: int
    occurred_at_ms: int
    outcome: Outcome
    mode: str
    subject: str
    score: float | None = None
    reasons: tuple[Reason, ...] = ()
    amount_minor: int | None = None
    currency: str | None = None
    country: str | None = None
    last4: str | None = None
    method: str | None = None
    email_index: str | None = None
    phone_index: str | None = None
    envelope: bytes | None = None
    withheld: Withheld | None = None
    status: State = "open"
    version: int = 1
    verdict: Verdict | None = None
    decided_at_ms: int | None = None
    decided_by: str | None = None
    reason: bytes | None = None
    priority: float = 0.0
    holder: str | None = None
    until_ms: int | None = None
    due_at_ms: int | None = None
    escalated: bool = False
    first_look: str | None = None
    resolved: Outcome | None = None
    contested: bool = False
    card: str | None = None
    device: str | None = None
    lead: str | None = None
    assignee: str | None = None
