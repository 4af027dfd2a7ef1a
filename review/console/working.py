"""The queue and a case: reading, and every action on one case."""

from collections.abc import Mapping, Sequence
from typing import cast
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from events.questions import Question
from review import filters, finding, joining, masking, opinions, questions, queue, tags
from review.cases import Case
from review.console import beside, doing
from review.console.house import House
from review.console.people import Person
from review.console.routes import STATUS, Form, Handle, Way, refused, whole
from review.console.saying import said
from review.console.telling import ANSWERS, QUESTIONS
from review.console.words import Words, marked
from review.desk import VERDICTS
from review.errors import ReviewError, StaleCase, Unfit
from review.exports import MOST
from review.opinions import Opinion
from review.store import SubjectKeyTable
from review.views import glimpses, opened
from review.workflow import UNDO_MS, Action
from vault.errors import Erased

SEARCHES: Mapping[str, finding.By] = {"order": "order", "last4": "last4", "email": "email", "phone": "phone"}
WRITTEN = ("reason", "body", "why")  # of a case's page: the reason of a decision, a note, why to see a value
NOTHING: Mapping[str, str] = {}
DEFAULT_QUESTION: Question = "customer_placed"
NOTE_SHOWN = doing.LONGEST + 20  # the name of a field stands before the reason to see it
PUT_OFF = frozenset({"snooze", "escalate", "release"})  # who asks stays: it can be taken back for a minute
LEAVES = PUT_OFF | frozenset(VERDICTS)


def queue_page(house: House, request: Request, person: Person, form: Form, why: str | None = None) -> Response:
    """`why` the form of many at once was refused, which then stands there as it was filled in."""
    try:
        wanted = queue.filtered({name: said for name, said in request.query_params.items() if name != "done"})
    except msgspec.ValidationError:
        return refused(house, request, person, 400, marked("There is no such filter."))
    done = _just_done(house, request)
    found = queue.page(house.engine, wanted, person.name, now_ms=house.clock())
    return house.page(
        request,
        "queue.html",
        person,
        200 if why is None else 400,
        why=why,
        typed=form,
        undoable=_undoable(house, done, person),
        looked=_looked(done, person),
        cases=found.cases,
        tags=tags.of(house.engine, [case.decision_id for case in found.cases]),
        choices=house.desk.policy.tags,
        wanted=wanted,
        counts=queue.counts(house.engine, person.name, now_ms=house.clock()),
        link=lambda **changes: link(wanted, **changes),
        after=found.after,
        most=MOST,
        kept=filters.kept(house.engine, person.name),
        groups=joining.groups(house.engine, found.cases),
        glimpses=glimpses(found.cases, house.envelopes, SubjectKeyTable(house.engine).of(_subjects(found.cases))),
    )


def _subjects(cases: Sequence[Case]) -> set[str]:
    return {case.subject for case in cases}


def link(wanted: queue.Filter, **changes: str | None) -> str:
    """The queue's address with other filters; from its beginning, unless `after` is given."""
    values = msgspec.to_builtins(msgspec.structs.replace(wanted, **({"after": None} | changes)))
    return f"/queue?{urlencode(values)}" if values else "/queue"


def next_case(house: House, _request: Request, person: Person, _form: Form) -> Response:
    return _onward(house, person, None)


def case_page(house: House, request: Request, person: Person, _: Form) -> Response:
    return _case(house, request, person, house.cases.get(request.path_params["case_id"]))


def keeping_words(handle: Handle) -> Handle:
    """What somebody wrote on a case's page stands on the page that says why an action was refused."""

    def kept(house: House, request: Request, person: Person, form: Form) -> Response:
        try:
            return handle(house, request, person, form)
        except ReviewError as error:
            if not written(form):
                raise
            case = house.cases.get(request.path_params["case_id"])
            why, code = said(error, Words(person.account.language)), STATUS.get(type(error), 400)
            return _case(house, request, person, case, typed=form, why=why, code=code)

    return kept


