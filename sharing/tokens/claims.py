"""The claims of a token (RFC 8417, RFC 9493): what stands in it, and nothing else can.

`sub` and `exp` are not there: the subject is opaque and stands in `sub_id`, and what happened does not expire.
"""

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from sharing.errors import TokenError

TYP = "secevent+jwt"
CTY = "JWT"

MESSAGE_ID = r"^[A-Za-z0-9_-]{22}$(?!\n)"
MessageId = Annotated[str, Meta(pattern=MESSAGE_ID, description="128 bits, base64url")]
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


class SecurityEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What RFC 8417 section 2.2 requires of all security event tokens: to say what is wrong with one not of ours."""

    iss: str
    iat: float
    jti: str
    events: Annotated[dict[str, dict[str, Any]], Meta(min_length=1)]
    aud: str | list[str] | None = None
    sub: str | None = None
    exp: float | None = None
    sub_id: dict[str, Any] | None = None


_decode_claims = msgspec.json.Decoder(Claims).decode
_decode_event = msgspec.json.Decoder(SecurityEvent).decode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


def read(body: bytes) -> Claims:
    """Claims from their JSON. Raises TokenError: `malformed`: no security event token; `profile`: not ours."""
    try:
        claims = _decode_claims(body)
        for event in claims.events.values():
            _decode_object(event)
    except msgspec.ValidationError:
        raise _why(body) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise TokenError("malformed", "the claims are not JSON") from None
    return claims


def _why(body: bytes) -> TokenError:
    """Why claims are not ours; never a value of theirs."""
    try:
        found = _decode_event(body)
    except msgspec.ValidationError as error:
        member = str(error).rpartition("`$")[2].strip(".`") or "claims"
        return TokenError("malformed", f"{member}: not as a security event token has it (RFC 8417)")
    told = {
        "with `sub`; expected an opaque `sub_id` alone": found.sub is not None,
        "with `exp`; what happened does not expire": found.exp is not None,
        f"of {len(found.events)} events; expected exactly one": len(found.events) > 1,
        "without one audience; expected `aud` to be one string": not isinstance(found.aud, str),
        "about no opaque subject; expected `sub_id` of format opaque": (found.sub_id or {}).get("format") != "opaque",
        "with another `jti`; expected 128 bits in base64url": not re.fullmatch(MESSAGE_ID, found.jti),
    }
    why = next((words for words, holds in told.items() if holds), "with other claims than ours have")
    return TokenError("profile", f"a security event token {why}")


def write(claims: Claims) -> bytes:
    """JSON of the claims. Raises TokenError unless each event is one JSON object and the whole reads as ours do."""
    for event in claims.events.values():
        _check_event(event, claims.jti)
    body = msgspec.json.encode(claims)
    read(body)
    return body


def _check_event(event: msgspec.Raw, jti: str) -> None:
    """Bytes that are one JSON object and nothing around it can add no member to the claims that they are put into."""
    event_bytes = bytes(event)
    try:
        found = _decode_object(event_bytes)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None
    if found is None or (event_bytes[:1], event_bytes[-1:]) != (b"{", b"}"):
        raise TokenError("malformed", "the payload is not one JSON object, without white space around it")
    if found.get("jti", jti) != jti:
        raise TokenError("malformed", "the payload names another message than its token")
