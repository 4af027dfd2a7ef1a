"""Assembles the console: all routes, what stands around them, and the files that browsers may keep."""

import gc
from functools import partial
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from review.console import (
    beside,
    bulk,
    erasing,
    exporting,
    foreign,
    keeping,
    law,
    overseeing,
    signing_in,
    sorting,
    working,
)
from review.console.api import BASE, api, problem
from review.console.api_types import Problem
from review.console.endpoints import ENDPOINTS
from review.console.house import House
from review.console.openapi import document
from review.console.people import Person
from review.console.routes import Way, refused, routed
from review.console.security import Limited, Secured
from review.console.words import marked

STATIC = Path(__file__).with_name("static")
WAYS: tuple[Way, ...] = (
    *(*signing_in.WAYS, *keeping.WAYS, *bulk.WAYS, *sorting.WAYS, *erasing.WAYS),
    *(*working.WAYS, *beside.WAYS, *overseeing.WAYS, *law.WAYS, *exporting.WAYS),
)
SAID = {
    400: marked("This request is not of the form that is expected here."),
    404: marked("There is no such page."),
    405: marked("This page does not take that."),
    413: marked("This is more than is taken here at once: at most 64 KiB."),
    500: marked("Something went wrong here; nothing was changed."),
}

DESCRIPTION = msgspec.json.encode(document(ENDPOINTS))


def console(house: House) -> Starlette:
    async def home(_: Request) -> Response:
        return RedirectResponse(signing_in.HOME, 303)

    async def sign_in_page(request: Request) -> Response:
        return signing_in.sign_in_page(house, request)

    async def described(_: Request) -> Response:
        return Response(DESCRIPTION, media_type="application/json")

    async def not_so(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        if request.url.path.startswith(BASE):
            response = problem(Problem(title=SAID.get(status, SAID[500]), status=status))
        else:
            response = refused(house, request, None, status, SAID.get(status, SAID[500]))
        if status == 500:  # the server drops the connection after an error, so nobody shall send more on it
            response.headers["connection"] = "close"
        return response

    async def too_large(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        api_s = request.url.path.startswith(BASE)
        response = await (
            not_so(request, HTTPException(413)) if api_s else run_in_threadpool(_too_large, house, request)
        )
        await response(scope, receive, send)

    return Starlette(
        routes=[
            Route("/", home),
            Route("/sign-in", sign_in_page, methods=["GET"]),
            Route("/sign-in", partial(signing_in.sign_in, house), methods=["POST"]),
            *foreign.routes(house),
            Mount("/static", StaticFiles(directory=STATIC)),
            *api(house, ENDPOINTS),
            Route(f"{BASE}/openapi.json", described),
            *routed(house, WAYS),
        ],
        middleware=[Middleware(Secured, https=house.cookies.https), Middleware(Limited, refusal=too_large)],
        exception_handlers={HTTPException: not_so, 500: not_so},
    )


def warmed(house: House) -> Starlette:
    """The console as a process serves it: its templates compiled, and what is loaded no part of garbage collection.

    Looking through all that was loaded would stop every page for a tenth of a second, again and again.
    """
    for name in house.templates.list_templates():
        house.templates.get_template(name)
    served = console(house)
    gc.collect()
    gc.freeze()
    return served


def _too_large(house: House, request: Request) -> Response:
    """In the language of whoever is signed in: the form may have been a long one of theirs."""
    token = house.cookies.token(request)
    resumed = house.access.resume(token, house.clock()) if token else None
    person = Person(*resumed) if resumed else None
    response = refused(house, request, person, 413, SAID[413])
    if person and person.token != token:
        house.cookies.give(response, person.token)
    return response