def back(house: House, request: Request, person: Person, case: Case, left: Form, place: str = "") -> Response:
    """To the case's page after an action; with what is written there and not kept yet, which no address may carry."""
    if written(left):
        return _case(house, request, person, case, typed=left)
    return RedirectResponse(f"/cases/{case.decision_id}{place}", 303)


def written(form: Form, *names: str) -> bool:
    return any(form.get(name, "").strip() for name in names or WRITTEN)


def without(form: Form, *names: str) -> Form:
    return {name: value for name, value in form.items() if name not in names}


def _case(
    house: House,
    request: Request,
    person: Person,
    case: Case,
    revealed: Mapping[str, str] = NOTHING,
    *,
    typed: Form = NOTHING,
    why: str | None = None,
    code: int = 200,
) -> Response:
    words = Words(person.account.language)
    view = opened(case, house.envelopes)
    back = opinions.standing(house.engine, case.decision_id)
    hidden = opinions.unspoken(back)
    done = _just_done(house, request)
    return house.page(
        request,
        "case.html",
        person,
        code,
        why=why,
        typed=typed,
        case=case,
        view=view,
        reasons=view.why_ar if words.language == "ar" else view.why,
        notes=_notes(house, case, hidden),
        hours=doing.SNOOZE_HOURS,
        erasable=view.withheld != "erased" or SubjectKeyTable(house.engine).get(case.subject) is not None,
        orders=joining.orders_of(house.engine, case),
        revealed=revealed,
        revealable=tuple(finding.REVEALABLE),
        mine=case.status == "claimed" and case.holder == person.name,
        undoable=_undoable(house, done if request.query_params.get("done") else case, person),
        beside=beside.of(house, case, person, words, hidden),
        tags=tags.of(house.engine, [case.decision_id])[case.decision_id],
        choices=house.desk.policy.tags,
        workers=doing.workers(house) if person.may("case.assign") else (),
        looked=_looked(done, person),
        questions=QUESTIONS,
        answers=ANSWERS,
        asked=(asked := questions.of(house.engine, case.decision_id)),
        unaskable=_unaskable(house, case, asked, person),
        disagreed=back is not None and back.state == "disagreed",
    )


def act(house: House, request: Request, person: Person, form: Form) -> Response:
    """A stale version is refused with 409: the person sees the case as it is now before acting."""
    action = doing.ACTIONS.get(request.path_params["action"])
    if action is None:
        return refused(house, request, person, 404, marked("There is no such action."))
    case_id, reason = request.path_params["case_id"], form.get("reason", "")
    question = form.get("question", DEFAULT_QUESTION)
    if question not in QUESTIONS:
        return refused(house, request, person, 400, marked("There is no such question."))
    if action in LEAVES and written(form, *(("body", "reason") if action == "release" else ("body",))):
        raise Unfit(marked("This would lose what you have written: write it down as a note, or empty it, first."))
    version, hours = whole(form, "version"), whole(form, "hours", 1)
    try:
        case = doing.perform(house, person.name, case_id, action, version, reason, hours, cast("Question", question))
    except StaleCase:
        if (done := _done_already(house, person, case_id, action, version)) is None:
            raise
        return _where_it_led(house, person, done)
    if action in VERDICTS:
        return _onward(house, person, case)
    if action in PUT_OFF:
        return RedirectResponse("/queue", 303)
    return back(house, request, person, case, form if action in doing.UNREASONED else without(form, "reason"))


def reveal(house: House, request: Request, person: Person, form: Form) -> Response:
    """The value stands on this one page: not in its address, nor kept by the browser."""
    case = house.cases.get(request.path_params["case_id"])
    field = form.get("field", "")
    try:
        value = doing.see(house, person.name, case, field, form.get("why", ""))
    except Erased:
        return refused(house, request, person, 404, marked("This customer's data were erased."))
    return _case(house, request, person, case, {field: value or "-"}, typed=without(form, "why"))


