"""What the API takes and gives: closed types, from which OpenAPI's schemas come. Nothing of a customer is in clear."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from events.questions import Answer, Question
from events.types import Id
from models.decisions import Outcome
from review.cases import Verdict
from review.console.bulk import MOST, Why
from review.finding import By
from review.joining import Joined
from review.questions import Asked
from review.queue import View
from review.workflow import State

Act = Literal["claim", "renew", "release", "snooze", "ask", "escalate", "dismiss", "confirm_fraud", "undo", "unask"]
Seen = Literal["name", "email", "phone", "billing", "shipping", "ip", "user_agent"]
PLACE = r"^[0-9]{1,17}(\.[0-9]{1,17})?(e[+-][0-9]{1,3})? [!-~]{1,96}$"
TagName = Annotated[str, Meta(pattern="^[a-z][a-z_]{1,31}$")]
Words = Annotated[str, Meta(min_length=3, max_length=1000)]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 9457."""

    title: str
    status: int
    detail: str = ""
    type: str = "about:blank"


class QueueQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`after` is the place where the last page ended."""

    view: View = "open"
    outcome: Outcome | None = None
    country: Annotated[str, Meta(pattern="^[A-Z]{2}$")] | None = None
    method: Annotated[str, Meta(pattern="^[a-z_]{1,16}$")] | None = None
    tag: TagName | None = None
    after: Annotated[str, Meta(pattern=PLACE)] | None = None


class TrailQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`before`: entries older than that place."""

    before: Annotated[int, Meta(ge=0, le=2**53)] | None = None


class CaseSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A case's row in the queue; times are milliseconds since the epoch, amounts minor units.

    `first_look`: who approved an amount that takes two people; somebody else has the second look. `resolved`: what
    holds since the case was decided, by a verdict or, without one, because it was due. `lead`: the case that this order
    is, or was, decided with.
    """

    decision_id: str
    order_id: str
    status: State
    version: int
    outcome: Outcome
    priority: float
    score: float | None
    reasons: tuple[str, ...]
    amount_minor: int | None
    currency: str | None
    country: str | None
    method: str | None
    last4: str | None
    opened_at_ms: int
    holder: str | None
    assignee: str | None
    until_ms: int | None
    due_at_ms: int | None
    escalated: bool
    first_look: str | None
    resolved: Outcome | None
    contested: bool
    verdict: str | None
    lead: str | None
    tags: tuple[str, ...]


class CasePage(msgspec.Struct, frozen=True):
    """`after` goes into the next request; None on the last page. `together`: of cases with several orders, by id."""

    cases: tuple[CaseSummary, ...]
    after: str | None
    together: dict[str, Joined] = {}


class Orders(msgspec.Struct, frozen=True):
    """Of one case, the first order first; one verdict on that one decides all that are joined to it."""

    cases: tuple[CaseSummary, ...]


class ActBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`version` as it was read; a `reason` for all but claim, renew, release, undo and unask.

    `hours` are a snooze's, `question` goes to the order service when the action is `ask`.
    """

    action: Act
    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    reason: Annotated[str, Meta(max_length=1000)] = ""
    hours: Literal[1, 4, 24] = 1
    question: Question = "customer_placed"


class AssignBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose work the case shall be; None: nobody's."""

    to: Annotated[str, Meta(min_length=1, max_length=64)] | None
    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]


class KeepBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether a case that is nobody's, or one's own, shall be one's own work."""

    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    kept: bool = True


class TagBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tags to put on a case, of the policy's list, and tags to take off; none may be in both."""

    put: Annotated[tuple[TagName, ...], Meta(max_length=20)] = ()
    off: Annotated[tuple[TagName, ...], Meta(max_length=20)] = ()


class Versioned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A case as it was read."""

    decision_id: Annotated[str, Meta(min_length=1, max_length=96)]
    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]


Many = Annotated[tuple[Versioned, ...], Meta(min_length=1, max_length=MOST)]


class BulkBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One verdict and one reason for all of the cases, each as it was read at its version."""

    verdict: Verdict
    reason: Words
    cases: Many


class BulkUndoBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The cases as the bulk gave them back."""

    cases: Many


class LeftCase(msgspec.Struct, frozen=True):
    """A case that stayed as it was, and why."""

    decision_id: str
    why: Why


class Bulk(msgspec.Struct, frozen=True):
    """`done` with the versions that an undo within the minute takes."""

    done: tuple[Versioned, ...]
    left: tuple[LeftCase, ...]


class ContestBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the customer says against the block; kept sealed."""

    reason: Words


class Contested(msgspec.Struct, frozen=True):
    """`due_at_ms`: until when somebody decides anew; None where the policy sets no time."""

    decision_id: str
    due_at_ms: int | None


class AnswerBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of the question with that id, as the topic `questions` has it (its `event_id`)."""

    question_id: Id
    answer: Answer


class Answered(msgspec.Struct, frozen=True):
    """As it is kept; the same again answers the same."""

    question_id: str
    answer: Answer


class Questions(msgspec.Struct, frozen=True):
    """The oldest first."""

    questions: tuple[Asked, ...]


class NoteBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to keep beside the case."""

    body: Words


class SearchBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is at hand of a case."""

    by: By
    value: Annotated[str, Meta(min_length=1, max_length=200)]


class RevealBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which value, and why."""

    field: Seen
    reason: Words


class Revealed(msgspec.Struct, frozen=True):
    """The value in clear; None where the order had none."""

    field: Seen
    value: str | None


class EraseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The order's own id, to confirm: erased data do not come back."""

    order_id: Annotated[str, Meta(min_length=1, max_length=64)]


class Erasure(msgspec.Struct, frozen=True):
    """Of how many cases the data are erased."""

    cases: int


class Found(msgspec.Struct, frozen=True):
    """At most 50, the newest first."""

    cases: tuple[CaseSummary, ...]


class Entry(msgspec.Struct, frozen=True):
    """One entry of the audit trail: names of fields, never values."""

    place: int
    at_ms: int
    actor: str
    action: str
    case_id: str | None
    fields: tuple[str, ...]


class Trail(msgspec.Struct, frozen=True):
    """The newest first; `before` goes into the next request, None on the last page."""

    entries: tuple[Entry, ...]
    before: int | None
