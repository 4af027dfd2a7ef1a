"""The guard that every event passes, before it is published and again when it is taken in.

What is accepted costs one typed decode and a few passes over bytes; `events.refusals` works out why the rest is not.
"""

from collections.abc import Callable
from typing import Any, cast

import msgspec

from events import canonical, topics
from events.cards import holds_card_number, may_hold_card_number
from events.refusals import MAX_BODY_BYTES, Refusal, refuse, showable
from events.types import AnyEvent, Label

__all__ = ["Refusal", "admit", "encode", "showable"]

AHEAD_MS = 5 * 60_000
# A clock that stands at 1970, in whatever zone, is let through and told of as late; year 1 may be no date in UTC.
EARLIEST_S = -86_400

encode = msgspec.json.Encoder().encode
_DECODERS: dict[str, Callable[[bytes], AnyEvent]] = {
    topic: cast("Callable[[bytes], AnyEvent]", msgspec.json.Decoder(union).decode)
    for topic, union in topics.UNIONS.items()
}
_decode_any = msgspec.json.Decoder().decode


def admit(topic: str, body: bytes | None, recorded_at_ms: int) -> AnyEvent | Refusal:
    """The event in a record of `topic`, or why it is refused; never raises, never reads a clock.

    `recorded_at_ms` is the broker's timestamp of the record (milliseconds since 1970): an event may be ahead of it by
    five minutes, so that what is refused once is refused on every repeat.
    """
    if not body:
        return Refusal("refused.empty")
    decode = _DECODERS.get(topic)
    if decode is None or len(body) > MAX_BODY_BYTES:
        return refuse(topic, body)
    try:
        event = decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return refuse(topic, body, error)
    plain = encode(event)
    if _repeats_a_key(body, plain) or (may_hold_card_number(plain) and any(map(holds_card_number, _strings(plain)))):
        return refuse(topic, body)
    if field := _untrue(event, recorded_at_ms):
        return refuse(topic, body, field)
    return event


def _untrue(event: AnyEvent, recorded_at_ms: int) -> tuple[str, str] | None:
    """Reason and field of what a type alone cannot say."""
    if (ip := getattr(event, "ip", None)) is not None and canonical.ip(ip) is None:
        return "refused.ill_formed", "ip"
    latest_s = (recorded_at_ms + AHEAD_MS) / 1000
    if reason := _untimely(event.occurred_at.timestamp(), latest_s):
        return reason, "occurred_at"
    if isinstance(event, Label) and (reason := _untimely(event.labelled_at.timestamp(), latest_s)):
        return reason, "labelled_at"
    return None


def _untimely(at_s: float, latest_s: float) -> str | None:
    if at_s > latest_s:
        return "refused.future_time"
    return "refused.past_time" if at_s < EARLIEST_S else None


def _repeats_a_key(body: bytes, plain: bytes) -> bool:
    """Whether an object in the body has a key twice, of which a decoder keeps the last without a word.

    Decoded and encoded again, a body has the same strings less the repeated ones, so a repeat shows in the number of
    quotes. `plain` may lack fields at their defaults too, and only then the body is decoded without a type. Our own
    publisher's bodies are encoded so to begin with.
    """
    if body == plain or _quotes(body) == _quotes(plain):
        return False
    return _quotes(body) != _quotes(encode(_decode_any(body)))


def _quotes(text: bytes) -> int:
    """How many quotes begin or end a string."""
    if b"\\" not in text:
        return text.count(b'"')
    text = text.replace(b"\\\\", b"")
    return text.count(b'"') - text.count(b'\\"')


def _strings(plain: bytes) -> list[str]:
    """All strings in the event that are long enough for a card number."""
    found: list[str] = []
    waiting: list[Any] = [_decode_any(plain)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return [text for text in found if len(text) >= 13]
