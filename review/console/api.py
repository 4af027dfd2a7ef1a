"""The REST API under /api/v1: the same acts as the pages', JSON in and out, for programs with a scoped token.

An endpoint is a row of a table: from it come the route, its guard, its OpenAPI entry and its part of the role test.
What is refused is a problem document (RFC 9457).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, NamedTuple

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from review.access.accounts import Account
from review.access.roles import Permission
from review.console.api_types import Problem
from review.console.exporting import File, attached
from review.console.house import House
from review.console.routes import STATUS
from review.errors import ReviewError
from vault.errors import Erased

BASE = "/api/v1"


class Asked(NamedTuple):
    """A request that was let in: `path` has the path's values, `query` and `body` are of the endpoint's own types.

    `may`: all that the token is let do.
    """

    house: House
    actor: str
    path: Mapping[str, str]
    query: Any
    body: Any
    may: frozenset[Permission] = frozenset()


class Endpoint(NamedTuple):
    """`answer` is the type of what comes back (a File as itself, all else as JSON); `name` is unique, and says what
    it does.
    """

    method: Literal["GET", "POST"]
    path: str
    name: str
    handle: Callable[[Asked], Any]
    needs: Permission
    answer: Any
    query: Any = None
    body: Any = None


class Refused(Exception):
    """A request that is not let in: the status, what is wrong in general, and in this case."""

    def __init__(self, status: int, title: str, detail: str = "") -> None:
        super().__init__(title)
        self.problem = Problem(title=title, status=status, detail=detail)


def api(house: House, endpoints: tuple[Endpoint, ...]) -> list[BaseRoute]:
    return [Route(BASE + each.path, _answering(house, each), methods=[each.method]) for each in endpoints]


def _answering(house: House, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    async def answering(request: Request) -> Response:
        body = await request.body()
        try:
            found = await run_in_threadpool(_handled, house, endpoint, request, body)
        except Refused as refusal:
            return problem(refusal.problem)
        if isinstance(found, File):
            return attached(request, found)
        return Response(msgspec.json.encode(found), media_type="application/json")

    return answering


def _handled(house: House, endpoint: Endpoint, request: Request, body: bytes) -> Any:
    account, may = _let_in(house, endpoint, request)
    query, given = _query(endpoint, request), _body(endpoint, body)
    asked = Asked(house, account.username, request.path_params, query, given, may)
    try:
        return endpoint.handle(asked)
    except ReviewError as error:
        raise Refused(STATUS.get(type(error), 400), type(error).__doc__ or "", str(error)) from None
    except Erased:
        raise Refused(404, "The subject was erased.") from None


def _let_in(house: House, endpoint: Endpoint, request: Request) -> tuple[Account, frozenset[Permission]]:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    found = house.tokens.holder(token, house.clock()) if scheme.lower() == "bearer" and token else None
    if found is None:
        raise Refused(401, "A token is needed.", "expected `Authorization: Bearer`, from `amana accounts token`")
    account, may = found
    if endpoint.needs not in may:
        raise Refused(403, "The token's scopes or the account's roles do not allow this.", f"needs {endpoint.needs}")
    return account, may


def _query(endpoint: Endpoint, request: Request) -> Any:
    names = {name for name, _ in request.query_params.multi_items()}
    if endpoint.query is None:
        if names:
            raise Refused(400, "There are no such parameters.", "expected none")
        return None
    try:
        return msgspec.convert(dict(request.query_params), endpoint.query, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(400, "Parameters are not as expected.", _where(error)) from None


def _body(endpoint: Endpoint, body: bytes) -> Any:
    if endpoint.body is None:
        return None
    try:
        return msgspec.json.decode(body, type=endpoint.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(400, "The body is not as expected.", _where(error)) from None


def _where(error: Exception) -> str:
    """The place of what is wrong, without what was there: it may be a person's."""
    _, found, path = str(error).rpartition(" - at `")
    return f"see {path.rstrip('`')}" if found else "expected JSON of the documented form"


def problem(said: Problem) -> Response:
    headers = {"www-authenticate": "Bearer"} if said.status == 401 else {}
    body = msgspec.json.encode(said)
    return Response(body, said.status, headers, media_type="application/problem+json")
