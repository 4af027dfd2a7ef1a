"""What may become of a case: its states, every action that there is, and who may take it.

A claim is a lease: it ends by itself unless it is renewed, and whoever holds it decides. A high amount takes two
people: the first to approve leaves it to a second one. What a verdict sets off leaves the house a minute later; until
then the one who decided may undo it. Some decided cases come back blind (review.opinions): the second verdict agrees or
disagrees, or is forgone when nobody gives it in time.
"""

from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from review.errors import TransitionRefused

State = Literal["open", "claimed", "snoozed", "waiting", "decided", "reopened", "joined"]
Action = Literal[
    "claim", "renew", "release", "take", "lapse", "snooze", "wake", "ask", "answer", "escalate", "second_look",
    "dismiss", "confirm_fraud", "default", "undo", "contest",
    "join", "follow", "rejoin", "part",
    "unask", "reconsider", "agree", "disagree", "forgo",
]  # fmt: skip
STATES: tuple[State, ...] = get_args(State)
ACTIONS: tuple[Action, ...] = get_args(Action)

LEASE_MS = 10 * 60_000
UNDO_MS = 60_000

UNHELD: tuple[State, ...] = ("open", "reopened", "snoozed", "waiting")

# Every change of state that there is; whatever is not here is refused.
TRANSITIONS: Mapping[tuple[State, Action], State] = {
    **{(state, "claim"): "claimed" for state in UNHELD},
    ("claimed", "renew"): "claimed",
    ("claimed", "release"): "open",
    ("claimed", "take"): "open",
    ("claimed", "lapse"): "open",
    ("claimed", "snooze"): "snoozed",
    ("snoozed", "wake"): "open",
    ("claimed", "ask"): "waiting",
    ("waiting", "answer"): "open",
    ("waiting", "unask"): "claimed",
    ("claimed", "escalate"): "open",
    ("claimed", "second_look"): "open",
    ("claimed", "dismiss"): "decided",
    ("claimed", "confirm_fraud"): "decided",
    **{(state, "default"): "decided" for state in UNHELD},
    ("decided", "undo"): "claimed",
    ("decided", "contest"): "reopened",
    ("open", "join"): "joined",
    ("joined", "follow"): "decided",
    ("decided", "rejoin"): "joined",
    ("joined", "part"): "open",
    ("decided", "reconsider"): "open",
    ("claimed", "agree"): "decided",
    ("claimed", "disagree"): "open",
    **{(state, "forgo"): "decided" for state in UNHELD},
}

# What only the person does who holds the claim.
HOLDERS: frozenset[Action] = frozenset(
    {"renew", "release", "snooze", "ask", "escalate", "second_look", "dismiss", "confirm_fraud", "agree", "disagree"}
)


# What happens to an order that was joined to another case, only ever with that case: nobody takes these by themselves.
WITH_THE_LEAD: frozenset[Action] = frozenset({"join", "follow", "rejoin", "part"})


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """How far a case has come. `holder` has it until `until_ms`, or decided it; a snoozed case wakes then.

    `first_look` names who approved a high amount first. `due_at_ms`: when the default outcome takes over.
    """

    state: State = "open"
    holder: str | None = None
    until_ms: int | None = None
    decided_at_ms: int | None = None
    due_at_ms: int | None = None
    escalated: bool = False
    first_look: str | None = None


def after(work: Work, action: Action, actor: str, now_ms: int, *, until_ms: int | None = None) -> Work:
    """The work after the action. `until_ms`: when a snoozed case wakes.

    Raises TransitionRefused, saying what the case's state takes, who holds it or until when something was possible.
    """
    state = TRANSITIONS.get((work.state, action))
    if state is None:
        taken = sorted(each for origin, each in TRANSITIONS if origin == work.state and each not in WITH_THE_LEAD)
        allowed = ", ".join(taken) or "what the case takes that leads it"
        values = {"state": work.state, "action": action, "allowed": allowed}
        raise TransitionRefused("a case that is {state} does not take {action}; it takes {allowed}", **values)
    _check(work, action, actor, now_ms)
    if action in {"claim", "renew", "undo", "unask"}:
        return msgspec.structs.replace(work, state=state, holder=actor, until_ms=now_ms + LEASE_MS, decided_at_ms=None)
    if action == "snooze":
        return msgspec.structs.replace(work, state=state, holder=None, until_ms=until_ms)
    if state == "decided":
        return msgspec.structs.replace(work, state=state, holder=actor, until_ms=None, decided_at_ms=now_ms)
    return msgspec.structs.replace(
        work,
        state=state,
        holder=None,
        until_ms=None,
        decided_at_ms=None,
        escalated=work.escalated or action in {"escalate", "disagree"},
        first_look=_first_look(work, action, actor),
    )


def _first_look(work: Work, action: Action, actor: str) -> str | None:
    """Who approved first; a case that comes back is looked at twice anew."""
    if action == "second_look":
        return actor
    return None if action in {"contest", "reconsider"} else work.first_look


def _check(work: Work, action: Action, actor: str, now_ms: int) -> None:
    over = work.until_ms is not None and now_ms >= work.until_ms
    if action in HOLDERS and actor != work.holder:
        raise TransitionRefused("the case is held by {holder}", holder=work.holder)
    if action in HOLDERS and over:
        raise TransitionRefused("your claim has ended; claim the case again")
    if action in {"lapse", "wake"} and not over:
        raise TransitionRefused("it is too early for {action}", action=action)
    if action == "default" and (work.due_at_ms is None or now_ms < work.due_at_ms):
        raise TransitionRefused("the case is not due yet")
    if action == "undo":
        _check_undo(work, actor, now_ms)
    if action in {"dismiss", "second_look"} and actor == work.first_look:
        raise TransitionRefused("you had the first look; somebody else has the second one")


def _check_undo(work: Work, actor: str, now_ms: int) -> None:
    if actor != work.holder:
        raise TransitionRefused("only {holder}, who decided, may undo it", holder=work.holder)
    if work.decided_at_ms is None or now_ms >= work.decided_at_ms + UNDO_MS:
        raise TransitionRefused("a verdict can be undone for {seconds} seconds", seconds=UNDO_MS // 1000)
