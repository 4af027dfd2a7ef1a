"""Signing in by OpenID Connect: to the provider with a browser's own word in its cookie, and back with a code.

Whatever is not as it must be leads to one plain page; what exactly it was is in the log, and no value with it.
"""

import hmac
from collections.abc import Awaitable, Callable
from secrets import token_urlsafe
from urllib.parse import quote, unquote

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from review.access.identities import Identities
from review.access.openid import FRESH_S, Proved, Try
from review.access.provider import Provider
from review.console.house import House, preferred
from review.console.routes import refused
from review.console.signing_in import HOME, local
from review.console.words import marked
from review.errors import AccountRefused, NotProved, ProviderDown

log = structlog.get_logger()

LONGEST_CODE = 4096
AGAIN = marked("This sign-in could not be completed. Please start again.")
DOWN = marked("Your organisation's sign-in does not answer. Try again in a moment, or sign in with name and password.")
NO_PLACE = marked("You are known, but have no place here: ask an administrator about your roles and your name.")


def routes(house: House) -> list[Route]:
    provider = house.provider
    if provider is None:
        return []
    return [
        Route("/sign-in/openid", _threaded(lambda request: begin(house, provider, request))),
        Route("/sign-in/openid/back", _threaded(lambda request: back(house, provider, request))),
    ]


def _threaded(answer: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
    async def threaded(request: Request) -> Response:
        return await run_in_threadpool(answer, request)

    return threaded


def begin(house: House, provider: Provider, request: Request) -> Response:
    """Off to the provider; where to go afterwards stays in the browser's cookie, not in an address of theirs."""
    one = Try(token_urlsafe(32))
    try:
        response = RedirectResponse(provider.address(one), 303)
    except ProviderDown as error:
        return _down(house, request, error)
    then = quote(local(request.query_params.get("next", HOME)), safe="")
    response.set_cookie(
        _cookie(house), f"{one.word}.{then}", max_age=FRESH_S,
        path="/", secure=house.cookies.https, httponly=True, samesite="lax",
    )  # fmt: skip
    return response


def back(house: House, provider: Provider, request: Request) -> Response:
    """Back from the provider: a try counts once, whatever comes of it."""
    word, _, then = request.cookies.get(_cookie(house), "").partition(".")
    try:
        proved = _proved(house, provider, request, Try(word))
        token = Identities(house.engine, house.access).welcome(proved, house.clock(), preferred(request))
        response: Response = RedirectResponse(local(unquote(then)), 303)
        house.cookies.give(response, token)
    except ProviderDown as error:
        response = _down(house, request, error)
    except NotProved as error:
        log.warning("openid.refused", why=str(error))
        response = refused(house, request, None, 403, AGAIN)
    except AccountRefused:
        log.warning("openid.refused", why="account")
        response = refused(house, request, None, 403, NO_PLACE)
    response.delete_cookie(_cookie(house), path="/", secure=house.cookies.https, httponly=True, samesite="lax")
    return response


def _proved(house: House, provider: Provider, request: Request, one: Try) -> Proved:
    given = request.query_params.multi_items()
    values = dict(given)
    if not one.word or not hmac.compare_digest(values.get("state", "").encode(), one.state.encode()):
        raise NotProved("state")
    if len(values) != len(given):
        raise NotProved("a parameter twice")
    # An answer of another provider's, brought to us by a mix-up, is not taken to this one's token endpoint (RFC 9207).
    says_so = provider.document().authorization_response_iss_parameter_supported
    if values.get("iss", "" if says_so else provider.settings.issuer) != provider.settings.issuer:
        raise NotProved("iss of the answer")
    code = values.get("code", "")
    if "error" in values or not 1 <= len(code) <= LONGEST_CODE:
        raise NotProved("the provider gave no code")
    return provider.prove(code, one, house.clock() / 1000)


def _down(house: House, request: Request, error: ProviderDown) -> Response:
    log.warning("openid.provider_down", why=str(error))
    return refused(house, request, None, 503, DOWN)


def _cookie(house: House) -> str:
    return f"{house.cookies.name}-try"
