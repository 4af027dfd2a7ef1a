"""Who asks: OAuth 2.0 client credentials with private_key_jwt (RFC 6749 4.4, RFC 7521, RFC 7523).

A partner signs an assertion with a key of its own set and gets an access token: random, short-lived, kept by us as its
SHA-256 alone. There is no shared secret to steal. It ends with the key set under which it was given: the token names
that set after its random part, and the hash that we keep is of both.
"""

import base64
import hashlib
from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta

from sharing.errors import KeysError, SharingError, TokenError
from sharing.tokens import PartnerKeys, jose

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TYP = "JWT"
MAX_ASSERTION_CHARACTERS = 4096
MAX_LIFE_S = 600
LEEWAY_S = 30
TOKEN_LIFE_S = 300

KeysOf = Callable[[str], PartnerKeys | None]


class Refused(SharingError):
    """`code` as RFC 6749 5.2 has it; the message goes to who asked."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def status(self) -> int:
        return 401 if self.code == "invalid_client" else 400


class Form(msgspec.Struct, frozen=True):
    """The parameters of a token request; a repeated one is none."""

    grant_type: str | None = None
    client_assertion_type: str | None = None
    client_assertion: str | None = None
    client_id: str | None = None
    client_secret: str | None = None


class Assertion(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of RFC 7523 3. `jti` makes it usable once."""

    iss: Annotated[str, Meta(max_length=64)]
    sub: Annotated[str, Meta(max_length=64)]
    aud: str | Annotated[tuple[str, ...], Meta(max_length=8)]
    exp: int
    jti: Annotated[str, Meta(min_length=8, max_length=256)]
    iat: int | None = None
    nbf: int | None = None


_decode = msgspec.json.Decoder(Assertion, strict=True).decode


def asserted(form: Form, keys_of: KeysOf, audiences: frozenset[str], now_s: int) -> tuple[Assertion, PartnerKeys]:
    """The assertion of a token request, verified but for its replay, and the keys it was held to. Raises Refused.

    What is said to who cannot prove who it is, is the same for a partner that there is and one that there is not.
    """
    if form.grant_type != "client_credentials":
        raise Refused("unsupported_grant_type", "expected grant_type client_credentials")
    if form.client_secret is not None or form.client_assertion_type != ASSERTION_TYPE or not form.client_assertion:
        raise Refused("invalid_client", "expected a client assertion of type jwt-bearer (private_key_jwt)")
    if len(form.client_assertion) > MAX_ASSERTION_CHARACTERS:
        raise Refused("invalid_request", f"an assertion of more than {MAX_ASSERTION_CHARACTERS} characters")
    claims, keys = _verified(form.client_assertion.encode(), keys_of)
    if form.client_id not in {None, claims.iss} or claims.sub != claims.iss:
        raise Refused("invalid_client", "iss, sub and client_id are not the same partner")
    _in_time(claims, now_s)
    said = {claims.aud} if isinstance(claims.aud, str) else set(claims.aud)
    if len(said) != 1 or not said <= audiences:
        raise Refused("invalid_client", "aud is not this server alone")
    return claims, keys


def _verified(signed: bytes, keys_of: KeysOf) -> tuple[Assertion, PartnerKeys]:
    """The key is looked for in the set of the partner that the assertion names; its signature then proves it."""
    failed = Refused("invalid_client", "the assertion is not signed by a key of the partner that it names")
    try:
        keys = keys_of(_decode(_payload(signed)).iss)
        _, body = jose.verify(signed, TYP, keys.signers.get if keys is not None else lambda _: None)
        if keys is None:
            raise failed
        return _decode(body), keys
    except (TokenError, KeysError):
        raise failed from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        raise Refused("invalid_client", "the assertion's claims are not as RFC 7523 has them, with a jti") from None


def _payload(signed: bytes) -> bytes:
    """What an assertion says, not believed yet. Raises ValueError."""
    parts = signed.split(b".")
    if len(parts) != 3:
        raise ValueError("a compact JWS has three parts")
    return base64.urlsafe_b64decode(parts[1] + b"=" * (-len(parts[1]) % 4))


def _in_time(claims: Assertion, now_s: int) -> None:
    if claims.exp + LEEWAY_S <= now_s:
        raise Refused("invalid_client", "the assertion has expired")
    if claims.exp > now_s + MAX_LIFE_S + LEEWAY_S:
        raise Refused("invalid_client", f"the assertion lives longer than {MAX_LIFE_S} s")
    if max(claims.iat or 0, claims.nbf or 0) > now_s + LEEWAY_S:
        raise Refused("invalid_client", "the assertion is from the future")


def token(random: Callable[[int], bytes], keys: PartnerKeys) -> str:
    """A new access token: 256 random bits, and which key set it was given under."""
    return f"{random_word(random)}.{_set_of(keys)}"


def given_under(bearer: str, keys: PartnerKeys | None) -> bool:
    """Whether a token that we gave was given under this very set."""
    return keys is not None and bearer.partition(".")[2] == _set_of(keys)


def random_word(random: Callable[[int], bytes]) -> str:
    """256 random bits, 43 characters."""
    return _word(random(32))


def _set_of(keys: PartnerKeys) -> str:
    return _word(hashlib.sha256(" ".join(keys.thumbprints()).encode()).digest()[:16])


def _word(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def token_hash(bearer: str) -> bytes:
    return hashlib.sha256(bearer.encode()).digest()
