"""Requests of the law: who may ask, approve, refuse and have them answered. Plain functions, no database, no clock.

A request names one case, the fields that are asked for, on what basis, until when. Two privacy officers approve it,
neither of them the one who entered it; then it is answered with exactly those fields of exactly that case.
"""

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

from events.cards import holds_card_number
from events.legible import length_seen
from sharing.contracts import Contract
from sharing.errors import RequestRefused
from sharing.operators import Constant
from sharing.roles import Role

State = Literal["asked", "approved", "refused", "answered"]
Action = Literal["ask", "approve", "refuse", "answer"]
APPROVALS = 2
LONGEST_MS = 90 * 24 * 3_600_000
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{2,63}")

# Every change of state that there is; whatever is not here is refused.
TRANSITIONS: Mapping[tuple[State, Action], State] = {
    ("asked", "approve"): "asked",  # until it is the last approval
    ("asked", "refuse"): "refused",
    ("approved", "refuse"): "refused",
    ("approved", "answer"): "answered",
}


class LawRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it stands; `approved_by` in the order of the approvals."""

    reference: str
    partner: str
    case_id: str
    fields: tuple[str, ...]
    basis: str
    asked_at_ms: int
    expires_at_ms: int
    asked_by: str
    state: State = "asked"
    approved_by: tuple[str, ...] = ()


def officer(actor: str, roles: Mapping[str, frozenset[Role]]) -> str:
    """The actor, if a privacy officer. Raises RequestRefused: nobody else learns so much as that a request exists."""
    if "privacy_officer" not in roles.get(actor, frozenset()):
        raise RequestRefused("requests are for privacy officers; the roles file names none by that actor")
    return actor


def asked(request: LawRequest, contract: Contract | None, now_ms: int) -> LawRequest:
    """The request, if it may be entered. Raises RequestRefused: says what of it was expected to be otherwise."""
    if contract is None or contract.trigger != "requested":
        raise RequestRefused("no contract with this partner answers requests")
    may = [term.name for term in contract.fields if not isinstance(term, Constant)]
    if foreign := sorted(set(request.fields) - set(may)):
        raise RequestRefused(f"the contract does not allow {', '.join(foreign)}; it allows {', '.join(may)}")
    if not request.fields or len(set(request.fields)) != len(request.fields):
        raise RequestRefused("expected one field or more, each once")
    if not _REFERENCE.fullmatch(request.reference) or holds_card_number(request.reference):
        raise RequestRefused("reference: expected 3 to 64 letters, digits and . _ : -")
    if not _is_basis(request.basis):
        raise RequestRefused("basis: expected 10 to 200 printable characters that say by which law")
    if not now_ms < request.expires_at_ms <= now_ms + LONGEST_MS:
        raise RequestRefused("expiry: expected within the next 90 days")
    return request


def _is_basis(text: str) -> bool:
    return length_seen(text) >= 10 and len(text) <= 200 and text.isprintable() and not holds_card_number(text)


def moved(request: LawRequest, action: Action, actor: str, now_ms: int) -> LawRequest:
    """The request after the action. Raises RequestRefused where the table, the time or the person does not allow it."""
    to = TRANSITIONS.get((request.state, action))
    if to is None:
        allowed = ", ".join(sorted(action for state, action in TRANSITIONS if state == request.state))
        raise RequestRefused(f"a request that is {request.state} does not take {action}; it takes {allowed or 'none'}")
    if action != "refuse" and request.expires_at_ms <= now_ms:
        raise RequestRefused("the request has expired; a new one is entered and approved anew")
    if action != "approve":
        return msgspec.structs.replace(request, state=to)
    if actor == request.asked_by:
        raise RequestRefused("who entered a request does not approve it")
    if actor in request.approved_by:
        raise RequestRefused("approved by this person before; the second approval is another's")
    approved_by = (*request.approved_by, actor)
    state: State = "approved" if len(approved_by) >= APPROVALS else to
    return msgspec.structs.replace(request, state=state, approved_by=approved_by)
