"""What the API takes and gives of requests of the law: what the pages show, nothing of a customer in clear."""

from typing import Annotated

import msgspec
from msgspec import Meta

from review.law import Move
from sharing.requests import Action, State


class RequestBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`case_id` is an order's or a decision's; `fields` are among the contract's; `days`: until when it counts."""

    reference: Annotated[str, Meta(min_length=3, max_length=64)]
    case_id: Annotated[str, Meta(min_length=1, max_length=96)]
    fields: Annotated[tuple[Annotated[str, Meta(max_length=32)], ...], Meta(min_length=1, max_length=40)]
    basis: Annotated[str, Meta(min_length=10, max_length=200)]
    days: Annotated[int, Meta(ge=1, le=90)] = 14


class RequestActBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two people approve, neither of them the one who entered it; then it is answered."""

    action: Move


class RequestSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it stands; `approved_by` in the order of the approvals."""

    reference: str
    partner: str
    case_id: str
    fields: tuple[str, ...]
    basis: str
    asked_at_ms: int
    expires_at_ms: int
    asked_by: str
    state: State
    approved_by: tuple[str, ...]


class RequestStep(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what; `place` is its entry on the ledger."""

    action: Action
    actor: str
    at_ms: int
    place: int


class RequestDetails(msgspec.Struct, frozen=True):
    """A request and its steps, the oldest first."""

    request: RequestSummary
    steps: tuple[RequestStep, ...]


class Requested(msgspec.Struct, frozen=True):
    """The newest first."""

    requests: tuple[RequestSummary, ...]
