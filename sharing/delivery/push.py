"""Push: a sealed message posted to the partner's own URL (RFC 8935).

The URL is the signed contract's. Its name is resolved once for each connection, every address is checked, and the
checked address is the one that is connected to, while certificate and SNI are the name's: an answer of DNS that changes
between check and use changes nothing. No redirect is followed, no proxy asked, no cookie kept.
"""

import asyncio
import base64
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import httpx2
import msgspec
import structlog

from sharing.delivery.addresses import Resolve, Unreachable, as_host, checked, is_loopback
from sharing.delivery.desk import Answered, Failed, Outcome
from sharing.delivery.outbox import Parcel
from sharing.errors import DeliveryError

log = structlog.get_logger()

TYPE = "application/secevent+jwt"
CHECKPOINT = "Amana-Checkpoint"
# What a recipient may say of a message itself (RFC 8935, 2.4). Its other codes are about us, and may pass.
REFUSALS = frozenset({"invalid_request", "invalid_key", "invalid_issuer", "invalid_audience"})
MAX_ANSWER_BYTES = 16 * 1024


class PushSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`total_s` covers one message, from the name to the answer's end; all of a batch end within its lease."""

    connect_s: float = 5.0
    total_s: float = 10.0
    at_once: int = 8
    loopback: bool = False

    def at_most(self, lease_s: float) -> int:
        """So many messages at a time that all have an outcome before their lease is over, a fifth of it spared."""
        return self.at_once * max(1, int(lease_s * 0.8 // self.total_s))


class _Error(msgspec.Struct, frozen=True):
    err: str


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What is hashed into the ledger of an answer over HTTP: nothing of its text but the code."""

    jti: str
    status: int
    err: str | None = None


_decode_error = msgspec.json.Decoder(_Error).decode
_encode_answer = msgspec.json.Encoder(order="sorted").encode


async def resolve(host: str, port: int) -> Sequence[str]:
    """The system's own answer."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise Unreachable("the name was not resolved") from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Pinned(httpx2.AsyncBaseTransport):
    """Connects to the address that was checked, in the name of the host."""

    def __init__(self, context: ssl.SSLContext, resolve: Resolve, loopback: bool) -> None:
        # No connection is kept: two names may share an address, and each must show its own certificate.
        limits = httpx2.Limits(max_keepalive_connections=0)
        self._inner = httpx2.AsyncHTTPTransport(verify=context, trust_env=False, http2=False, retries=0, limits=limits)
        self._resolve = resolve
        self._loopback = loopback

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        usual = url.scheme == "https" and url.port in {None, 443} and not url.userinfo
        if not usual and not self._loopback:
            raise BadUrl("a push goes to https on port 443 alone")
        address = await checked(self._resolve, url.host, url.port or 443, self._loopback)
        if not usual and not is_loopback(address):
            raise BadUrl("a push goes to https on port 443 alone, unless it stays on this machine")
        request.url = url.copy_with(host=as_host(address))  # the Host header is the name's already
        request.extensions = {**request.extensions, "sni_hostname": url.host}
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


class BadUrl(DeliveryError):
    """A URL that a push may not go to."""


class Push:
    """A way to partners (sharing/delivery/deliverer.py). `urls` are their contracts'."""

    def __init__(
        self,
        urls: dict[str, str],
        context: ssl.SSLContext,
        settings: PushSettings,
        checkpoint: Callable[[], bytes] | None = None,
        resolve: Resolve = resolve,
    ) -> None:
        self._urls = urls
        self._context = context
        self._settings = settings
        self._checkpoint = checkpoint
        self._resolve = resolve

    async def send(self, partner: str, parcels: Sequence[Parcel]) -> Sequence[Outcome]:
        headers = {"Content-Type": TYPE, "Accept": "application/json"}
        if self._checkpoint is not None:
            note = await asyncio.to_thread(self._checkpoint)
            headers[CHECKPOINT] = base64.urlsafe_b64encode(note).decode()
        at_once = asyncio.Semaphore(self._settings.at_once)
        async with self._client() as client:

            async def one(parcel: Parcel) -> Outcome:
                async with at_once:
                    return await self._one(client, partner, parcel, headers)

            return await asyncio.gather(*(one(parcel) for parcel in parcels))

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[httpx2.AsyncClient]:
        timeout = httpx2.Timeout(self._settings.total_s, connect=self._settings.connect_s)
        transport = Pinned(self._context, self._resolve, self._settings.loopback)
        async with httpx2.AsyncClient(
            transport=transport, timeout=timeout, follow_redirects=False, trust_env=False
        ) as client:
            yield client

    async def _one(self, client: httpx2.AsyncClient, partner: str, parcel: Parcel, headers: dict[str, str]) -> Outcome:
        try:
            async with asyncio.timeout(self._settings.total_s):
                request = client.build_request("POST", self._urls[partner], content=parcel.sealed, headers=headers)
                response = await client.send(request, stream=True)
                try:
                    outcome = await _understood(response, parcel.jti)
                finally:
                    await response.aclose()
            if isinstance(outcome, Failed):
                return self._failed(partner, outcome.reason, status=response.status_code)
            return outcome
        except (TimeoutError, httpx2.TimeoutException):
            return self._failed(partner, "timeout")
        except Unreachable:
            return self._failed(partner, "address")
        except BadUrl:
            return self._failed(partner, "url")
        except httpx2.HTTPError as error:
            return self._failed(partner, "tls" if _is_tls(error) else "connection")

    def _failed(self, partner: str, reason: str, **status: int) -> Failed:
        """Of an answer its status alone is logged: what else is in it is the partner's to choose."""
        log.warning("push.failed", partner=partner, reason=reason, **status)
        return Failed(reason)


def _is_tls(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None


async def _understood(response: httpx2.Response, jti: str) -> Outcome:
    """202 acknowledges; a 400 with one of the codes about the message refuses it; all else is tried again."""
    status = response.status_code
    if status == 202:
        return Answered(None, _encode_answer(_Answer(jti=jti, status=status)))
    if status != 400:
        return Failed("redirect" if 300 <= status < 400 else f"status_{status // 100}xx")
    body = await _capped(response)
    if body is None:
        return Failed("oversize")
    try:
        code = _decode_error(body).err
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Failed("status_4xx")
    if code not in REFUSALS:
        return Failed(code if code in {"authentication_failed", "access_denied"} else "status_4xx")
    return Answered(code, _encode_answer(_Answer(jti=jti, status=status, err=code)))


async def _capped(response: httpx2.Response) -> bytes | None:
    """The body as it was sent, undecoded; None where it is longer than any answer should be."""
    body = b""
    async for some in response.aiter_raw():
        body += some
        if len(body) > MAX_ANSWER_BYTES:
            return None
    return body
