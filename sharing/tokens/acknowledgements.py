"""Acknowledgements: what a partner signs when it has, or has not, taken what it was told (Kafka's ack topic).

A compact JWS, `alg` Ed25519, `typ` secevent-ack+jwt, under one of the `sig` keys in the partner's set. Over HTTP the
same is said by RFC 8935's answer and RFC 8936's `ack` and `setErrs`, on an authenticated connection.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from joserfc.jwk import OKPKey
from msgspec import Meta

from sharing.errors import TokenError
from sharing.tokens import jose
from sharing.tokens.claims import MessageId, Words
from sharing.tokens.keys import PartnerKeys

TYP = "secevent-ack+jwt"
MAX_JTIS = 1000
MAX_BYTES = jose.MAX_SIGNED_BYTES
# As long as the ack topic keeps its records: a deliverer that was down for days still reads what waited.
MAX_AGE_S = 7 * 24 * 3600
MAX_AHEAD_S = 300

Verdict = Literal["confirmed", "false_alarm"]


class Refused(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a message was not taken: a code of RFC 8935 section 2.4, and words for the partner's own people.

    The words are the partner's: they may hold anything, so they are neither logged nor kept.
    """

    err: Annotated[str, Meta(pattern=r"^[A-Za-z_]{1,32}$(?!\n)")]
    description: Annotated[str, Meta(max_length=512)] = ""


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`acks` were taken, `errs` were not; `reports` says what came of earlier ones. `jti` is the acknowledgement's own.

    Whoever takes it keeps the `jti` for MAX_AGE_S and refuses it a second time.
    """

    iss: Words
    aud: Words
    iat: Annotated[int, Meta(ge=0)]
    jti: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{16,64}$(?!\n)")]
    acks: Annotated[tuple[MessageId, ...], Meta(max_length=MAX_JTIS)] = ()
    errs: Annotated[dict[MessageId, Refused], Meta(max_length=MAX_JTIS)] = {}
    reports: Annotated[dict[MessageId, Verdict], Meta(max_length=MAX_JTIS)] = {}


_decode = msgspec.json.Decoder(Acknowledgement).decode


def signed_acknowledgement(acknowledgement: Acknowledgement, kid: str, key: OKPKey) -> bytes:
    """What a partner sends: the acknowledgement under its own Ed25519 key."""
    return jose.sign(TYP, msgspec.json.encode(acknowledgement), kid, key).encode()


def verify_acknowledgement(signed: bytes, partner: PartnerKeys, audience: str, now_s: int) -> Acknowledgement:
    """The acknowledgement of that partner to us (`audience`: our issuer name). Raises TokenError with its reason."""
    _, body = jose.verify(signed, TYP, partner.signers.get)
    acknowledgement = _read(body)
    if acknowledgement.iss != partner.partner:
        raise TokenError("wrong_issuer", f"`iss` is not {partner.partner}, whose key signed it")
    if acknowledgement.aud != audience:
        raise TokenError("wrong_audience", f"`aud` is not {audience}")
    if acknowledgement.iat > now_s + MAX_AHEAD_S:
        raise TokenError("from_the_future", f"`iat` is more than {MAX_AHEAD_S} s ahead")
    if acknowledgement.iat < now_s - MAX_AGE_S:
        raise TokenError("stale", f"`iat` is more than {MAX_AGE_S} s ago")
    return acknowledgement


def _read(body: bytes) -> Acknowledgement:
    try:
        found = _decode(body)
    except msgspec.ValidationError as error:
        # A jti that was sent in the wrong form is a value: only the member is told.
        member = str(error).rpartition("`$.")[2].partition("[")[0].rstrip("`") or "the acknowledgement"
        raise TokenError("malformed", f"{member}: not as an acknowledgement has it") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise TokenError("malformed", "the acknowledgement is not JSON") from None
    said: tuple[Mapping[str, Any], ...] = (found.errs, found.reports)
    if len(found.acks) + sum(len(each) for each in said) > MAX_JTIS:
        raise TokenError("oversize", f"an acknowledgement of more than {MAX_JTIS} messages")
    if len(set(found.acks)) != len(found.acks) or not found.errs.keys().isdisjoint(found.acks):
        raise TokenError("malformed", "a message is answered twice")
    return found
