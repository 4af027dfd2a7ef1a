"""A rules file on its way to the workers: the checked text, its hash, who sent it."""

import re
from collections.abc import Sequence

import msgspec

from models.errors import BadPromotion, BadRules
from models.rules.judging import Ruleset
from models.rules.source import hash_of, parsed

ACTOR = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@ -]{0,63}", re.ASCII)


class Promotion(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="format", tag="amana-rules-1"):
    """`replaces` is the hash that was in force when it was sent, as far as its sender knew; None for a first one."""

    text: str
    hash: str
    actor: str
    replaces: str | None


encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Promotion).decode


def key_of(ruleset: Ruleset) -> bytes:
    """The topic's key: compaction keeps each set's last promotion."""
    return ruleset.name.encode()


def decoded(body: bytes | None) -> Promotion:
    """Raises BadPromotion for what is no promotion or has another text than was sent; says nothing of what is in it."""
    try:
        found = _decode(body or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadPromotion("not a promotion of rules") from None
    if hash_of(found.text) != found.hash:
        raise BadPromotion("its text is not the one of its hash")
    if not ACTOR.fullmatch(found.actor):
        raise BadPromotion("it has no actor")
    return found


def opened(promotion: Promotion, key: bytes | None, names: Sequence[str]) -> Ruleset:
    """The promoted rules, for vectors of those features. Raises BadPromotion, with the places of the mistakes."""
    try:
        ruleset = parsed(promotion.text, names)
    except BadRules as error:
        places = "; ".join(f"{each.line}:{each.column}: {each.message}" for each in error.problems[:3])
        raise BadPromotion(f"{len(error.problems)} mistakes, the first at {places}") from None
    if key != key_of(ruleset):
        raise BadPromotion("its key is not its set's name")
    return ruleset
