"""Poll: what a partner asks for and says of what it got before (RFC 8936)."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from sharing.delivery.disclosures import Answer
from sharing.delivery.streams import Refused

MAX_EVENTS = 100
MAX_ANSWERS = 1000
MAX_BODY_BYTES = 256 * 1024


# PostgreSQL keeps no NUL: an id with one is nobody's, and would fail in the database instead of here.
_Id = Annotated[str, Meta(pattern=r"^[^\x00]*$(?!\n)", max_length=256)]


class SetError(msgspec.Struct, frozen=True):
    """Why a message was not taken. The description may hold anything: it is neither logged nor kept."""

    err: Annotated[str, Meta(pattern=r"^[A-Za-z_]{1,32}$(?!\n)")]


class Poll(msgspec.Struct, frozen=True, rename="camel"):
    """A request's body; members that the RFC does not know are not read."""

    max_events: Annotated[int, Meta(ge=0)] | None = None
    return_immediately: bool = False
    ack: tuple[_Id, ...] = ()
    set_errs: dict[_Id, SetError] = {}


class Polled(msgspec.Struct, frozen=True, rename="camel"):
    sets: dict[str, str]
    more_available: bool = False


class _Said(msgspec.Struct, frozen=True):
    """What the ledger has the hash of: over HTTP nothing is signed, the connection was authenticated."""

    partner: str
    ack: tuple[str, ...]
    errs: dict[str, str]


_decode = msgspec.json.Decoder(Poll).decode
_encode = msgspec.json.Encoder(order="sorted").encode


def read(body: bytes) -> Poll:
    """Raises Refused; its words quote nothing of the request."""
    try:
        poll = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(400, "the body is not a poll request (RFC 8936, 2.2)") from None
    if len(poll.ack) + len(poll.set_errs) > MAX_ANSWERS:
        raise Refused(400, f"more than {MAX_ANSWERS} messages are answered at once")
    if len(set(poll.ack)) != len(poll.ack) or not poll.set_errs.keys().isdisjoint(poll.ack):
        raise Refused(400, "a message is answered twice")
    return poll


def answers(poll: Poll) -> Sequence[Answer]:
    return [*map(Answer, poll.ack), *(Answer(jti, each.err) for jti, each in poll.set_errs.items())]


def statement(poll: Poll, partner: str) -> bytes:
    errs = {jti: each.err for jti, each in poll.set_errs.items()}
    return _encode(_Said(partner, tuple(sorted(poll.ack)), errs))


def wanted(poll: Poll) -> int:
    return MAX_EVENTS if poll.max_events is None else min(poll.max_events, MAX_EVENTS)
