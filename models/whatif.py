"""What other rules or another model would have changed: each order's decision then beside the one now. Pure.

Money is US cents by the cost table of the policy that concludes now, the same for both sides: what the outcomes cost
where the label is known, and what they are expected to cost by a model's scores, by those of then and those of now.
"""

import heapq
from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from events.facts import OrderFact
from models.decisions import FLAGGED, Decision, Outcome, Reason
from models.policy import ORDERED, Policy
from models.screening import Decided

Floats = NDArray[np.float64]
HOUR_MS = 3_600_000
_LIKELY = ("score_then", "score_now")


class Side(msgspec.Struct, frozen=True):
    """An order's decision on one of the two sides."""

    outcome: Outcome
    mode: str
    score: float | None
    model: str | None
    rules: str | None
    reasons: tuple[Reason, ...]


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """An order whose outcome is another now; `label` 1 for fraud, 0 for genuine, None where nothing is known."""

    order_id: str
    decision_id: str
    occurred_at_ms: int
    usd: float | None
    then: Side
    now: Side
    label: int | None = None


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """Orders of one outcome then and one now: those of known label among them, frauds among these; amounts in USD."""

    then: Outcome
    now: Outcome
    orders: int
    known: int
    frauds: int
    usd: float
    fraud_usd: float


class Hour(msgspec.Struct, frozen=True, kw_only=True):
    """Orders that came to the analysts in the hour from `from_ms` on: reviewed, and blocked."""

    from_ms: int
    reviews_then: int
    reviews_now: int
    blocks_then: int
    blocks_now: int


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """What the outcomes of so many orders cost in US dollars, then and now. `by` says by what it is known."""

    by: str
    orders: int
    then_usd: float
    now_usd: float


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """A reason code, and how many flagged orders have it."""

    code: str
    then: int
    now: int


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Every order both ways. `refused` orders are reviewed on both sides, and counted among them."""

    orders: int
    refused: int
    changed: int
    cells: list[Cell]
    hours: list[Hour]
    review_hours_then: float
    review_hours_now: float
    money: list[Money]
    codes: list[Code]
    examples: list[Changed]


class _Columns(msgspec.Struct):
    """A number an order; costs are US cents, then and now: if it is fraud, if it is genuine, by either model's score.

    The scores' are NaN where that side had no model.
    """

    at_ms: list[NDArray[np.int64]] = []
    then: list[NDArray[np.intp]] = []
    now: list[NDArray[np.intp]] = []
    usd: list[Floats] = []
    minutes: list[Floats] = []
    costs: list[Floats] = []  # (orders, 2 sides, 4)


class Compared:
    """Takes chunks, gives the comparison. Memory: some 150 bytes an order, and the `limit` dearest changed orders."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._columns = _Columns()
        self._order_ids: list[str] = []
        self._codes: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self._dearest: list[tuple[float, str, Changed]] = []
        self._refused = 0

    def take(
        self,
        facts: Sequence[Decided],
        then: Sequence[Decision],
        now: Sequence[Decision],
        amounts_usd: Floats,
        policy: Policy,
    ) -> None:
        """Decisions in the order of their facts; `policy` is the one by which those of now were made."""
        columns, sides = self._columns, (_ranks(then), _ranks(now))
        columns.at_ms.append(np.array([fact.occurred_at_ms for fact in facts], dtype=np.int64))
        columns.then.append(sides[0])
        columns.now.append(sides[1])
        columns.usd.append(amounts_usd)
        columns.minutes.append(np.full(len(facts), policy.costs.review_minutes))
        columns.costs.append(_costs(sides, (_scores(then), _scores(now)), amounts_usd, policy))
        self._order_ids += [fact.order_id for fact in facts]
        self._refused += sum(not isinstance(fact, OrderFact) for fact in facts)
        for codes, decisions in zip(self._codes, (then, now), strict=True):
            for decision in decisions:
                if decision.outcome in FLAGGED:
                    codes.update({reason.code for reason in decision.reasons})
        for before, after, usd in zip(then, now, amounts_usd.tolist(), strict=True):
            if before.outcome != after.outcome:
                self._note(before, after, usd)

    def result(self, labels: Sequence[int | None]) -> Comparison:
        """`labels`: of each order in `order_ids`, 1 for fraud, 0 for genuine, None."""
        columns = self._columns
        at_ms, then, now, usd, minutes, costs = (
            np.concatenate(getattr(columns, name)) for name in _Columns.__struct_fields__
        )
        label = np.array([np.nan if one is None else one for one in labels], dtype=np.float64)
        known = dict(zip(self._order_ids, labels, strict=True))
        examples = [each for _, _, each in sorted(self._dearest, key=lambda one: (-one[0], one[1]))]
        return Comparison(
            orders=len(then),
            refused=self._refused,
            changed=int((then != now).sum()),
            cells=[
                _cell(before, after, (then == at) & (now == to), label, usd)
                for at, before in enumerate(ORDERED)
                for to, after in enumerate(ORDERED)
            ],
            hours=_hours(at_ms, then, now),
            review_hours_then=float(minutes[then == _REVIEW].sum()) / 60,
            review_hours_now=float(minutes[now == _REVIEW].sum()) / 60,
            money=_money(label, costs),
            codes=self._counted(),
            examples=[msgspec.structs.replace(each, label=known[each.order_id]) for each in examples],
        )

    @property
    def order_ids(self) -> Sequence[str]:
        return self._order_ids

    def _note(self, before: Decision, after: Decision, usd: float) -> None:
        known = None if np.isnan(usd) else usd
        changed = Changed(
            order_id=before.order_id,
            decision_id=before.decision_id,
            occurred_at_ms=before.occurred_at_ms,
            usd=known,
            then=_side(before),
            now=_side(after),
        )
        heapq.heappush(self._dearest, (-1.0 if known is None else known, before.decision_id, changed))
        if len(self._dearest) > self._limit:
            heapq.heappop(self._dearest)

    def _counted(self) -> list[Code]:
        then, now = self._codes
        names = sorted(then | now, key=lambda code: (-abs(now[code] - then[code]), -now[code], code))
        return [Code(code=code, then=then[code], now=now[code]) for code in names]