def search(house: House, request: Request, person: Person, form: Form) -> Response:
    by = form.get("by", "")
    if by not in SEARCHES:
        return refused(house, request, person, 400, marked("There is no such search."))
    found = finding.find(house.engine, house.blind, SEARCHES[by], form.get("value", ""), person.name, house.clock())
    return house.page(request, "found.html", person, cases=found, by=by, searches=tuple(SEARCHES))


def search_page(house: House, request: Request, person: Person, _: Form) -> Response:
    return house.page(request, "found.html", person, cases=None, by="order", searches=tuple(SEARCHES))


def write(house: House, request: Request, person: Person, form: Form) -> Response:
    case = doing.write_down(house, person.name, request.path_params["case_id"], form.get("body", ""))
    return back(house, request, person, case, without(form, "body"), "#notes")


def _onward(house: House, person: Person, done: Case | None) -> Response:
    """To the next case, claimed, or to the queue; with a way back to the one that was just decided."""
    found = house.desk.next(person.name, house.clock())
    path = "/queue" if found is None else f"/cases/{found.decision_id}"
    return RedirectResponse(f"{path}?{urlencode({'done': done.decision_id})}" if done else path, 303)


def _done_already(house: House, person: Person, case_id: str, action: Action, version: int) -> Case | None:
    """The case, where the person's same verdict from the same page was faster: a key held down, a second click."""
    case, verdict = house.cases.get(case_id), VERDICTS.get(action)
    if verdict is None:
        return None
    looked = verdict == "dismiss" and case.first_look == person.name and version < case.version <= version + 2
    return case if looked or doing.decided_so(case, verdict, person.name, version, house.clock()) else None


def _where_it_led(house: House, person: Person, done: Case) -> Response:
    """The first one has claimed the next case, which is shown; a second one is not claimed."""
    mine = queue.page(house.engine, queue.Filter(view="mine"), person.name).cases
    newest = max(mine, key=lambda case: case.until_ms or 0, default=done)
    return RedirectResponse(f"/cases/{newest.decision_id}?{urlencode({'done': done.decision_id})}", 303)


def _just_done(house: House, request: Request) -> Case | None:
    """The case that an address says was just decided."""
    done = request.query_params.get("done")
    return house.cases.find(done) if done and len(done) <= 96 else None


def _undoable(house: House, case: Case | None, person: Person) -> Case | None:
    return case if case is not None and doing.undoable(case, person.name, house.clock()) else None


def _looked(case: Case | None, person: Person) -> Case | None:
    """The case that the person has just approved and that a second one must look at."""
    return case if case and case.status != "decided" and case.first_look == person.name else None


def _unaskable(house: House, case: Case, asked: Sequence[questions.Asked], person: Person) -> bool:
    """Whether the person may still take back what they have just asked."""
    mine = bool(asked) and case.status == "waiting" and asked[-1].asked_by == person.name
    return mine and house.clock() < asked[-1].asked_at_ms + UNDO_MS


def _notes(house: House, case: Case, hidden: Opinion | None) -> list[tuple[int, str, str, str]]:
    """When, who, what kind, the words; a subject that was erased has none left.

    Of a case that is back for a second opinion only what was written since: older notes might tell of the first.
    """
    since_ms = 0 if hidden is None else hidden.from_ms
    try:
        return [
            (
                note.at_ms,
                note.actor,
                note.kind,
                masking.plain(house.opened(case, note.sealed_as, note.body), NOTE_SHOWN),
            )
            for note in house.desk.notes(case)
            if note.at_ms >= since_ms
        ]
    except Erased:
        return []


WAYS = (
    Way("GET", "/queue", queue_page, "queue.read"),
    Way("POST", "/queue/next", next_case, "case.work"),
    Way("GET", "/cases/{case_id}", case_page, "case.read"),
    Way("GET", "/search", search_page, "queue.read"),
    Way("POST", "/search", search, "queue.read"),
    Way("POST", "/cases/{case_id}/reveal", keeping_words(reveal), "case.reveal"),
    Way("POST", "/cases/{case_id}/notes", keeping_words(write), "case.work"),
    Way("POST", "/cases/{case_id}/{action}", keeping_words(act), "case.work"),
)
