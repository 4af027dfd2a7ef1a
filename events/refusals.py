"""Why an event is refused: the worst reason first, in words that hold nothing of what the sender wrote.

Card numbers, verification values and credentials come before all else, wherever they are: under unknown names, in
names, in what a repeated key hides, in text that is no JSON at all.
"""

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any, get_args

import msgspec

from events import topics
from events.cards import fold_digits, holds_card_number
from events.types import AnyEvent, Part

MAX_BODY_BYTES = 64 * 1024

CARD_VERIFICATION = re.compile(
    r"(?:card)?(?:security|verification)(?:code|value|number)|cardcode|(?:card)?c(?:sc|id|vn|av)[0-9]?(?:code|number)?|"
    r"cv[vc].*|.*cv[vc][0-9]?"
)
CREDENTIALS = re.compile(
    r"passw|passphrase|passcode|pwd|secret|token|credential|apikey|privatekey|accesskey|authori[sz]ation|cookie|"
    r"^(?:card|atm|account)?pin(?:code|number|block)?$|^(?:sms)?otp"
)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_ORDER_ID = re.compile(rb'"order_id"[ \t\r\n]*:[ \t\r\n]*"([A-Za-z0-9][A-Za-z0-9._:-]{0,63})"')
_AT = re.compile(r" - at `\$([^`]*)`$")
_MISSING = re.compile(r"^Object missing required field `(\w+)`")

# The beginning of msgspec's message, and the reason that it is.
_MESSAGES = (
    ("Object contains unknown field", "refused.unknown_field"),
    ("Object missing required field", "refused.missing_field"),
    ("Expected `str` matching", "refused.ill_formed"),
    ("Expected `str` of length", "refused.ill_formed"),
    ("Expected `array` of length", "refused.ill_formed"),
    ("Expected `datetime` with", "refused.ill_formed"),
    ("Expected `int` <", "refused.ill_formed"),
    ("Expected `int` >", "refused.ill_formed"),
    ("Invalid", "refused.ill_formed"),
    ("Expected", "refused.wrong_type"),
)


class Refusal(msgspec.Struct, frozen=True):
    """`reason` is `refused.` and a word; `field` a path of our own field names; `order_id` where it can be read.

    `alarm` is for a card number: somebody put one into a raw topic.
    """

    reason: str
    field: str | None = None
    order_id: str | None = None
    alarm: bool = False


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with every pair that was written, also those whose key comes again."""


def _field_names(kind: type) -> Iterator[str]:
    yield from getattr(kind, "__struct_encode_fields__", ())


OUR_FIELDS = frozenset({"type"}).union(
    *(_field_names(kind) for kind in get_args(AnyEvent)), *(_field_names(kind) for kind in Part.__subclasses__())
)


def refuse(topic: str, body: bytes, cause: Exception | tuple[str, str] | None = None) -> Refusal:
    """Why a body is refused, given what the decoder raised or the (reason, field) that a check found."""
    text = body[:MAX_BODY_BYTES].decode(errors="replace")
    tree, fault = _parse(body, text)
    reason, field = _secret(tree, text) or _structural(topic, tree, fault, cause)
    order_id = _order_id(body, tree) if topic == topics.ORDERS else None
    return Refusal(reason, field, order_id, reason == "refused.card_number")


def _parse(body: bytes, text: str) -> tuple[Any, str | None]:
    """What the body says, as far as it can be read, and what is wrong with it as JSON."""
    if len(body) > MAX_BODY_BYTES:
        return None, "refused.too_large"
    fault = None
    try:
        msgspec.json.decode(body)
    except RecursionError:
        fault = "refused.too_deep"
    except (msgspec.DecodeError, UnicodeDecodeError):
        fault = "refused.undecodable"
    try:
        return json.loads(text, object_pairs_hook=_Pairs, parse_int=_Number, parse_float=_Number), fault
    except (ValueError, RecursionError):
        return None, fault or "refused.undecodable"


def _secret(tree: Any, text: str) -> tuple[str, str | None] | None:
    """The worst thing in the body that nobody may have sent, and where."""
    if tree is None:
        return ("refused.card_number", None) if holds_card_number(text) else None
    nodes = list(_walk(tree))
    for path, name, value in nodes:
        if holds_card_number(name) or (isinstance(value, str) and holds_card_number(value)):
            return "refused.card_number", path
    foreign = [(path, _plain(name)) for path, name, _ in nodes if name not in OUR_FIELDS]
    for path, name in foreign:
        if CARD_VERIFICATION.fullmatch(name):
            return "refused.card_verification_value", path
    for path, name in foreign:
        if CREDENTIALS.search(name):
            return "refused.credentials", path
    return None


def _walk(tree: Any) -> Iterator[tuple[str | None, str, Any]]:
    """Every value with its name and the path of our own names that leads nearest to it."""
    waiting: list[tuple[str | None, str, Any]] = [(None, "", tree)]
    while waiting:
        path, name, value = waiting.pop()
        yield path, name, value
        if isinstance(value, _Pairs):
            waiting.extend((_join(path, key), key, inner) for key, inner in value)
        elif isinstance(value, list):
            waiting.extend((path, "", inner) for inner in value)


def _join(path: str | None, name: str) -> str | None:
    if name not in OUR_FIELDS:
        return path
    return f"{path}.{name}" if path else name


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, fold_digits(unicodedata.normalize("NFKC", name)).casefold()))


def _structural(
    topic: str, tree: Any, fault: str | None, cause: Exception | tuple[str, str] | None
) -> tuple[str, str | None]:
    if fault:
        return fault, None
    for path, _, value in _walk(tree):
        if isinstance(value, _Pairs) and len(dict(value)) != len(value):
            return "refused.duplicate_key", path
    return _misplaced(topic, tree) or (cause if isinstance(cause, tuple) else _explain(str(cause)))


def _misplaced(topic: str, tree: Any) -> tuple[str, str | None] | None:
    if not isinstance(tree, _Pairs):
        return "refused.wrong_type", None
    kind = dict(tree).get("type")
    try:
        expected = topics.topic_of(kind) if isinstance(kind, str) else None
    except KeyError:
        expected = None
    if expected is None:
        return "refused.unknown_type", "type"
    return None if expected == topic else ("refused.wrong_topic", "type")


def _explain(message: str) -> tuple[str, str | None]:
    """Reason and field of a message of msgspec's; of the names in it only ours are kept."""
    reason = next((reason for start, reason in _MESSAGES if message.startswith(start)), "refused.ill_formed")
    at = _AT.search(message)
    names = [name for name in re.split(r"[.\[\]]", at[1] if at else "") if name in OUR_FIELDS]
    if missing := _MISSING.match(message):
        names.append(missing[1])
    if message.startswith("Expected `int` >= 0") and names[-1:] in (["amount_minor"], ["unit_amount_minor"]):
        reason = "refused.negative_amount"
    return reason, ".".join(names) or None


def _order_id(body: bytes, tree: Any) -> str | None:
    """The order's id, if there is one that can be told."""
    if isinstance(tree, _Pairs):
        found = {value for key, value in tree if key == "order_id" and type(value) is str}
    else:
        found = {match.decode() for match in _ORDER_ID.findall(body)}
    return showable(found.pop()) if len(found) == 1 else None


def showable(text: str) -> str | None:
    """The text if it is a well-formed id and holds no card number: what may be stored and printed."""
    return text if _ID.fullmatch(text) and not holds_card_number(text) else None
