"""What pages and the API do alike: check what was asked, seal the words, have the desk act."""

from collections.abc import Collection, Mapping

from events.cards import holds_card_number
from events.legible import seen
from events.questions import Answer, Question
from review import finding, opinions, tags
from review.access.roles import permissions
from review.cases import Case, Verdict
from review.console.house import House
from review.console.words import marked
from review.desk import VERDICTS
from review.errors import StaleCase, TransitionRefused, Unfit
from review.workflow import UNDO_MS, Action

HOUR_MS = 3_600_000
SNOOZE_HOURS = (1, 4, 24)
ACTIONS: Mapping[str, Action] = {
    **{each: each for each in ("claim", "renew", "release", "snooze", "ask", "escalate")},
    **{each: each for each in ("dismiss", "confirm_fraud", "undo", "unask")},
}
UNREASONED = frozenset({"claim", "renew", "release", "undo", "unask"})
SHORTEST, LONGEST = 3, 1000


def perform(
    house: House,
    actor: str,
    case_id: str,
    action: Action,
    version: int,
    reason: str = "",
    hours: int = SNOOZE_HOURS[0],
    question: Question = "customer_placed",
) -> Case:
    """One action on the case as it was read at `version`.

    Raises StaleCase where it is another one now, Unfit for words that are no reason, and what the desk refuses.
    """
    case = _as_read(house, case_id, version)
    if hours not in SNOOZE_HOURS:
        raise Unfit(marked("A case sleeps for 1, 4 or 24 hours."))
    words = "" if action in UNREASONED else fit(reason)
    now_ms = house.clock()
    sealed = house.sealed(case, "reason" if action in VERDICTS else "note", words) if words else None
    if action in VERDICTS:
        assert sealed is not None
        return house.desk.decide(case, VERDICTS[action], reason=sealed, actor=actor, now_ms=now_ms)
    if action == "ask":
        assert sealed is not None
        return house.desk.ask(case, question, reason=sealed, actor=actor, now_ms=now_ms)
    until_ms = now_ms + hours * HOUR_MS if action == "snooze" else None
    return house.desk.act(case, action, actor, now_ms, until_ms=until_ms, reason=sealed)


def decided_so(case: Case, verdict: Verdict, actor: str, version: int, now_ms: int) -> bool:
    """Whether the same person has just decided it so, from the same page: claimed and decided, or decided alone."""
    return undoable(case, actor, now_ms) and case.verdict == verdict and version < case.version <= version + 2


def undoable(case: Case, actor: str, now_ms: int) -> bool:
    """Whether it is the person's own verdict, and its minute runs; an order that was joined is undone by its lead."""
    mine = case.lead is None and case.status == "decided" and case.verdict is not None and case.holder == actor
    return mine and case.decided_at_ms is not None and now_ms < case.decided_at_ms + UNDO_MS


def assign(house: House, actor: str, case_id: str, to: str | None, version: int) -> Case:
    """Make the case somebody's work who works on cases, or nobody's. Raises Unfit for anybody else, and as the desk."""
    case = _as_read(house, case_id, version)
    if to is not None and to not in workers(house):
        raise Unfit(marked("Nobody of that name works on cases."))
    return house.desk.assign(case, to, actor, house.clock())


def keep(house: House, actor: str, case_id: str, version: int, kept: bool = True) -> Case:
    """Make a case one's own work that is nobody's, or give up one's own. Raises TransitionRefused for others'."""
    case = _as_read(house, case_id, version)
    if case.assignee not in {None, actor} or (kept and case.status == "claimed" and case.holder != actor):
        raise TransitionRefused(marked("This case is somebody else's work; a lead may assign it."))
    return house.desk.assign(case, actor if kept else None, actor, house.clock())


def tag(house: House, actor: str, case_id: str, put: Collection[str], off: Collection[str]) -> Case:
    """Put tags of the policy's on a case, and take others off. Raises Unfit for any other word."""
    case = house.cases.get(case_id)
    check_free(house, case, actor)
    tags.change(house.engine, house.desk.policy, case.decision_id, actor, house.clock(), put=put, off=off)
    return case


def workers(house: House) -> tuple[str, ...]:
    """Who may be assigned a case, by name."""
    accounts = (each for each in house.access.list() if not each.disabled)
    return tuple(each.username for each in accounts if "case.work" in permissions(each.roles))


def _as_read(house: House, case_id: str, version: int) -> Case:
    case = house.cases.get(case_id)
    if version != case.version:
        raise StaleCase(marked("Somebody else changed this case since you opened it."))
    return case


def contest(house: House, actor: str, case_id: str, reason: str) -> Case:
    """A block that was decided comes back to people. Raises TransitionRefused where there is none, Unfit."""
    case = house.cases.get(case_id)
    return house.desk.act(case, "contest", actor, house.clock(), reason=house.sealed(case, "note", fit(reason)))


def answer(house: House, actor: str, case_id: str, question_id: str, said: Answer) -> Case:
    """What the order service says to a question. Raises UnknownCase, TransitionRefused, StaleCase."""
    case = house.cases.get(case_id)
    return house.desk.answer(case, question_id, said, actor=actor, now_ms=house.clock())


def check_free(house: House, case: Case, actor: str) -> None:
    """Raises TransitionRefused for who judged a case that is back: what they leave there could tell how."""
    opinions.check_free(opinions.standing(house.engine, case.decision_id), actor)


def write_down(house: House, actor: str, case_id: str, body: str) -> Case:
    """A note beside the case. Raises Unfit for words that are none."""
    case = house.cases.get(case_id)
    check_free(house, case, actor)
    house.desk.write(case, house.sealed(case, "note", fit(body)), actor, house.clock())
    return case


def see(house: House, actor: str, case: Case, field: str, reason: str) -> str | None:
    """One value in clear, for a reason that is kept. Raises Unfit, TooMany, NotFindable, and Erased of the vault."""
    words, now_ms = fit(reason), house.clock()
    check_free(house, case, actor)
    value = finding.reveal(house.engine, house.envelopes, case, field, actor, now_ms)
    house.desk.write(case, house.sealed(case, "note", f"{field}: {words}"), actor, now_ms, "reveal")
    return value


def fit(text: str) -> str:
    """The words without what surrounds them. Raises Unfit."""
    words = text.strip()
    if len(seen(words)) < SHORTEST or len(words) > LONGEST or holds_card_number(words):
        raise Unfit(marked("A reason or a note has 3 to 1000 characters and no card number."))
    return words
