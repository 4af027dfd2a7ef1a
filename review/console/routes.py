"""How a route is written: a method, a path, who may, and a plain function from the request to a response.

The guard around all of them: no session leads to the sign-in page, a form without our mark and a role without the
permission are refused, and whatever the room refuses on purpose becomes a page that says what and why.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal, NamedTuple
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from review.access.roles import Permission
from review.console.house import House
from review.console.people import Person, ours
from review.console.returning import page_of
from review.console.saying import said
from review.console.words import Words, marked
from review.errors import (
    ErasureRefused,
    LawRefused,
    ReviewError,
    StaleCase,
    TooMany,
    TransitionRefused,
    UnknownCase,
    UnknownRequest,
)

Form = Mapping[str, str]
Handle = Callable[[House, Request, Person, Form], Response]
STATUS: Mapping[type[ReviewError], int] = {
    UnknownCase: 404,
    UnknownRequest: 404,
    StaleCase: 409,
    TransitionRefused: 409,
    LawRefused: 409,
    ErasureRefused: 409,
    TooMany: 429,
}


class Way(NamedTuple):
    """`needs`: the permission, or None where every signed-in person may."""

    method: Literal["GET", "POST"]
    path: str
    handle: Handle
    needs: Permission | None


def routed(house: House, ways: Sequence[Way]) -> list[Route]:
    return [Route(way.path, _guarded(house, way), methods=[way.method]) for way in ways]


def _guarded(house: House, way: Way) -> Callable[[Request], Awaitable[Response]]:
    async def guarded(request: Request) -> Response:
        form = await read_form(request) if way.method == "POST" else {}
        return await run_in_threadpool(_answer, house, way, request, form)

    return guarded


async def read_form(request: Request) -> Form:
    """A form's fields; files are no part of any form here."""
    async with request.form(max_files=0, max_fields=200) as form:
        return {name: value for name, value in form.items() if not isinstance(value, UploadFile)}


def whole(form: Form, field: str, otherwise: int = 0, *, digits: int = 9) -> int:
    """A whole number of a form or an address, of so many digits at most, or another where there is none."""
    text = form.get(field, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= digits else otherwise


def _answer(house: House, way: Way, request: Request, form: Form) -> Response:
    token = house.cookies.token(request)
    resumed = house.access.resume(token, house.clock()) if token else None
    if token is None or resumed is None:
        return RedirectResponse(f"/sign-in?next={quote(page_of(request), safe='')}", 303)
    person = Person(*resumed)
    if way.method == "POST" and not ours(request, token, form):
        return refused(house, request, person, 403, marked("This form was not sent from a page of this console."))
    if way.needs is not None and not person.may(way.needs):
        return refused(house, request, person, 403, marked("Your roles do not allow this."))
    response = _handled(house, way, request, person, form)
    if person.token != token:
        house.cookies.give(response, person.token)
    return response


def _handled(house: House, way: Way, request: Request, person: Person, form: Form) -> Response:
    try:
        return way.handle(house, request, person, form)
    except ReviewError as error:
        why = said(error, Words(person.account.language))
        return refused(house, request, person, STATUS.get(type(error), 400), why)


def refused(house: House, request: Request, person: Person | None, status: int, why: str) -> Response:
    return house.page(request, "refused.html", person, status, why=why)
