"""Second opinions: a share of the verdicts comes back to somebody else, who cannot tell that there is a first one.

The order keeps the outcome that the first verdict gave it; the case's row looks undecided meanwhile, and what was said
waits here. Who agrees, restores it: nothing leaves anew. Who disagrees, escalates the case to a third person, whose
word then counts. A case comes back once.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from history.database import reading
from models.decisions import Outcome
from review import tables
from review.cases import Case, Verdict
from review.errors import TransitionRefused
from review.policy import Policy
from review.workflow import Action

State = Literal["chosen", "asked", "agreed", "disagreed", "settled", "forgone"]
STANDING: tuple[State, ...] = ("asked", "disagreed")  # whose case is in front of people again
CONCERNED: frozenset[Action] = frozenset({"claim", "dismiss", "confirm_fraud", "default", "contest", "undo"})
KEPT = ("verdict", "resolved", "decided_by", "decided_at_ms", "reason", "first_look", "due_at_ms")

_HELD = tables.opinions.c
_AFTER: dict[Action, State] = {
    "agree": "agreed",
    "disagree": "disagreed",
    "forgo": "forgone",
    "contest": "forgone",
    "dismiss": "settled",
    "confirm_fraud": "settled",
}


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """The first verdict as the case had it, and the second; `from_ms`: since when the case is back."""

    case_id: str
    state: State
    from_ms: int
    verdict: Verdict
    resolved: Outcome
    decided_by: str
    decided_at_ms: int
    reason: bytes | None = None
    first_look: str | None = None
    due_at_ms: int | None = None
    second: Verdict | None = None
    second_by: str | None = None
    second_at_ms: int | None = None

    def bars(self, person: str) -> bool:
        """Whether the case is back, and not for this person, who has given a verdict on it."""
        return self.state in STANDING and person in {self.decided_by, self.first_look, self.second_by}


class Agreement(msgspec.Struct, frozen=True):
    """Of cases judged twice, how many alike. `kappa` (Cohen's): 1 is always, 0 as often as by chance.

    It is None where the first verdicts, or the second, are all of one kind: chance alone would make as much.
    """

    judged: int
    alike: int
    kappa: float | None


def is_chosen(policy: Policy, case_id: str, verdict: Verdict) -> bool:
    """Whether a verdict on that case comes back: by its id alone, so that nobody can bring it about or avoid it."""
    digest = hashlib.sha256(f"{policy.seed} {case_id}".encode()).digest()
    return int.from_bytes(digest[:8]) < policy.seen_again.get(verdict, 0.0) * 2**64


def choose(connection: sa.Connection, policy: Policy, decided: Case, from_ms: int) -> None:
    """Have a verdict come back from that time on, if it is one that does."""
    if decided.verdict is None or not is_chosen(policy, decided.decision_id, decided.verdict):
        return
    row = {name: getattr(decided, name) for name in KEPT}
    row |= {"case_id": decided.decision_id, "state": "chosen", "from_ms": from_ms}
    connection.execute(sa.insert(tables.opinions).values(row))


def of(connection: sa.Connection, case_id: str) -> Opinion | None:
    row = connection.execute(sa.select(tables.opinions).where(_HELD.case_id == case_id)).mappings().first()
    return None if row is None else Opinion(**row)


def standing(engine: sa.Engine, case_id: str) -> Opinion | None:
    """Of a case that is back in front of people."""
    with reading(engine) as connection:
        found = of(connection, case_id)
    return found if found is not None and found.state in STANDING else None


def hidden(engine: sa.Engine, case_id: str) -> Opinion | None:
    """What nobody who looks at the case may know of: a first verdict while the second is not given."""
    return unspoken(standing(engine, case_id))


def unspoken(found: Opinion | None) -> Opinion | None:
    """The opinion, if it is one that nobody may know of yet."""
    return found if found is not None and found.state == "asked" else None


def unsaid(connection: sa.Connection, order_ids: Sequence[str]) -> dict[str, str]:
    """Of those orders, the outcome that each one's case was opened with, where a first verdict is hidden (`hidden`)."""
    cases = tables.cases.c
    asked = sa.select(cases.order_id, cases.outcome).join(tables.opinions, _HELD.case_id == cases.decision_id)
    found = connection.execute(asked.where(_HELD.state == "asked", cases.order_id.in_(order_ids)))
    return {row.order_id: row.outcome for row in found}


def not_of(actor: str) -> sa.ColumnElement[bool]:
    """Of cases, those that the person may get: none that they have given a verdict on."""
    said = sa.or_(_HELD.decided_by == actor, _HELD.first_look == actor, _HELD.second_by == actor)
    back = sa.and_(_HELD.case_id == tables.cases.c.decision_id, _HELD.state.in_(STANDING), said)
    return ~sa.exists(sa.select(sa.literal(1)).where(back))


def may_get(connection: sa.Connection, case_id: str, person: str) -> bool:
    """Whether the person has not given a verdict on the case, if it is back."""
    free = sa.select(tables.cases.c.decision_id).where(tables.cases.c.decision_id == case_id, not_of(person))
    return connection.scalar(free) is not None


def check_free(opinion: Opinion | None, actor: str) -> None:
    """Raises TransitionRefused for who has given a verdict on a case that is back."""
    if opinion is not None and opinion.bars(actor):
        raise TransitionRefused("you have judged this case; somebody else looks at it now")


def turned(opinion: Opinion, action: Action, actor: str) -> Action:
    """What an action is on a case that is back. Raises TransitionRefused for who has given a verdict on it."""
    if action in {"claim", "dismiss", "confirm_fraud"}:
        check_free(opinion, actor)
    if action == "default":
        return "forgo"
    if action == opinion.verdict:
        return "agree"
    return "disagree" if action in {"dismiss", "confirm_fraud"} and opinion.state == "asked" else action


def restored(case: Case, opinion: Opinion) -> Case:
    """With what the first verdict said."""
    kept: dict[str, Any] = {name: getattr(opinion, name) for name in KEPT}
    return msgspec.structs.replace(case, **kept, status="decided", holder=opinion.decided_by, until_ms=None)


def record(connection: sa.Connection, opinion: Opinion, action: Action, given: Action, actor: str, now_ms: int) -> None:
    """What has become of a case that is back. `given`: the action as it was asked for; the second verdict is kept."""
    if action not in _AFTER:
        return
    values: dict[str, Any] = {"state": _AFTER[action]}
    if opinion.state == "asked" and action in {"agree", "disagree"}:
        values |= {"second": given, "second_by": actor, "second_at_ms": now_ms}
    _set(connection, opinion.case_id, values)


def undone(connection: sa.Connection, opinion: Opinion) -> None:
    """A verdict was taken back: one that was to come back does not, one that settled a disagreement leaves it open."""
    if opinion.state == "settled":
        _set(connection, opinion.case_id, {"state": "disagreed"})
    elif opinion.state == "chosen":
        forget(connection, opinion.case_id)


def come_back(connection: sa.Connection, case_id: str, now_ms: int) -> None:
    _set(connection, case_id, {"state": "asked", "from_ms": now_ms})


def forget(connection: sa.Connection, case_id: str) -> None:
    connection.execute(sa.delete(tables.opinions).where(_HELD.case_id == case_id))


def agreement(connection: sa.Connection, since_ms: int) -> Agreement:
    """Of the second verdicts since a moment."""
    query = sa.select(_HELD.verdict, _HELD.second, sa.func.count()).where(_HELD.second_at_ms >= since_ms)
    rows = connection.execute(query.group_by(_HELD.verdict, _HELD.second))
    return agreed(Counter({(first, second): number for first, second, number in rows}))


def agreed(pairs: Counter[tuple[str, str]]) -> Agreement:
    """Cohen, A coefficient of agreement for nominal scales (1960)."""
    judged, alike = pairs.total(), sum(number for (first, second), number in pairs.items() if first == second)
    firsts, seconds = Counter[str](), Counter[str]()
    for (first, second), number in pairs.items():
        firsts[first] += number
        seconds[second] += number
    if len(firsts) < 2 or len(seconds) < 2:
        return Agreement(judged, alike, None)
    by_chance = sum(firsts[each] * seconds[each] for each in firsts) / judged**2
    return Agreement(judged, alike, (alike / judged - by_chance) / (1 - by_chance))


def _set(connection: sa.Connection, case_id: str, values: dict[str, Any]) -> None:
    connection.execute(sa.update(tables.opinions).where(_HELD.case_id == case_id).values(values))
