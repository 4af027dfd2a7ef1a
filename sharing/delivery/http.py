"""The partners' endpoints: a Starlette application. Each handler decodes, calls the counter, encodes.

GET  /.well-known/ssf-configuration          OpenID Shared Signals Framework 1.0
GET  /.well-known/oauth-authorization-server RFC 8414
GET  /jwks.json                              our published keys
POST /oauth/token                            client credentials with private_key_jwt
     /ssf/stream, /ssf/status, /ssf/verify   the partner's stream
POST /ssf/poll/{stream_id}                   RFC 8936
POST /ssf/subjects/add, /ssf/subjects/remove refused
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from sharing.delivery import oauth, poll, streams
from sharing.delivery.counter import Counter
from sharing.delivery.push import CHECKPOINT
from sharing.delivery.streams import Asked, AskedStatus, AskedVerification, Refused
from sharing.errors import SharingError

log = structlog.get_logger()

T = TypeVar("T")
MAX_BODY_BYTES = 64 * 1024
BODY_S = 10.0
NO_STORE = {"Cache-Control": "no-store"}
Handler = Callable[[Request], Awaitable[Response]]


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`wait_s`: how long a poll may wait for a message; `polls`: how many of one partner's may wait at once."""

    wait_s: float = 30.0
    look_s: float = 0.5
    polls: int = 2


