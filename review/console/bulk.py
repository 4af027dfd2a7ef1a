"""Many cases at once, for leads: one verdict and one reason, each case in a transaction of its own.

What one person alone may not approve, and what is back for a second opinion, is left as it is: it is looked at on its
own page. So whatever a bulk decides can be taken back whole while nothing has left the house. One reason is said for
both, so that nobody learns here which cases are back. Where the database fails midway, what was done stays done and
can be undone; nothing further is tried.
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple
from urllib.parse import urlencode

import sqlalchemy as sa
import structlog
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from history.database import reading
from review import joining, opinions
from review.cases import Case, Verdict
from review.console import doing
from review.console.house import House
from review.console.people import Person
from review.console.routes import Form, Way, whole
from review.console.words import marked
from review.console.working import queue_page
from review.desk import VERDICTS
from review.errors import StaleCase, TransitionRefused, Unfit, UnknownCase
from review.policy import takes_two
from review.workflow import UNDO_MS

log = structlog.get_logger()

MOST, LONGEST_ID = 200, 96
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
        if doing.decided_so(case, verdict, actor, version, house.clock()):
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


def _looked_at_alone(house: House, case: Case, verdict: Verdict, actor: str) -> bool:
    with reading(house.engine) as connection:
        sums = joining.amounts(connection, case)
    first = case.first_look is None and takes_two(house.desk.policy, case, sums)
    if verdict == "dismiss" and (first or case.first_look == actor):
        return True
    return opinions.standing(house.engine, case.decision_id) is not None


def decide(house: House, request: Request, person: Person, form: Form) -> Response:
    verdict = VERDICTS.get(form.get("verdict", ""))  # type: ignore[call-overload]
    if verdict is None:
        raise Unfit(marked("There is no such verdict."))
    try:
        found = decide_all(house, person.name, verdict, form.get("reason", ""), ticked(form))
    except Unfit as error:
        return queue_page(house, request, person, form, str(error))
    return _told(house, request, person, found, undone=False)


def undo(house: House, request: Request, person: Person, form: Form) -> Response:
    return _told(house, request, person, undo_all(house, person.name, ticked(form)), undone=True)


def _told(house: House, request: Request, person: Person, found: Outcome, *, undone: bool) -> Response:
    """On a page with an address, which bears a reload; what the database was too ill for is told without it."""
    if any(each.why == "failed" for each in found.left):
        return _shown(house, request, person, found, undone, 503)
    done = [("undone" if undone else "done", f"{case.version}.{case.decision_id}") for case in found.done]
    left = [("left", f"{each.why}.{each.case_id[:LONGEST_ID]}") for each in found.left]
    return RedirectResponse(f"/bulk?{urlencode([*done, *left], safe=':')}", 303)


def result(house: House, request: Request, person: Person, _: Form) -> Response:
    """What a bulk has done, as far as it still stands: what has moved on since is left out."""
    asked, undone = request.query_params, "undone" in request.query_params
    done = tuple(filter(None, (_as_left(house, each, person, undone) for each in _listed(asked, "undone", "done"))))
    left = []
    for why, case_id in _listed(asked, "left"):
        if why in SAID:
            case = house.cases.find(case_id)
            left.append(Left(case_id, None if case is None else case.order_id, why))  # type: ignore[arg-type]
    if not done and not left:
        return RedirectResponse("/queue", 303)
    return _shown(house, request, person, Outcome(done, tuple(left)), undone)


def _listed(asked: QueryParams, *names: str) -> list[tuple[str, str]]:
    pairs = [each.partition(".") for name in names for each in asked.getlist(name)[:MOST]]
    return [(before, after) for before, _, after in pairs if 0 < len(after) <= LONGEST_ID]


def _as_left(house: House, listed: tuple[str, str], person: Person, undone: bool) -> Case | None:
    """The case if the person's bulk left it so: an address says nothing of a case that others have decided."""
    version, case_id = listed
    case = house.cases.find(case_id)
    if case is None or str(case.version) != version:
        return None
    mine = case.status == "decided" and case.holder == person.name and case.verdict is not None
    return case if mine or (undone and case.status == "open") else None


def _shown(house: House, request: Request, person: Person, found: Outcome, undone: bool, code: int = 200) -> Response:
    until_ms = min((case.decided_at_ms or 0 for case in found.done), default=0) + UNDO_MS
    values = {"found": found, "said": SAID, "undone": undone, "until_ms": until_ms}
    return house.page(request, "bulk.html", person, code, **values)


def ticked(form: Form) -> dict[str, int]:
    """The versions of the page's rows that are ticked, or of all its rows; a row without a version is none."""
    rows = {name.removeprefix("row."): whole(form, name) for name in form if name.startswith("row.")}
    every = bool(form.get("all"))
    return {case_id: version for case_id, version in rows.items() if version and (every or form.get(f"tick.{case_id}"))}


WAYS = (
    Way("GET", "/bulk", result, "case.bulk"),
    Way("POST", "/bulk", decide, "case.bulk"),
    Way("POST", "/bulk/undo", undo, "case.bulk"),
)
