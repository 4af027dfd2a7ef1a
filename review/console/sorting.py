"""Whose work a case is, and its tags."""

from starlette.requests import Request
from starlette.responses import Response

from review.console import doing
from review.console.house import House
from review.console.people import Person
from review.console.routes import Form, Way, whole
from review.console.words import marked
from review.console.working import back, keeping_words

PLACE = "#sorting"
SAID = (marked("There is no such tag."),)  # review.tags.NONE


def assign(house: House, request: Request, person: Person, form: Form) -> Response:
    case_id, to = request.path_params["case_id"], form.get("to") or None
    case = doing.assign(house, person.name, case_id, to, whole(form, "version"))
    return back(house, request, person, case, form, PLACE)


def keep(house: House, request: Request, person: Person, form: Form) -> Response:
    kept = form.get("kept") != "no"
    case = doing.keep(house, person.name, request.path_params["case_id"], whole(form, "version"), kept)
    return back(house, request, person, case, form, PLACE)


def tag(house: House, request: Request, person: Person, form: Form) -> Response:
    """The button that was pressed puts its tag on the case or takes it off, however the case has changed meanwhile."""
    put, off = ([form[name]] if name in form else [] for name in ("put", "off"))
    case = doing.tag(house, person.name, request.path_params["case_id"], put, off)
    return back(house, request, person, case, form, PLACE)


WAYS = (
    Way("POST", "/cases/{case_id}/assign", keeping_words(assign), "case.assign"),
    Way("POST", "/cases/{case_id}/keep", keeping_words(keep), "case.work"),
    Way("POST", "/cases/{case_id}/tag", keeping_words(tag), "case.work"),
)
