"""The queue and a case: reading, and every action on one case."""

from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from events.cards import holds_card_number
from review import finding, masking, queue
from review.cases import Case
from review.console.house import House
from review.console.people import Person
from review.console.routes import Form, Way, refused
from review.console.words import Words, marked
from review.desk import VERDICTS
from review.views import opened
from review.workflow import UNDO_MS, Action
from vault.errors import Erased

HOUR_MS = 3_600_000
SNOOZE_HOURS = (1, 4, 24)
ACTIONS: Mapping[str, Action] = {
    **{each: each for each in ("claim", "renew", "release", "snooze", "ask", "escalate")},
    **{each: each for each in ("dismiss", "confirm_fraud", "undo")},
}
SEARCHES: Mapping[str, finding.By] = {"order": "order", "last4": "last4", "email": "email", "phone": "phone"}
UNREASONED = frozenset({"claim", "renew", "release", "undo"})
SHORTEST, LONGEST = 3, 1000


def queue_page(house: House, request: Request, person: Person, _: Form) -> Response:
    try:
        wanted = queue.filtered(dict(request.query_params))
        found = queue.page(house.engine, wanted, person.name)
    except (msgspec.ValidationError, ValueError):
        return refused(house, request, person, 400, marked("There is no such filter."))
    return house.page(
        request,
        "queue.html",
        person,
        cases=found.cases,
        wanted=wanted,
        counts=queue.counts(house.engine, person.name),
        link=lambda **changes: link(wanted, **changes),
        after=found.after,
    )


def link(wanted: queue.Filter, **changes: str | None) -> str:
    """The queue's address with other filters; from its beginning, unless `after` is given."""
    values = msgspec.to_builtins(msgspec.structs.replace(wanted, **({"after": None} | changes)))
    return f"/queue?{urlencode(values)}" if values else "/queue"


def next_case(house: House, _request: Request, person: Person, _form: Form) -> Response:
    return _onward(house, person, None)


def case_page(house: House, request: Request, person: Person, _: Form) -> Response:
    return _case(house, request, person, house.cases.get(request.path_params["case_id"]), {})


def _case(house: House, request: Request, person: Person, case: Case, revealed: Mapping[str, str]) -> Response:
    words = Words(person.account.language)
    view = opened(case, house.envelopes)
    return house.page(
        request,
        "case.html",
        person,
        case=case,
        view=view,
        reasons=view.why_ar if words.language == "ar" else view.why,
        notes=_notes(house, case),
        hours=SNOOZE_HOURS,
        revealed=revealed,
        revealable=tuple(finding.REVEALABLE),
        mine=case.status == "claimed" and case.holder == person.name,
        undoable=_undoable(house, request.query_params.get("done"), person),
    )


def act(house: House, request: Request, person: Person, form: Form) -> Response:
    """A stale version is refused with 409: the person sees the case as it is now before acting."""
    action = ACTIONS.get(request.path_params["action"])
    case = house.cases.get(request.path_params["case_id"])
    if action is None:
        return refused(house, request, person, 404, marked("There is no such action."))
    if form.get("version") != str(case.version):
        return refused(house, request, person, 409, marked("Somebody else changed this case since you opened it."))
    reason = form.get("reason", "").strip()
    if action not in UNREASONED and not fit(reason):
        return refused(house, request, person, 400, marked("A reason has 3 to 1000 characters and no card number."))
    return _acted(house, person, case, action, form, reason)


def _acted(house: House, person: Person, case: Case, action: Action, form: Form, reason: str) -> Response:
    now_ms = house.clock()
    sealed = house.sealed(case, "reason" if action in VERDICTS else "note", reason) if reason else None
    if action in VERDICTS:
        assert sealed is not None
        house.desk.decide(case, VERDICTS[action], reason=sealed, actor=person.name, now_ms=now_ms)
        return _onward(house, person, case)
    hours = int(form.get("hours", "")) if form.get("hours") in {str(each) for each in SNOOZE_HOURS} else SNOOZE_HOURS[0]
    until_ms = now_ms + hours * HOUR_MS if action == "snooze" else None
    house.desk.act(case, action, person.name, now_ms, until_ms=until_ms, reason=sealed)
    if action in {"snooze", "ask", "escalate", "release"}:
        return RedirectResponse("/queue", 303)
    return RedirectResponse(f"/cases/{case.decision_id}", 303)