_REVIEW = ORDERED.index("review")


def _ranks(decisions: Sequence[Decision]) -> NDArray[np.intp]:
    return np.array([ORDERED.index(decision.outcome) for decision in decisions], dtype=np.intp)


def _scores(decisions: Sequence[Decision]) -> Floats:
    return np.array([np.nan if one.score is None else one.score for one in decisions], dtype=np.float64)


def _side(decision: Decision) -> Side:
    return Side(
        decision.outcome, decision.mode, decision.score, decision.model, decision.rules, tuple(decision.reasons)
    )


def _costs(
    sides: tuple[NDArray[np.intp], NDArray[np.intp]], scores: tuple[Floats, Floats], amounts_usd: Floats, policy: Policy
) -> Floats:
    """(orders, 2, 4): what each side's outcome costs if the order is fraud, if it is not, by each side's score."""
    rows = np.arange(len(amounts_usd))
    believed = (np.ones(len(rows)), np.zeros(len(rows)), *scores)
    tables = [np.array(policy.expected_cents(probability, amounts_usd)) for probability in believed]
    return np.array([[table[side, rows] for table in tables] for side in sides]).transpose(2, 0, 1)


def _cell(then: Outcome, now: Outcome, where: NDArray[np.bool_], label: Floats, usd: Floats) -> Cell:
    fraud = where & (label == 1)
    return Cell(
        then=then,
        now=now,
        orders=int(where.sum()),
        known=int((where & ~np.isnan(label)).sum()),
        frauds=int(fraud.sum()),
        usd=float(np.nansum(usd[where])),
        fraud_usd=float(np.nansum(usd[fraud])),
    )


def _hours(at_ms: NDArray[np.int64], then: NDArray[np.intp], now: NDArray[np.intp]) -> list[Hour]:
    """From the first hour with an order to the last, those without any too."""
    hour = at_ms // HOUR_MS
    first = int(hour.min())
    counts = [
        np.bincount(hour[side == rank] - first, minlength=int(hour.max()) - first + 1).tolist()
        for rank in (_REVIEW, ORDERED.index("block"))
        for side in (then, now)
    ]
    return [
        Hour(from_ms=(first + at) * HOUR_MS, reviews_then=r0, reviews_now=r1, blocks_then=b0, blocks_now=b1)
        for at, (r0, r1, b0, b1) in enumerate(zip(*counts, strict=True))
    ]


def _money(label: Floats, costs: Floats) -> list[Money]:
    by_label = np.where((label == 1)[:, None], costs[:, :, 0], costs[:, :, 1])
    scored = [(by, ~np.isnan(costs[:, 0, at]), costs[:, :, at]) for at, by in enumerate(_LIKELY, 2)]
    return [
        Money(
            by=by,
            orders=int(where.sum()),
            then_usd=float(cents[where, 0].sum()) / 100,
            now_usd=float(cents[where, 1].sum()) / 100,
        )
        for by, where, cents in [("label", ~np.isnan(label), by_label), *scored]
    ]