class Endpoints:
    def __init__(
        self,
        counter: Counter,
        issuer: str,
        jwks: Callable[[], bytes],
        checkpoint: Callable[[], bytes] | None,
        settings: HttpSettings,
    ) -> None:
        self._counter = counter
        self._issuer = issuer
        self._jwks = jwks
        self._checkpoint = checkpoint
        self._settings = settings
        self._waiting: dict[str, int] = {}

    def app(self) -> Starlette:
        routes = [
            Route("/.well-known/ssf-configuration", _stated(self.metadata)),
            Route("/.well-known/oauth-authorization-server", _stated(self.server_metadata)),
            Route("/jwks.json", _stated(self.jwks)),
            Route("/oauth/token", _stated(self.token), methods=["POST"]),
            Route("/ssf/stream", _stated(self.create), methods=["POST"]),
            Route("/ssf/stream", _stated(self.read), methods=["GET"]),
            Route("/ssf/stream", _stated(self.update), methods=["PATCH"]),
            Route("/ssf/stream", _stated(self.replace), methods=["PUT"]),
            Route("/ssf/stream", _stated(self.delete), methods=["DELETE"]),
            Route("/ssf/status", _stated(self.status), methods=["GET"]),
            Route("/ssf/status", _stated(self.set_status), methods=["POST"]),
            Route("/ssf/verify", _stated(self.verify), methods=["POST"]),
            Route("/ssf/poll/{stream_id}", _stated(self.fetch), methods=["POST"]),
            Route("/ssf/subjects/{change:path}", _stated(self.subjects), methods=["POST"]),
        ]
        return Starlette(routes=routes)

    async def metadata(self, _: Request) -> Response:
        return _json(streams.metadata(self._issuer))

    async def server_metadata(self, _: Request) -> Response:
        return _json(streams.server_metadata(self._issuer))

    async def jwks(self, _: Request) -> Response:
        body = await asyncio.to_thread(self._jwks)
        return Response(body, media_type="application/jwk-set+json", headers={"Cache-Control": "max-age=3600"})

    async def token(self, request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
            raise oauth.Refused("invalid_request", "expected application/x-www-form-urlencoded")
        form = _form(await _body(request, MAX_BODY_BYTES))
        return _json(await asyncio.to_thread(self._counter.token, form), headers=NO_STORE)

    async def create(self, request: Request) -> Response:
        partner = await self._partner(request)
        asked = await _read(request, Asked)
        return _json(await asyncio.to_thread(self._counter.create, partner, asked), 201, NO_STORE)

    async def read(self, request: Request) -> Response:
        partner = await self._partner(request)
        found = await asyncio.to_thread(self._counter.read, partner, request.query_params.get("stream_id"))
        return _json(found, headers=NO_STORE)

    async def update(self, request: Request) -> Response:
        return await self._change(request, whole=False)

    async def replace(self, request: Request) -> Response:
        return await self._change(request, whole=True)

    async def _change(self, request: Request, whole: bool) -> Response:
        partner = await self._partner(request)
        asked = await _read(request, Asked)
        return _json(await asyncio.to_thread(self._counter.change, partner, asked, whole), headers=NO_STORE)

    async def delete(self, request: Request) -> Response:
        partner = await self._partner(request)
        await asyncio.to_thread(self._counter.delete, partner, _stream_id(request))
        return Response(status_code=204)

    async def status(self, request: Request) -> Response:
        partner = await self._partner(request)
        return _json(await asyncio.to_thread(self._counter.status, partner, _stream_id(request)), headers=NO_STORE)

    async def set_status(self, request: Request) -> Response:
        partner = await self._partner(request)
        asked = await _read(request, AskedStatus)
        return _json(await asyncio.to_thread(self._counter.set_status, partner, asked), headers=NO_STORE)

    async def verify(self, request: Request) -> Response:
        partner = await self._partner(request)
        await asyncio.to_thread(self._counter.verify, partner, await _read(request, AskedVerification))
        return Response(status_code=204)

    async def subjects(self, request: Request) -> Response:
        """Whatever the subject: an answer that depended on it would tell whether we know somebody."""
        await self._partner(request)
        raise Refused(403, "subjects follow from the contract: none can be added or removed")

    async def fetch(self, request: Request) -> Response:
        partner, stream_id = await self._partner(request), request.path_params["stream_id"]
        asked = poll.read(await _body(request, poll.MAX_BODY_BYTES))
        await asyncio.to_thread(self._counter.answered, partner, stream_id, asked)
        polled = await self._polled(request, partner, stream_id, asked)
        headers = dict(NO_STORE)
        if polled.sets and self._checkpoint is not None:
            note = await asyncio.to_thread(self._checkpoint)
            headers[CHECKPOINT] = base64.urlsafe_b64encode(note).decode()
        return _json(polled, headers=headers)

    async def _polled(self, request: Request, partner: str, stream_id: str, asked: poll.Poll) -> poll.Polled:
        """What is due; with nothing due, what becomes due while the partner waits."""
        at_most = poll.wanted(asked)
        polled = await asyncio.to_thread(self._counter.polled, partner, stream_id, at_most)
        if polled.sets or asked.return_immediately or at_most == 0:
            return polled
        if self._waiting.get(partner, 0) >= self._settings.polls:
            raise Refused(429, f"{self._settings.polls} polls of yours wait already")
        self._waiting[partner] = self._waiting.get(partner, 0) + 1
        try:
            until = asyncio.get_running_loop().time() + self._settings.wait_s
            while not polled.sets and asyncio.get_running_loop().time() < until:
                await asyncio.sleep(self._settings.look_s)
                if await request.is_disconnected():
                    break
                polled = await asyncio.to_thread(self._counter.polled, partner, stream_id, at_most)
            return polled
        finally:
            self._waiting[partner] -= 1

    async def _partner(self, request: Request) -> str:
        """Whose request it is. Raises _Unknown."""
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        partner = None
        if scheme.lower() == "bearer" and bearer:
            partner = await asyncio.to_thread(self._counter.partner_of, bearer)
        if partner is None:
            raise _Unknown(given=bool(bearer))
        return partner


class _Unknown(SharingError):
    """A request without a living access token."""

    def __init__(self, given: bool) -> None:
        super().__init__("expected a living access token")
        self.challenge = 'Bearer error="invalid_token"' if given else "Bearer"


def _stated(handler: Handler) -> Handler:
    """A refusal is answered with its status and why; its words are ours and quote nothing."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except _Unknown as error:
            return _error(401, "authentication_failed", str(error), {"WWW-Authenticate": error.challenge})
        except Refused as error:
            retry = {"Retry-After": str(streams.VERIFY_EVERY_S)} if error.status == 429 else {}
            return _error(
                error.status, "access_denied" if error.status == 403 else "invalid_request", str(error), retry
            )
        except oauth.Refused as error:
            told = {"error": error.code, "error_description": str(error)}
            return _json(told, error.status, NO_STORE)

    return answer


def _error(status: int, code: str, description: str, headers: dict[str, str]) -> Response:
    return _json({"err": code, "description": description}, status, NO_STORE | {"Content-Language": "en"} | headers)


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), status, headers, "application/json")


async def _read(request: Request, kind: type[T]) -> T:
    body = await _body(request, MAX_BODY_BYTES)
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        where = str(error).rpartition("`$")[2].rstrip("`").lstrip(".").partition("[")[0]
        raise Refused(400, f"ill-formed at {where or 'the root'}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(400, "the body is not JSON") from None


async def _body(request: Request, at_most: int) -> bytes:
    """The whole body. Raises Refused for one that is too long or too slow."""
    body = b""
    try:
        async with asyncio.timeout(BODY_S):
            async for some in request.stream():
                body += some
                if len(body) > at_most:
                    raise Refused(413, f"more than {at_most} bytes")
    except TimeoutError:
        raise Refused(408, f"the request took longer than {BODY_S:g} s") from None
    except ClientDisconnect:
        raise Refused(400, "the request ended early") from None
    return body


def _form(body: bytes) -> oauth.Form:
    """Raises oauth.Refused for a parameter that is there twice (RFC 6749, 3.2)."""
    try:
        pairs = parse_qsl(body.decode("ascii"), max_num_fields=20, strict_parsing=True)
    except ValueError:
        raise oauth.Refused("invalid_request", "the body is not a form") from None
    known = [pair for pair in pairs if pair[0] in oauth.Form.__struct_fields__]
    if len(dict(known)) != len(known):
        raise oauth.Refused("invalid_request", "a parameter is there twice")
    return oauth.Form(**dict(known))


def _stream_id(request: Request) -> str:
    stream_id = request.query_params.get("stream_id")
    if stream_id is None:
        raise Refused(400, "stream_id is missing")
    return stream_id
