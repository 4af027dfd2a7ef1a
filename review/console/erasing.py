"""A person asked to be erased: what goes with it is shown first, and the order's id is typed to confirm."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from review import erasing
from review.cases import Case
from review.console.house import House
from review.console.people import Person
from review.console.routes import Form, Way, refused
from review.console.words import marked
from review.errors import ErasureRefused, Unfit

HELD = marked("An authority has asked for data of this customer: have the request answered or refuse it first.")

NOT_HERE = marked("Privacy officers work at another console: this one has no database for it.")


def erase_page(house: House, request: Request, person: Person, _: Form) -> Response:
    case = house.cases.get(request.path_params["case_id"])
    return house.page(request, "erase.html", person, case=case, count=len(erasing.cases_of(house.engine, case.subject)))


def erase(house: House, request: Request, person: Person, form: Form) -> Response:
    case = house.cases.get(request.path_params["case_id"])
    try:
        done(house, person.name, case, form.get("order", ""))
    except ErasureRefused:
        return refused(house, request, person, 409, NOT_HERE if house.private is None else HELD)
    return RedirectResponse(f"/cases/{case.decision_id}", 303)


def done(house: House, actor: str, case: Case, confirmed: str) -> int:
    """Of how many cases the data are erased. Raises Unfit where the order was not named, ErasureRefused."""
    if confirmed.strip() != case.order_id:
        raise Unfit(marked("Type the order's id to confirm: erased data do not come back."))
    if house.private is None:
        raise ErasureRefused("this console has no database for it")
    return erasing.erase(house.private, case.subject, actor, house.clock(), shares=house.law is not None)


WAYS = (
    Way("GET", "/cases/{case_id}/erase", erase_page, "case.erase"),
    Way("POST", "/cases/{case_id}/erase", erase, "case.erase"),
)