def reveal(house: House, request: Request, person: Person, form: Form) -> Response:
    """The value stands on this one page: not in its address, nor kept by the browser."""
    case = house.cases.get(request.path_params["case_id"])
    reason, field = form.get("reason", "").strip(), form.get("field", "")
    if not fit(reason):
        return refused(house, request, person, 400, marked("A reason has 3 to 1000 characters and no card number."))
    now_ms = house.clock()
    try:
        value = finding.reveal(house.engine, house.envelopes, case, field, person.name, now_ms)
    except Erased:
        return refused(house, request, person, 404, marked("This customer's data were erased."))
    house.desk.write(case, house.sealed(case, "note", f"{field}: {reason}"), person.name, now_ms, "reveal")
    return _case(house, request, person, case, {field: value or "-"})


def search(house: House, request: Request, person: Person, form: Form) -> Response:
    by = form.get("by", "")
    if by not in SEARCHES:
        return refused(house, request, person, 400, marked("There is no such search."))
    found = finding.find(house.engine, house.blind, SEARCHES[by], form.get("value", ""), person.name, house.clock())
    return house.page(request, "found.html", person, cases=found, by=by, searches=tuple(SEARCHES))


def search_page(house: House, request: Request, person: Person, _: Form) -> Response:
    return house.page(request, "found.html", person, cases=None, by="order", searches=tuple(SEARCHES))


def write(house: House, request: Request, person: Person, form: Form) -> Response:
    case = house.cases.get(request.path_params["case_id"])
    body = form.get("body", "").strip()
    if not fit(body):
        return refused(house, request, person, 400, marked("A note has 3 to 1000 characters and no card number."))
    house.desk.write(case, house.sealed(case, "note", body), person.name, house.clock())
    return RedirectResponse(f"/cases/{case.decision_id}#notes", 303)


def fit(text: str) -> bool:
    return SHORTEST <= len(text) <= LONGEST and not holds_card_number(text)


def _onward(house: House, person: Person, done: Case | None) -> Response:
    """To the next case, claimed; with a way back to the one that was just decided."""
    found = house.desk.next(person.name, house.clock())
    path = "/queue" if found is None else f"/cases/{found.decision_id}"
    return RedirectResponse(f"{path}?{urlencode({'done': done.decision_id})}" if done and found else path, 303)


def _undoable(house: House, done: str | None, person: Person) -> Case | None:
    if done is None or len(done) > 96:
        return None
    case = house.cases.find(done)
    if case is None or case.status != "decided" or case.holder != person.name or case.decided_at_ms is None:
        return None
    return case if house.clock() < case.decided_at_ms + UNDO_MS else None


def _notes(house: House, case: Case) -> list[tuple[int, str, str, str]]:
    """When, who, what kind, the words; a subject that was erased has none left."""
    try:
        return [
            (note.at_ms, note.actor, note.kind, masking.plain(house.opened(case, "note", note.body), LONGEST))
            for note in house.desk.notes(case)
        ]
    except Erased:
        return []


WAYS = (
    Way("GET", "/queue", queue_page, "queue.read"),
    Way("POST", "/queue/next", next_case, "case.work"),
    Way("GET", "/cases/{case_id}", case_page, "case.read"),
    Way("GET", "/search", search_page, "queue.read"),
    Way("POST", "/search", search, "queue.read"),
    Way("POST", "/cases/{case_id}/reveal", reveal, "case.reveal"),
    Way("POST", "/cases/{case_id}/notes", write, "case.work"),
    Way("POST", "/cases/{case_id}/{action}", act, "case.work"),
)
