"""The queue and a case: reading and deciding."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from events.cards import holds_card_number
from review.cases import Verdict
from review.console.house import House
from review.console.people import Person
from review.console.routes import Form, Way, refused
from review.console.words import Words, marked
from review.views import opened
from review.workflow import State

PAGE = 50
STATUSES: dict[str, State] = {"open": "open", "decided": "decided"}
ACTIONS: dict[str, Verdict] = {"confirm_fraud": "confirm_fraud", "dismiss": "dismiss"}


def queue(house: House, request: Request, person: Person, _: Form) -> Response:
    status = request.query_params.get("status", "open")
    if status not in STATUSES:
        return refused(house, request, person, 400, marked("There is no such status."))
    cases = house.cases.list(STATUSES[status], limit=PAGE)
    return house.page(request, "queue.html", person, cases=cases, status=status, statuses=tuple(STATUSES))


def case(house: House, request: Request, person: Person, _: Form) -> Response:
    found = house.cases.get(request.path_params["case_id"])
    words = Words(person.account.language)
    view = opened(found, house.envelopes)
    reasons = view.why_ar if words.language == "ar" else view.why
    return house.page(request, "case.html", person, case=found, view=view, reasons=reasons)


def decide(house: House, request: Request, person: Person, form: Form) -> Response:
    """A stale version is refused with 409: the person sees the case as it is now before deciding."""
    action, reason = form.get("action", ""), form.get("reason", "").strip()
    if action not in ACTIONS:
        return refused(house, request, person, 400, marked("There is no such decision."))
    if not 3 <= len(reason) <= 1000 or holds_card_number(reason):
        return refused(house, request, person, 400, marked("A reason has 3 to 1000 characters and no card number."))
    found = house.cases.get(request.path_params["case_id"])
    if form.get("version") != str(found.version):
        return refused(house, request, person, 409, marked("Somebody else changed this case since you opened it."))
    sealed = house.envelopes.seal(found.subject, found.order_id, "reason", reason.encode())
    house.desk.decide(found, ACTIONS[action], reason=sealed, actor=person.name, now_ms=house.clock())
    return RedirectResponse("/queue", 303)


WAYS = (
    Way("GET", "/queue", queue, "queue.read"),
    Way("GET", "/cases/{case_id}", case, "case.read"),
    Way("POST", "/cases/{case_id}/decide", decide, "case.work"),
)
