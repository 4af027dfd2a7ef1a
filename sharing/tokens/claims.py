"""The claims of a token (RFC 8417, RFC 9493): what stands in it, and nothing else can.

`sub` and `exp` are not there: the subject is opaque and stands in `sub_id`, and what happened does not expire.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from sharing.errors import TokenError

TYP = "secevent+jwt"
CTY = "JWT"

MessageId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{22}$(?!\n)", description="128 bits, base64url")]
Words = Annotated[str, Meta(min_length=1, max_length=256)]


class Opaque(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A subject that only the sender can resolve (RFC 9493 section 3.2.5)."""

    format: Literal["opaque"] = "opaque"
    id: Words


class Claims(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`iat` in seconds; `events` has one member, whose name is the contract's URI."""

    iss: Words
    iat: Annotated[int, Meta(ge=0)]
    jti: MessageId
    aud: Words
    sub_id: Opaque
    events: Annotated[dict[Words, msgspec.Raw], Meta(min_length=1, max_length=1)]


class _Named(msgspec.Struct, frozen=True):
    jti: str | None = None


_decode_claims = msgspec.json.Decoder(Claims).decode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_decode_named = msgspec.json.Decoder(_Named).decode


def read(body: bytes) -> Claims:
    """Claims from their JSON. Raises TokenError naming the member, never its value."""
    try:
        claims = _decode_claims(body)
        for event in claims.events.values():
            _decode_object(event)
    except msgspec.ValidationError as error:
        where = str(error).rpartition("`$")[2].rstrip("`").strip(".") or "the claims"
        raise TokenError("malformed", f"{where}: not as a security event token of one event has it") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise TokenError("malformed", "the claims are not JSON") from None
    return claims


def write(claims: Claims) -> bytes:
    """JSON of the claims. Raises TokenError unless it reads again as the same: an event's bytes can add no member."""
    body = msgspec.json.encode(claims)
    again = read(body)
    for uri, event in claims.events.items():
        if bytes(again.events.get(uri, b"")) != bytes(event):
            raise TokenError("malformed", "the payload is not one JSON object, without white space around it")
        if _decode_named(event).jti not in {None, claims.jti}:
            raise TokenError("malformed", "the payload names another message than its token")
    return body
