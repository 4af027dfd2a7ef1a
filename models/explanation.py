"""Why a model gave an order its score, in numbers that add up and in words: English and Arabic."""

import math
from collections.abc import Iterator, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.decisions import Decision, Outcome
from models.errors import ForeignVectors
from models.policy import amounts_of
from models.reasons import Language, code_of, text_of
from models.scoring import HistScorer

SHOWN = 8  # features named in words; the others are summed up


class Part(msgspec.Struct, frozen=True):
    """What one feature added to the margin; `value` is None where the order has none, or an infinite one."""

    feature: str
    code: str
    value: float | None
    weight: float


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """`base` and the parts' weights add up to `margin`; the logistic function of `margin` + `offset` is `score`.

    `base` is the margin of an order of which nothing is known. Parts come largest first; a feature that added nothing
    is left out. `outcome` is the policy's own, the cents what it expected each outcome to cost; `price_cents` is what a
    review must save besides.
    """

    model: str
    base: float
    parts: tuple[Part, ...]
    margin: float
    offset: float
    score: float
    outcome: Outcome
    approve_cents: float
    review_cents: float
    block_cents: float
    price_cents: float


def explain(scorer: HistScorer, vector: NDArray[np.float64]) -> Explanation:
    """Of an order's vector, shape (features,); raises ForeignVectors for another width."""
    row = vector[None, :]
    score = scorer.scores(row)
    base, weights = scorer.explained(vector)
    amount_usd = amounts_of(row, scorer.names)
    approve, review, block = (float(cents[0]) for cents in scorer.policy.expected_cents(score, amount_usd))
    return Explanation(
        model=scorer.version,
        base=base,
        parts=tuple(
            Part(name, code_of(name), float(value) if math.isfinite(value) else None, float(weight))
            for name, value, weight in (
                (scorer.names[at], vector[at], weights[at]) for at in np.argsort(-np.abs(weights), kind="stable")
            )
            if weight
        ),
        margin=float(scorer.margins(row)[0]),
        offset=scorer.offset,
        score=float(score[0]),
        outcome=scorer.policy.outcomes(score, amount_usd)[0],
        approve_cents=approve,
        review_cents=review,
        block_cents=block,
        price_cents=scorer.policy.price_cents,
    )


def vector_of(decision: Decision, scorer: HistScorer) -> NDArray[np.float64]:
    """The vector that a decision was made on. Raises ForeignVectors where it is not the scorer's, or not there."""
    if decision.vector is None or decision.definitions != scorer.definitions:
        raise ForeignVectors(
            f"decision {decision.decision_id} has a vector of definitions {decision.definitions or '(none)'}; "
            f"model {scorer.version} takes those of {scorer.definitions}"
        )
    return np.frombuffer(decision.vector, "<f8").astype(np.float64)


_WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "score": "Model {model}: a probability of fraud of {score:.2%}.",
        "margin": "Its margin is {margin:+.4f} log-odds: {base:+.4f} where nothing is known of an order, and "
        "{known:+.4f} from what is known of this one:",
        "others": "{weight:+.4f}  {count} other features together",
        "absent": "absent",
        "calibration": "Calibration adds {offset:+.4f} to the margin; the logistic function makes {score:.2%} of "
        "{calibrated:+.4f}.",
        "costs": "Expected costs: approving {approve:,.2f} USD, a review {review:,.2f} USD, blocking {block:,.2f} USD; "
        "a review must save {price:,.2f} USD to be worth the analysts' time. The model's outcome: {outcome}.",
        "approve": "approve", "review": "review", "block": "block",
    },
    "ar": {
        "score": "النموذج {model}: احتمال الاحتيال {score:.2%}.",
        "margin": "هامش النموذج {margin:+.4f} (لوغاريتم نسبة الأرجحية): {base:+.4f} لطلب لا يُعرف عنه شيء، "
        "و{known:+.4f} مما يُعرف عن هذا الطلب:",
        "others": "{weight:+.4f}  {count} من الخصائص الأخرى مجتمعة",
        "absent": "غير متوفرة",
        "calibration": "تضيف المعايرة {offset:+.4f} إلى الهامش، وتحوّل الدالة اللوجستية {calibrated:+.4f} إلى احتمال "
        "قدره {score:.2%}.",
        "costs": "التكاليف المتوقعة: القبول {approve:,.2f} دولار، والمراجعة {review:,.2f} دولار، "
        "والحظر {block:,.2f} دولار؛ ويجب أن توفر المراجعة {price:,.2f} دولار لتستحق وقت المحللين. "
        "قرار النموذج: {outcome}.",
        "approve": "قبول", "review": "مراجعة", "block": "حظر",
    },
}  # fmt: skip


def lines(explanation: Explanation, language: Language) -> Iterator[str]:
    """The explanation in words, a sentence or a feature a line."""
    words, parts = _WORDS[language], explanation.parts
    known, calibrated = explanation.margin - explanation.base, explanation.margin + explanation.offset
    yield words["score"].format(model=explanation.model, score=explanation.score)
    yield words["margin"].format(margin=explanation.margin, base=explanation.base, known=known)
    for part in parts[:SHOWN]:
        value = words["absent"] if part.value is None else f"{part.value:.6g}"
        yield f"{part.weight:+.4f}  {text_of(part.code).within(language)} ({part.feature} = {value})"
    if others := parts[SHOWN:]:
        yield words["others"].format(weight=math.fsum(part.weight for part in others), count=len(others))
    yield words["calibration"].format(offset=explanation.offset, score=explanation.score, calibrated=calibrated)
    yield words["costs"].format(
        approve=explanation.approve_cents / 100,
        review=explanation.review_cents / 100,
        block=explanation.block_cents / 100,
        price=explanation.price_cents / 100,
        outcome=words[explanation.outcome],
    )
