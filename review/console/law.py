"""Pages of requests of the law, for privacy officers alone: all of them, one, and what two people do with it."""

from collections.abc import Mapping
from typing import NamedTuple, cast

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from review.cases import Case
from review.console.house import House
from review.console.people import Person
from review.console.routes import Form, Way, refused, whole
from review.console.telling import FIELDS, OPERATORS
from review.console.words import Words, marked
from review.errors import LawRefused, UnknownCase, UnknownRequest
from review.law import Asking, Law, Move, Shown
from review.views import CaseView, opened
from sharing.contracts import Contract
from sharing.operators import Constant
from sharing.requests import TRANSITIONS, LawRequest

STATES = {
    "asked": marked("waits for two approvals"),
    "approved": marked("approved, not answered yet"),
    "refused": marked("refused"),
    "answered": marked("answered"),
}
STEPS = {
    "ask": marked("entered"),
    "approve": marked("approved"),
    "refuse": marked("refused"),
    "answer": marked("had it answered"),
}
MOVES: Mapping[str, Move] = {"approve": "approve", "refuse": "refuse", "answer": "answer"}
DAYS = (7, 14, 30, 60, 90)
NOT_SO = marked("This request does not take that (any more), or not from you.")
# What sharing.requests says, word for word: a text that is not here is said as NOT_SO.
SAID = frozenset(
    {
        marked("who entered a request does not approve it"),
        marked("approved by this person before; the second approval is another's"),
        marked("the request has expired; a new one is entered and approved anew"),
        marked("a request by that reference was entered before"),
        marked("no contract with this partner answers requests"),
        marked("expected one field or more, each once"),
        marked("reference: expected 3 to 64 letters, digits and . _ : -"),
        marked("basis: expected 10 to 200 printable characters that say by which law"),
    }
)

NO_CASE = marked("There is no such case.")
# Which field of the form a refusal speaks of.
WRONG = {
    NO_CASE: "case",
    "reference: expected 3 to 64 letters, digits and . _ : -": "reference",
    "a request by that reference was entered before": "reference",
    "basis: expected 10 to 200 printable characters that say by which law": "basis",
    "expected one field or more, each once": "fields",
}


class Told(NamedTuple):
    """One field that is asked for: its meaning, how it leaves, and its masked value, None where there is none."""

    meaning: str
    how: str
    value: str | None


def requests_page(house: House, request: Request, person: Person, _: Form) -> Response:
    return _all(house, request, person, {"case": request.query_params.get("case", "")[:96]})


def _all(
    house: House, request: Request, person: Person, typed: Form, why: str | None = None, code: int = 200
) -> Response:
    """All requests, and the form for another one: with what was typed and, where it was refused, why."""
    law = desk(house)
    return house.page(
        request,
        "requests.html",
        person,
        code,
        why=why,
        wrong=WRONG.get(why or ""),
        typed=typed,
        found=law.all(person.name, house.clock()),
        states=STATES,
        days=DAYS,
        fields=[(name, FIELDS[name]) for name in askable(law.contract)],
    )


def request_page(house: House, request: Request, person: Person, _: Form) -> Response:
    shown = desk(house).one(request.path_params["reference"], person.name, house.clock())
    return _page(house, request, person, shown, None, 200)


def _page(
    house: House, request: Request, person: Person, shown: Shown, why: str | None, code: int, *, asks: bool = False
) -> Response:
    """`asks`: whether it shall really be answered."""
    asked, words = shown.request, Words(person.account.language)
    case = house.cases.find(asked.case_id)
    return house.page(
        request,
        "request.html",
        person,
        code,
        asked=asked,
        steps=shown.steps,
        case=case,
        told=_told(house, asked, case, words),
        states=STATES,
        said=STEPS,
        moves=takes(asked, person.name, house.clock()),
        why=why,
        asks=asks,
    )


def _told(house: House, asked: LawRequest, case: Case | None, words: Words) -> tuple[Told, ...]:
    contract = desk(house).contract
    terms = {} if contract is None else {each.name: str(each.__struct_config__.tag) for each in contract.fields}
    view = None if case is None else opened(case, house.envelopes)
    return tuple(
        Told(
            words.text(FIELDS[name]),
            words.text(OPERATORS[terms[name]]) if name in terms else "-",
            None if view is None else masked(name, view),
        )
        for name in asked.fields
        if name in FIELDS
    )


def masked(name: str, view: CaseView) -> str | None:
    """A field's value as this console shows it."""
    known = {"amount": view.amount, "occurred_at": view.occurred_at, "last4": view.last4 and f"•• {view.last4}"}
    value = known[name] if name in known else getattr(view.customer, name, None)
    return cast("str | None", value)


def takes(asked: LawRequest, name: str, now_ms: int) -> tuple[str, ...]:
    """What this person may do with the request as it stands."""
    open_to = [action for state, action in TRANSITIONS if state == asked.state]
    if now_ms >= asked.expires_at_ms:
        open_to = [action for action in open_to if action == "refuse"]
    if name == asked.asked_by or name in asked.approved_by:
        open_to = [action for action in open_to if action != "approve"]
    return tuple(open_to)


def ask(house: House, request: Request, person: Person, form: Form) -> Response:
    try:
        case = house.cases.get(form.get("case", ""))
        asking = Asking(
            reference=form.get("reference", "").strip(),
            case_id=case.decision_id,
            fields=tuple(name for name in FIELDS if form.get(f"field.{name}")),
            basis=" ".join(form.get("basis", "").split()),
            days=whole(form, "days"),
        )
        asked = desk(house).ask(asking, person.name, house.clock())
    except UnknownCase:
        return _all(house, request, person, form, NO_CASE, 404)
    except LawRefused as error:
        return _all(house, request, person, form, _said(error), 409)
    return RedirectResponse(f"/requests/{asked.reference}", 303)


def move(house: House, request: Request, person: Person, form: Form) -> Response:
    """What is told cannot be untold: an answer is asked about once more before it is given."""
    reference, law = request.path_params["reference"], desk(house)
    action = MOVES.get(request.path_params["action"])
    if action is None:
        return refused(house, request, person, 404, marked("There is no such action."))
    if action == "answer" and "sure" not in form:
        shown = law.one(reference, person.name, house.clock())
        if action in takes(shown.request, person.name, house.clock()):
            return _page(house, request, person, shown, None, 200, asks=True)
    try:
        law.move(reference, action, person.name, house.clock())
    except LawRefused as error:
        shown = law.one(reference, person.name, house.clock())
        return _page(house, request, person, shown, _said(error), 409)
    return RedirectResponse(f"/requests/{reference}", 303)


def desk(house: House) -> Law:
    """Raises UnknownRequest where this console has no such database."""
    if house.law is None:
        raise UnknownRequest(marked("Privacy officers work at another console: this one has no database for it."))
    return house.law


def askable(contract: Contract | None) -> tuple[str, ...]:
    """The fields that a request may name."""
    return () if contract is None else tuple(t.name for t in contract.fields if not isinstance(t, Constant))


def _said(error: LawRefused) -> str:
    return str(error) if str(error) in SAID else NOT_SO


WAYS = (
    Way("GET", "/requests", requests_page, "law.read"),
    Way("POST", "/requests", ask, "law.work"),
    Way("GET", "/requests/{reference}", request_page, "law.read"),
    Way("POST", "/requests/{reference}/{action}", move, "law.work"),
)
