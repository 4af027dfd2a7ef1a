"""Assembles the console: all routes, what stands around them, and the files that browsers may keep."""

from functools import partial
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from review.console import beside, bulk, erasing, foreign, keeping, law, overseeing, signing_in, sorting, working
from review.console.api import BASE, api, problem
from review.console.api_types import Problem
from review.console.endpoints import ENDPOINTS
from review.console.house import House
from review.console.openapi import document
from review.console.routes import Way, refused, routed
from review.console.security import Limited, Secured
from review.console.words import marked

STATIC = Path(__file__).with_name("static")
WAYS: tuple[Way, ...] = (
    *(*signing_in.WAYS, *keeping.WAYS, *bulk.WAYS, *sorting.WAYS, *erasing.WAYS),
    *(*working.WAYS, *beside.WAYS, *overseeing.WAYS, *law.WAYS),
)
SAID = {
    400: marked("This request is not of the form that is expected here."),
    404: marked("There is no such page."),
    405: marked("This page does not take that."),
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
        middleware=[Middleware(Secured, https=house.cookies.https), Middleware(Limited)],
        exception_handlers={HTTPException: not_so, 500: not_so},
    )
