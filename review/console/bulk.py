"""Many cases at once, for leads: one verdict and one reason, each case in a transaction of its own.

What one person alone may not approve, and what is back for a second opinion, is left as it is: it is looked at on its
own page. So whatever a bulk decides can be taken back whole while nothing has left the house. One reason is said for
both, so that nobody learns here which cases are back. Where the database fails midway, what was done stays done and
can be undone; nothing further is tried.
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import sqlalchemy as sa
import structlog
from starlette.requests import Request
from starlette.responses import Response

from review import joining, opinions
from review.cases import Case, Verdict
from review.console import doing
from review.console.house import House
from review.console.people import Person
from review.console.routes import Form, Way, whole
from review.console.words import marked
from review.desk import VERDICTS
from review.errors import StaleCase, TransitionRefused, Unfit, UnknownCase
from review.policy import takes_two
from review.workflow import UNDO_MS

log = structlog.get_logger()

MOST = 200
Why = Literal["unknown", "stale", "held", "own_page", "refused", "late", "failed"]
SAID: Mapping[Why, str] = {
    "unknown": marked("There is no such case."),
    "stale": marked("Somebody else changed this case since you opened it."),
    "held": marked("Somebody else holds it."),
    "own_page": marked("It is one to look at by itself: decide it on its own page."),
    "refused": marked("Its state does not allow this."),
    "late": marked("Its minute has passed; what it set off has left."),
    "failed": marked("The database failed, so it was not tried to the end. Look at it again in a moment."),
}
Versions = Mapping[str, int]


class Left(NamedTuple):
    """A case that stayed as it was, and why. `order_id` is None where there is no such case, or nobody could look."""

    case_id: str
    order_id: str | None
    why: Why


class Outcome(NamedTuple):
    done: tuple[Case, ...]
    left: tuple[Left, ...]


def decide_all(house: House, actor: str, verdict: Verdict, reason: str, versions: Versions) -> Outcome:
    """A verdict on each case as it was read at its version. A second click finds what the first has done, and says so.

    Raises Unfit for words that are no reason, for no case and for too many.
    """
    words = doing.fit(reason)

    def decided(case: Case, version: int) -> Case | Why:
        if _decided_so(case, verdict, actor, version, house.clock()):
            return case
        if case.version != version:
            return "stale"
        if case.status == "claimed" and case.holder != actor:
            return "held"
        if _looked_at_alone(house, case, verdict, actor):
            return "own_page"
        return doing.perform(house, actor, case.decision_id, verdict, version, words)

    return _each(house, versions, decided)


def undo_all(house: House, actor: str, versions: Versions) -> Outcome:
    """Take verdicts back and give the cases back to the queue. Raises Unfit for no case and for too many."""

    def undone(case: Case, version: int) -> Case | Why:
        if case.version != version:
            return "stale"
        if case.decided_at_ms is not None and house.clock() >= case.decided_at_ms + UNDO_MS:
            return "late"
        return house.desk.take_back(case, actor, house.clock())

    return _each(house, versions, undone)


def _each(house: House, versions: Versions, take: Callable[[Case, int], Case | Why]) -> Outcome:
    """One after the other, until the database fails: then nothing further is tried, for each try might wait long."""
    if not 1 <= len(versions) <= MOST:
        raise Unfit(marked("Tick at least one case, and at most 200."))
    done: list[Case] = []
    left: list[Left] = []
    for case_id, version in versions.items():
        failed = bool(left) and left[-1].why == "failed"
        found = Left(case_id, None, "failed") if failed else _tried(house, take, case_id, version)
        if isinstance(found, Case):
            done.append(found)
        else:
            left.append(found)
    return Outcome(tuple(done), tuple(left))


def _tried(house: House, take: Callable[[Case, int], Case | Why], case_id: str, version: int) -> Case | Left:
    """Whoever was faster than the look at the case, the transaction finds out."""
    case = None
    try:
        case = house.cases.find(case_id)
        found = "unknown" if case is None else take(case, version)
    except (StaleCase, UnknownCase):
        found = "stale"
    except TransitionRefused:
        found = "refused"
    except sa.exc.SQLAlchemyError as error:
        log.error("bulk.failed", error=type(error).__name__)
        found = "failed"
    return found if isinstance(found, Case) else Left(case_id, None if case is None else case.order_id, found)


def _decided_so(case: Case, verdict: Verdict, actor: str, version: int, now_ms: int) -> bool:
    """Whether the same person has just decided it so, from the same page: claimed and decided, or decided alone."""
    mine = case.lead is None and case.status == "decided" and case.verdict == verdict and case.holder == actor
    recent = case.decided_at_ms is not None and now_ms < case.decided_at_ms + UNDO_MS
    return mine and recent and version < case.version <= version + 2


def _looked_at_alone(house: House, case: Case, verdict: Verdict, actor: str) -> bool:
    with house.engine.connect() as connection:
        sums = joining.amounts(connection, case)
    first = case.first_look is None and takes_two(house.desk.policy, case, sums)
    if verdict == "dismiss" and (first or case.first_look == actor):
        return True
    return opinions.standing(house.engine, case.decision_id) is not None


def decide(house: House, request: Request, person: Person, form: Form) -> Response:
    verdict = VERDICTS.get(form.get("verdict", ""))  # type: ignore[call-overload]
    if verdict is None:
        raise Unfit(marked("There is no such verdict."))
    found = decide_all(house, person.name, verdict, form.get("reason", ""), ticked(form))
    until_ms = min((case.decided_at_ms or 0 for case in found.done), default=0) + UNDO_MS
    return _shown(house, request, person, found, until_ms)


def undo(house: House, request: Request, person: Person, form: Form) -> Response:
    return _shown(house, request, person, undo_all(house, person.name, ticked(form)), None)


def _shown(house: House, request: Request, person: Person, found: Outcome, until_ms: int | None) -> Response:
    """What the database was too ill for is told without it."""
    code = 503 if any(each.why == "failed" for each in found.left) else 200
    return house.page(request, "bulk.html", person, code, found=found, said=SAID, until_ms=until_ms)


def ticked(form: Form) -> dict[str, int]:
    """The versions of the page's rows that are ticked, or of all its rows; a row without a version is none."""
    rows = {name.removeprefix("row."): whole(form, name) for name in form if name.startswith("row.")}
    every = bool(form.get("all"))
    return {case_id: version for case_id, version in rows.items() if version and (every or form.get(f"tick.{case_id}"))}


WAYS = (
    Way("POST", "/bulk", decide, "case.bulk"),
    Way("POST", "/bulk/undo", undo, "case.bulk"),
)
