"""The identity provider over HTTP: its discovery document, its keys, and the exchange of a code for a token.

No redirect is followed, no proxy asked, no cookie kept; an answer has a largest size and a longest time.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

import httpx2
import msgspec
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from review.access.openid import OpenID, Proved, Try, proved, safe, verified
from review.errors import BadOpenID, NotProved, ProviderDown

log = structlog.get_logger()

WELL_KNOWN = "/.well-known/openid-configuration"
CONNECT_S, READ_S, WHOLE_S = 3.0, 5.0, 10.0
LARGEST = 256 * 1024
KEPT_S = 3600.0  # a document and keys that were withdrawn count no longer than that
PAUSE_S = 10.0  # so long after a failure, or for a key that is not there, the provider is not asked again

T = TypeVar("T")


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What of the discovery document is used (OpenID Connect Discovery 1.0, 3; RFC 9207)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    code_challenge_methods_supported: tuple[str, ...] | None = None
    authorization_response_iss_parameter_supported: bool = False


class _Keys(msgspec.Struct, frozen=True):
    keys: tuple[dict[str, Any], ...]


class _Answer(msgspec.Struct, frozen=True):
    id_token: str


class _Known(NamedTuple):
    document: Document
    keys: tuple[Key, ...]
    at_s: float


class Provider:
    """Safe to use from several threads. `clock_s` is a monotonic clock; `secret` None for a public client."""

    def __init__(
        self, settings: OpenID, secret: str | None, client: httpx2.Client, clock_s: Callable[[], float]
    ) -> None:
        self.settings = settings
        self._secret = secret
        self._client = client
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._known: _Known | None = None
        self._failed_at_s: float | None = None

    def document(self) -> Document:
        """Raises ProviderDown."""
        return self._asked().document

    def address(self, one: Try) -> str:
        """Where a browser is sent to sign in. Raises ProviderDown."""
        return _with(
            self.document().authorization_endpoint,
            response_type="code",
            client_id=self.settings.client_id,
            redirect_uri=self.settings.redirect,
            scope=" ".join(self.settings.scopes),
            state=one.state,
            nonce=one.nonce,
            code_challenge=one.challenge,
            code_challenge_method="S256",
        )

    def way_out(self) -> str | None:
        """Where somebody signs out of the provider too (RP-Initiated Logout 1.0), None where it has no such place.

        A provider that does not answer is no reason not to sign out here.
        """
        try:
            address = self.document().end_session_endpoint
        except ProviderDown:
            return None
        back = f"{self.settings.console}/sign-in"
        return address and _with(address, client_id=self.settings.client_id, post_logout_redirect_uri=back)

    def prove(self, code: str, one: Try, now_s: float) -> Proved:
        """Exchange the code; whom its token proves somebody to be. Raises NotProved, ProviderDown."""
        token = self._exchanged(code, one)
        keys = self._asked().keys
        try:
            verified(token, keys, self.settings)
        except NotProved:
            keys = self._asked(anew=True).keys  # it may have a new key since
        return proved(token, keys, self.settings, one.nonce, now_s)

    def _exchanged(self, code: str, one: Try) -> str:
        document = self.document()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.settings.redirect,
            "code_verifier": one.verifier,
        }
        basic: tuple[str, str] | None = None
        if self._secret is None:
            form["client_id"] = self.settings.client_id
        elif "client_secret_basic" in document.token_endpoint_auth_methods_supported:
            basic = quote(self.settings.client_id, safe=""), quote(self._secret, safe="")  # RFC 6749 2.3.1
        else:
            form |= {"client_id": self.settings.client_id, "client_secret": self._secret}
        status, body = self._said("POST", document.token_endpoint, form, basic)
        if status >= 500:
            raise ProviderDown(f"token: {status}")
        if status != 200:
            raise NotProved("code")
        try:
            return msgspec.json.decode(body, type=_Answer).id_token
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ProviderDown("token: not as expected") from None

    def _asked(self, *, anew: bool = False) -> _Known:
        """Document and keys as they are known; one thread asks for all."""
        with self._lock:
            now_s, known = self._clock_s(), self._known
            if known is not None and now_s - known.at_s < (PAUSE_S if anew else KEPT_S):
                return known
            if self._failed_at_s is not None and now_s - self._failed_at_s < PAUSE_S:
                raise ProviderDown("it did not answer a moment ago")
            try:
                self._known = self._read(now_s)
            except ProviderDown:
                self._failed_at_s = now_s
                raise
            self._failed_at_s = None
            return self._known

    def _read(self, now_s: float) -> _Known:
        document = self._decoded(self.settings.issuer.removesuffix("/") + WELL_KNOWN, Document)
        used = (document.authorization_endpoint, document.token_endpoint, document.jwks_uri)
        methods = document.code_challenge_methods_supported
        if document.issuer != self.settings.issuer:
            raise ProviderDown("discovery: another issuer than the one that was asked for")
        if not all(safe(each.partition("?")[0], loopback=self.settings.loopback) for each in used):
            raise ProviderDown("discovery: an endpoint without https")
        if methods is not None and "S256" not in methods:
            raise ProviderDown("discovery: no PKCE by S256")
        if not safe(document.end_session_endpoint or "", loopback=self.settings.loopback):
            document = msgspec.structs.replace(document, end_session_endpoint=None)
        return _Known(document, _usable(self._decoded(document.jwks_uri, _Keys).keys), now_s)

    def _decoded(self, address: str, kind: type[T]) -> T:
        status, body = self._said("GET", address)
        if status != 200:
            raise ProviderDown(f"{kind.__name__}: {status}")
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ProviderDown(f"{kind.__name__}: not as expected") from None

    def _said(
        self, method: str, address: str, form: Mapping[str, str] | None = None, basic: tuple[str, str] | None = None
    ) -> tuple[int, bytes]:
        """The status and a body that is not too large. Raises ProviderDown."""
        until_s, body = self._clock_s() + WHOLE_S, b""
        accepted = {"accept": "application/json"}
        try:
            with self._client.stream(method, address, data=form, auth=basic, headers=accepted) as answer:
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > LARGEST or self._clock_s() > until_s:
                        raise ProviderDown("an answer too long, or too slow")
                return answer.status_code, body
        except httpx2.HTTPError as error:
            raise ProviderDown(type(error).__name__) from None


def client() -> httpx2.Client:
    limits = httpx2.Limits(max_connections=20)
    timeout = httpx2.Timeout(READ_S, connect=CONNECT_S)
    return httpx2.Client(timeout=timeout, limits=limits, trust_env=False, follow_redirects=False)


def secret_of(settings: OpenID, beside: Path) -> str | None:
    """The client's secret, from its file; a relative path is one beside the settings' file. Raises BadOpenID."""
    if settings.client_secret_file is None:
        return None
    path = beside.parent / settings.client_secret_file
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise BadOpenID(f"{path}: cannot be read; expected the client's secret") from None
    if not secret:
        raise BadOpenID(f"{path}: empty; expected the client's secret")
    return secret


def _usable(found: Sequence[Mapping[str, Any]]) -> tuple[Key, ...]:
    """Public keys that sign; a kind that we do not know is none of ours to refuse the others for."""
    keys: list[Key] = []
    for each in found:
        if each.get("use", "sig") != "sig" or each.get("kty") == "oct":
            continue
        try:
            keys.append(import_key(dict(each)))
        except (JoseError, ValueError, TypeError):
            log.info("openid.key_left_out", kty=str(each.get("kty"))[:16])
    return tuple(keys)


def _with(address: str, **values: str) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(values)}"
