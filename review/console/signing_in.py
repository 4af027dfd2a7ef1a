"""Signing in and out, and the choice of a language: what every person may do."""

from secrets import token_urlsafe

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from review.console.house import House
from review.console.people import Person, ours
from review.console.routes import Form, Way, read_form, refused
from review.console.words import LANGUAGES, marked

HOME = "/queue"


def sign_in_page(house: House, request: Request, status: int = 200, wrong: bool = False) -> Response:
    """Its form is marked by a cookie of its own, so that nobody is signed in as somebody else from another site."""
    token = house.cookies.token(request) or token_urlsafe(32)
    request.cookies[house.cookies.name] = token
    then = local(request.query_params.get("next", HOME))
    out = house.provider is not None and "out" in request.query_params
    response = house.page(
        request,
        "sign_in.html",
        None,
        status,
        wrong=wrong,
        then=then,
        elsewhere=house.provider is not None,
        out=out,
        way_out=house.provider.way_out() if house.provider and out else None,
    )
    house.cookies.give(response, token)
    return response


async def sign_in(house: House, request: Request) -> Response:
    form = await read_form(request)
    return await run_in_threadpool(_sign_in, house, request, form)


def _sign_in(house: House, request: Request, form: Form) -> Response:
    mark = house.cookies.token(request)
    if mark is None or not ours(request, mark, form):
        return refused(house, request, None, 403, marked("This form was not sent from a page of this console."))
    token = house.access.sign_in(form.get("username", "")[:64], form.get("password", ""), house.clock())
    if token is None:
        return sign_in_page(house, request, 403, wrong=True)
    response = RedirectResponse(local(form.get("next", HOME)), 303)
    house.cookies.give(response, token)
    return response


def sign_out(house: House, _request: Request, person: Person, _form: Form) -> Response:
    house.access.sign_out(person.token, house.clock())
    response = RedirectResponse("/sign-in?out=1" if house.provider else "/sign-in", 303)
    house.cookies.take_back(response)
    return response


def choose_language(house: House, request: Request, person: Person, form: Form) -> Response:
    language = form.get("language", "")
    if language not in LANGUAGES:
        return refused(house, request, person, 400, marked("There is no such language here."))
    house.access.change(person.name, person.name, house.clock(), language=language)
    return RedirectResponse(local(form.get("next", HOME)), 303)


def local(path: str) -> str:
    """A path of ours, else the queue: nobody is led to another host."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() else HOME


WAYS = (
    Way("POST", "/sign-out", sign_out, None),
    Way("POST", "/language", choose_language, None),
)
