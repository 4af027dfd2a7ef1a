"""A partner's stream, as OpenID Shared Signals Framework 1.0 has it: what it may set, and what it is told.

One partner has at most one stream. With none its messages go to its Kafka topic; a stream turns them to push or poll.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from sharing.errors import SharingError

PUSH, POLL = "urn:ietf:rfc:8935", "urn:ietf:rfc:8936"
VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification"
UPDATED = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated"
VERIFY_EVERY_S = 60
Status = Literal["enabled", "paused", "disabled"]

# Without NUL, which PostgreSQL does not keep.
Words = Annotated[str, Meta(max_length=200, pattern=r"^[^\x00]*$(?!\n)")]


class Refused(SharingError):
    """A request about a stream that is not granted: the HTTP status, and why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Delivery(msgspec.Struct, frozen=True, omit_defaults=True):
    method: str
    endpoint_url: str | None = None
    authorization_header: str | None = None


class Asked(msgspec.Struct, frozen=True):
    """A stream's configuration as a receiver sends it. What only the transmitter sets must be as it is, if it is there.

    Members that the framework does not know are not read.
    """

    stream_id: str | None = None
    delivery: Delivery | None = None
    events_requested: Annotated[tuple[str, ...], Meta(max_length=64)] | None = None
    description: Words | None = None
    iss: str | None = None
    aud: str | tuple[str, ...] | None = None
    events_supported: tuple[str, ...] | None = None
    events_delivered: tuple[str, ...] | None = None


class AskedStatus(msgspec.Struct, frozen=True):
    stream_id: str
    status: Status
    reason: Words | None = None


class AskedVerification(msgspec.Struct, frozen=True):
    stream_id: str
    state: Annotated[str, Meta(max_length=1024)] | None = None


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of it: what the receiver chose. The URL of a push is the contract's, and is not kept twice."""

    method: str
    events_requested: tuple[str, ...] | None = None
    description: str | None = None


class Stream(msgspec.Struct, frozen=True):
    stream_id: str
    partner: str
    kept: Kept
    status: Status = "enabled"
    reason: str | None = None
    verified_at_ms: int | None = None


class Terms(msgspec.Struct, frozen=True):
    """What the transmitter says of a partner's stream: our name, its events, its pinned push URL, where it polls.

    Where no contract is in force any more, only what was told is taken back.
    """

    issuer: str
    events: tuple[str, ...]
    push_url: str | None
    poll_root: str
    in_force: bool = True


def chosen(asked: Asked, terms: Terms, before: Kept | None = None) -> Kept:
    """What a stream is to be; members that are not there stay as in `before`. Raises Refused."""
    delivery = asked.delivery
    requested = asked.events_requested
    description = asked.description
    if before is not None:
        delivery = delivery or Delivery(before.method)
        requested = requested if requested is not None else before.events_requested
        description = description if description is not None else before.description
    _check_events(requested, terms)
    return Kept(_method(delivery or Delivery(POLL), terms), requested, description)


def _method(delivery: Delivery, terms: Terms) -> str:
    if delivery.method not in {PUSH, POLL}:
        raise Refused(400, f"delivery.method is neither {PUSH} nor {POLL}")
    if delivery.authorization_header is not None:
        raise Refused(
            400, "delivery.authorization_header is not kept: our signature says who we are, and no secret does"
        )
    if delivery.method == PUSH:
        if terms.push_url is None:
            raise Refused(403, "the contract names no push_url: push needs a contract that does")
        if delivery.endpoint_url not in {None, terms.push_url}:
            raise Refused(403, "delivery.endpoint_url is not the one in the contract, which both have signed")
    return delivery.method


def _check_events(requested: Sequence[str] | None, terms: Terms) -> None:
    if requested is not None and not set(terms.events) <= set(requested):
        raise Refused(
            400, "events_requested leaves out an event of the contract: receiving less is a narrower contract"
        )


def check_same(asked: Asked, stream: Stream, terms: Terms) -> None:
    """Raises Refused where a request would change what only the transmitter sets."""
    said = configuration(stream, terms)
    for name in ("iss", "aud", "events_supported", "events_delivered"):
        value = getattr(asked, name)
        same = value == said[name] if isinstance(value, str) else list(value or ()) == _listed(said[name])
        if value is not None and not same:
            raise Refused(400, f"{name} is not the receiver's to change")


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def configuration(stream: Stream, terms: Terms) -> dict[str, Any]:
    """A stream as its receiver is told it (SSF 1.0, 7.1.1)."""
    kept = stream.kept
    url = terms.push_url if kept.method == PUSH else f"{terms.poll_root}/{stream.stream_id}"
    told: dict[str, Any] = {
        "stream_id": stream.stream_id,
        "iss": terms.issuer,
        "aud": stream.partner,
        "delivery": {"method": kept.method, "endpoint_url": url},
        "events_supported": list(terms.events),
        "events_delivered": list(terms.events),
        "min_verification_interval": VERIFY_EVERY_S,
    }
    if kept.events_requested is not None:
        told["events_requested"] = list(kept.events_requested)
    if kept.description is not None:
        told["description"] = kept.description
    return told


def status_of(stream: Stream, held: bool) -> dict[str, Any]:
    """`held`: a person of ours has paused the partner, whatever the partner chose."""
    told: dict[str, Any] = {"stream_id": stream.stream_id, "status": stream.status}
    if held and stream.status == "enabled":
        return told | {"status": "paused", "reason": "held by the transmitter"}
    return told if stream.reason is None else told | {"reason": stream.reason}


def metadata(issuer: str) -> dict[str, Any]:
    """The transmitter's configuration (SSF 1.0, 6). Subjects can neither be added nor removed: it would be probing."""
    return {
        "spec_version": "1_0",
        "issuer": issuer,
        "jwks_uri": f"{issuer}/jwks.json",
        "delivery_methods_supported": [PUSH, POLL],
        "configuration_endpoint": f"{issuer}/ssf/stream",
        "status_endpoint": f"{issuer}/ssf/status",
        "verification_endpoint": f"{issuer}/ssf/verify",
        "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6749"}],
        "default_subjects": "ALL",
    }


def server_metadata(issuer: str) -> dict[str, Any]:
    """The authorization server's (RFC 8414)."""
    return {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth/token",
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["Ed25519"],
    }
