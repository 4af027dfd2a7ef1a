"""What is said of models on the way to the workers: who put which version in force, and from where on it decided."""

from collections.abc import Sequence

import msgspec

from models.decisions import Decision
from models.errors import BadPromotion
from models.rules.promotion import ACTOR

KEY = b"screen"  # of promotions; compaction keeps the last


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version, and the SHA-256 of its manifest: those files and no others."""

    version: str
    content: str


class Promotion(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="format", tag="amana-model-1"
):
    """The whole roll-out: what is not in it is no longer in force. `replaces` is the champion's version that was in
    force when it was sent, as far as its sender knew; None for a first one. `rollback`: it brings an earlier one back.
    """

    champion: Named
    actor: str
    challenger: Named | None = None
    share: float = 0.0
    replaces: str | None = None
    rollback: bool = False


class Judge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What orders are judged by: models with the share of orders that each decides, and the rules' hash."""

    models: tuple[tuple[str, float], ...]
    rules: str | None


class Switch(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="format", tag="amana-switch-1"
):
    """From an offset of a partition of facts on, orders are judged by another; `instance` is the worker saying so."""

    partition: int
    offset: int
    judge: Judge
    before: Judge | None
    instance: str


encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Promotion | Switch).decode


def switch_key(partition: int) -> bytes:
    """Compaction keeps each partition's last switch."""
    return f"facts/{partition}".encode()


def decoded(body: bytes | None) -> Promotion | Switch:
    """Raises BadPromotion for what is neither, or contradicts itself; says nothing of what is in it."""
    try:
        found = _decode(body or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadPromotion("not a promotion of a model") from None
    return found if isinstance(found, Switch) else checked(found)


def checked(promotion: Promotion) -> Promotion:
    """Raises BadPromotion for a roll-out that contradicts itself."""
    if not ACTOR.fullmatch(promotion.actor):
        raise BadPromotion("it has no actor")
    if not 0.0 <= promotion.share <= 1.0:
        raise BadPromotion(f"expected a share of orders, 0 to 1, got {promotion.share}")
    if promotion.challenger is None and promotion.share:
        raise BadPromotion("a share of orders, but no challenger to decide it")
    if promotion.challenger is not None and promotion.challenger.version == promotion.champion.version:
        raise BadPromotion(f"champion and challenger are both {promotion.champion.version}")
    return promotion


def judge_of(decisions: Sequence[Decision]) -> Judge | None:
    """What a chunk's orders were judged by, which is the same for all; None where there is no order among them."""
    for decision in decisions:
        if decision.mode in {"model", "rules"}:
            alone = () if decision.model is None else ((decision.model, 1.0),)
            return Judge(tuple((each.model, each.share) for each in decision.scores) or alone, decision.rules)
    return None
