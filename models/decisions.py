"""The decision about one order: what was concluded, from which numbers, by which model and definitions."""

from typing import Literal

import msgspec

from events.facts import Coordinates, Entities

Outcome = Literal["approve", "review", "block"]
FLAGGED: tuple[Outcome, ...] = ("review", "block")


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """A stable code for why (models/reasons.py has them all), with the feature and value behind it where there is one.

    A model's reason stands for all features of its code, and names the one that counts most. `weight` is what they
    added together to the model's margin, its log-odds of fraud; a rule's reason has none.
    """

    code: str
    feature: str | None = None
    value: float | None = None
    weight: float | None = None


class ModelScore(msgspec.Struct, frozen=True, array_like=True):
    """What one of several models made of an order, and the share of orders that it decides."""

    model: str
    score: float
    share: float


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Holds nothing wall-clock: the record's timestamp has it, so that a repeat has the same bytes.

    `decision_id` is the order's source coordinates; consumers keep the highest `revision` of an id, and the first of
    equals. `vector` is little-endian float64 in the order of the definitions that `definitions` names by hash.
    `mode` is "rules" where there was no model, or where rules made the outcome another than the model's own. `rules` is
    the hash of the rules in force, `points` what they added to the score for the outcome, `shadow` the codes of the
    shadow rules that would have fired.
    `positions`: of each shard of the feature store, the other facts partitions and the last offset of each that it had
    applied when the order was read: what the vector was made of, with all before the order in its own partition.
    `model` and `score` are of the model that decided. Where there was a challenger `scores` has every model's, the
    champion's first; with one model it is empty.
    `priority`, where the order is flagged: US cents that a review is expected to save a minute of work. Where a rule or
    a refusal flagged it and no score says more, RULES_FIND (models.policy) stands in for the probability.
    """

    decision_id: str
    revision: int
    order_id: str
    source: Coordinates
    occurred_at_ms: int
    outcome: Outcome
    mode: Literal["model", "rules", "refused", "fallback", "analyst"]
    score: float | None = None
    reasons: tuple[Reason, ...] = ()
    amount_minor: int | None = None
    currency: str | None = None
    entities: Entities = Entities()
    model: str | None = None
    definitions: str | None = None
    vector: bytes | None = None
    flags: tuple[str, ...] = ()
    rules: str | None = None
    points: float = 0.0
    shadow: tuple[str, ...] = ()
    priority: float | None = None
    positions: tuple[tuple[int, ...], ...] = ()
    scores: tuple[ModelScore, ...] = ()


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Decision).decode
