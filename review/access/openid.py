"""OpenID Connect, as plain functions: what is configured, what one try to sign in is bound to, and what a token proves.

Authorization code flow with PKCE (OpenID Connect Core 1.0, RFC 7636 S256, RFC 9700). All that binds a try to a browser
comes from one random word in its cookie: whoever has another cookie has another state, nonce and verifier.
"""

import hashlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec
import yaml
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key
from msgspec import Meta

from review.access.accounts import Username
from review.access.roles import Role
from review.errors import BadOpenID, NotProved

# Of a key pair alone: with a shared secret, whoever may check a token may also make one.
Algorithm = Literal["RS256", "PS256", "ES256", "ES384", "Ed25519"]
PersonsRole = Literal["analyst", "lead", "risk_engineer", "privacy_officer", "auditor", "administrator"]
Place = Annotated[tuple[str, ...], Meta(min_length=1, max_length=5)]  # names of claims, one in the other
Seconds = Annotated[float, Meta(ge=0, le=2**53)]

LEEWAY_S = 60  # the provider's clock and ours may differ by so much
FRESH_S = 600  # how old a token may be, and how long a try to sign in may take
LARGEST_FILE, LARGEST_TOKEN = 64 * 1024, 16 * 1024


class OpenID(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file that `amana console --oidc` reads. `console` is the console's own address, as browsers see it.

    `roles`: what each value of the roles' claim makes somebody here; whoever has none of them is not let in.
    `loopback`: http is taken from this machine's own addresses; for tries, never for service.
    """

    issuer: Annotated[str, Meta(max_length=255)]
    client_id: Annotated[str, Meta(min_length=1, max_length=255)]
    console: str
    roles: Mapping[str, tuple[PersonsRole, ...]]
    client_secret_file: str | None = None
    scopes: tuple[str, ...] = ("openid", "profile")
    username_claim: Place = ("preferred_username",)
    roles_claim: Place = ("roles",)
    algorithms: Annotated[tuple[Algorithm, ...], Meta(min_length=1)] = ("RS256", "PS256", "ES256", "ES384", "Ed25519")
    loopback: bool = False

    @property
    def redirect(self) -> str:
        return f"{self.console}/sign-in/openid/back"


class Try(NamedTuple):
    """One try to sign in. `word` is the cookie's."""

    word: str

    @property
    def state(self) -> str:
        return _derived(b"state", self.word)

    @property
    def nonce(self) -> str:
        return _derived(b"nonce", self.word)

    @property
    def verifier(self) -> str:
        return _derived(b"verifier", self.word)

    @property
    def challenge(self) -> str:
        return _encoded(hashlib.sha256(self.verifier.encode()).digest())


class Proved(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a token proves somebody to be. `subject` is the issuer's name for them, which never changes hands.

    `nonce` and `until_ms`: what the token may be used once by, and until when it might be used again.
    """

    issuer: str
    subject: str
    username: Username
    roles: tuple[Role, ...]
    nonce: str
    until_ms: int


class _Claims(msgspec.Struct, frozen=True):
    """OpenID Connect Core 2 and 3.1.3.7."""

    iss: str
    sub: Annotated[str, Meta(min_length=1, max_length=255)]
    aud: str | tuple[str, ...]
    exp: Seconds
    iat: Seconds
    nonce: str
    azp: str | None = None
    nbf: Seconds = 0


def load(path: Path) -> OpenID:
    """Read the file. Raises BadOpenID."""
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_FILE + 1)
        if len(text) > LARGEST_FILE:
            raise BadOpenID(f"{path}: longer than {LARGEST_FILE} bytes")
        settings = msgspec.convert(yaml.safe_load(text), OpenID)
    except OSError as error:
        raise BadOpenID(f"{path}: {error.strerror}; expected a YAML file") from None
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError):
        raise BadOpenID(f"{path}: not YAML") from None
    except msgspec.ValidationError as error:
        raise BadOpenID(f"{path}: {error}") from None
    return checked(settings, str(path))


def checked(settings: OpenID, name: str) -> OpenID:
    """The settings, if they can be worked with. Raises BadOpenID."""
    if not safe(settings.issuer, loopback=settings.loopback):
        raise BadOpenID(f"{name}: issuer: expected an https address without a query; http of loopback with `loopback`")
    if not safe(settings.console, loopback=settings.loopback) or urlsplit(settings.console).path:
        raise BadOpenID(f"{name}: console: expected https, a name and a port if any, without a path")
    if "openid" not in settings.scopes:
        raise BadOpenID(f"{name}: scopes: expected `openid` among them")
    if not settings.roles or not all(settings.roles.values()):
        raise BadOpenID(f"{name}: roles: expected what each value of the claim makes somebody here")
    return settings


def safe(address: str, *, loopback: bool) -> bool:
    """Whether an address may be talked to: by https, or where `loopback` by http to this machine itself."""
    if not address.isascii() or not address.isprintable() or " " in address:
        return False
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or "?" in address or "#" in address:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and loopback and _own(host))


def _own(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def proved(token: str, keys: Sequence[Key], settings: OpenID, nonce: str, now_s: float) -> Proved:
    """Whom the token proves its bearer to be. Raises NotProved, which names what of it is not as it must be."""
    claims = verified(token, keys, settings)
    try:
        said = msgspec.convert(claims, _Claims)
    except msgspec.ValidationError:
        raise NotProved("claims") from None
    _check(said, settings, nonce, now_s)
    roles = {role for value in _strings(_at(claims, settings.roles_claim)) for role in settings.roles.get(value, ())}
    return Proved(
        issuer=said.iss,
        subject=said.sub,
        username=_username(_at(claims, settings.username_claim)),
        roles=tuple(sorted(roles)),
        nonce=nonce,
        until_ms=int((said.exp + LEEWAY_S) * 1000) + 1,
    )


def verified(token: str, keys: Sequence[Key], settings: OpenID) -> dict[str, Any]:
    """The token's claims, if one of the issuer's keys signed them in a listed way. Raises NotProved."""
    if len(token) > LARGEST_TOKEN:
        raise NotProved("length")
    try:
        found = jwt.decode(token, lambda about: _key(about.headers(), keys), algorithms=list(settings.algorithms))
    except (JoseError, ValueError):
        raise NotProved("signature") from None
    return found.claims


def _key(header: Mapping[str, Any], keys: Sequence[Key]) -> Key:
    """The key that the header names; one alone need not be named."""
    named = keys if header.get("kid") is None else [key for key in keys if key.kid == header["kid"]]
    if len(named) != 1:
        raise ValueError("no such key")
    return named[0]


def _check(said: _Claims, settings: OpenID, nonce: str, now_s: float) -> None:
    """Each is said as what must hold: what is no number at all (NaN) holds nowhere."""
    audience = (said.aud,) if isinstance(said.aud, str) else said.aud
    must = {
        "iss": said.iss == settings.issuer,
        "aud": settings.client_id in audience,
        # A token for several is for us if it was made for us (Core 3.1.3.7, 4 and 5).
        "azp": said.azp == settings.client_id or (said.azp is None and len(audience) == 1),
        "exp": now_s < said.exp + LEEWAY_S,
        "iat": now_s - FRESH_S - LEEWAY_S <= said.iat <= now_s + LEEWAY_S,
        "nbf": said.nbf <= now_s + LEEWAY_S,
        "nonce": said.nonce == nonce,
    }
    if failed := [name for name, holds in must.items() if not holds]:
        raise NotProved(", ".join(failed))


def _at(claims: Mapping[str, Any], place: Sequence[str]) -> Any:
    found: Any = claims
    for name in place:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _strings(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str)]


def _username(value: object) -> Username:
    """The name before an e-mail address's @: the audit trail needs no address."""
    name = value.partition("@")[0].lower() if isinstance(value, str) else ""
    if not re.fullmatch(r"[a-z][a-z0-9._-]{0,63}", name):
        raise NotProved("username")
    return name


def _derived(what: bytes, word: str) -> str:
    return _encoded(hashlib.sha256(b"openid\0" + what + b"\0" + word.encode()).digest())


def _encoded(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()
