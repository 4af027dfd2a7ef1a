"""How far a disclosure has come. What the table does not allow is refused."""

from collections.abc import Mapping
from typing import Literal, get_args

from sharing.errors import TransitionRefused

State = Literal["pending", "delivered", "acknowledged", "refused", "overdue", "corrected", "withdrawn", "deleted"]
STATES: tuple[State, ...] = get_args(State)
Kind = Literal["disclosure", "correction", "withdrawal", "deletion", "notice"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# A late answer is an answer; a refused message may be sent again when a person has mended what the partner refused.
# What was withdrawn or corrected may still have to be deleted; nothing comes after a deletion.
_SUPERSEDED: frozenset[State] = frozenset({"corrected", "withdrawn", "deleted"})
TRANSITIONS: Mapping[State, frozenset[State]] = {
    "pending": _SUPERSEDED | {"delivered", "overdue"},
    "delivered": _SUPERSEDED | {"acknowledged", "refused", "overdue"},
    "overdue": _SUPERSEDED | {"acknowledged", "refused"},
    "acknowledged": _SUPERSEDED,
    "refused": _SUPERSEDED | {"pending"},
    "corrected": frozenset({"deleted"}),
    "withdrawn": frozenset({"deleted"}),
    "deleted": frozenset(),
}

# What becomes of a disclosure when a message of that kind supersedes it.
SUPERSEDES: Mapping[Kind, State] = {"correction": "corrected", "withdrawal": "withdrawn", "deletion": "deleted"}
SUPERSEDED = _SUPERSEDED
AWAITED: frozenset[State] = frozenset({"delivered", "overdue"})  # an answer is due


def moved(state: State, to: State) -> State:
    """`to`, where the table allows it. Raises TransitionRefused."""
    if to not in TRANSITIONS[state]:
        allowed = ", ".join(sorted(TRANSITIONS[state])) or "nothing"
        raise TransitionRefused(f"a disclosure that is {state} cannot become {to}; expected {allowed}")
    return to


def urgent(kind: Kind) -> bool:
    """Whether a message of that kind goes ahead of limits and pauses: it tells nothing new of anybody.

    It takes something back, puts it right, or is about the partner's own stream (a notice).
    """
    return kind != "disclosure"
