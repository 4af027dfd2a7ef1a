import itertools

import pytest

from sharing.delivery.lifecycle import KINDS, STATES, SUPERSEDES, TRANSITIONS, State, moved, urgent
from sharing.errors import TransitionRefused

ALLOWED = {
    ("pending", "delivered"), ("pending", "overdue"),
    ("pending", "corrected"), ("pending", "withdrawn"), ("pending", "deleted"),
    ("delivered", "acknowledged"), ("delivered", "refused"), ("delivered", "overdue"),
    ("delivered", "corrected"), ("delivered", "withdrawn"), ("delivered", "deleted"),
    ("overdue", "acknowledged"), ("overdue", "refused"),
    ("overdue", "corrected"), ("overdue", "withdrawn"), ("overdue", "deleted"),
    ("acknowledged", "corrected"), ("acknowledged", "withdrawn"), ("acknowledged", "deleted"),
    ("refused", "pending"), ("refused", "corrected"), ("refused", "withdrawn"), ("refused", "deleted"),
    ("corrected", "deleted"), ("withdrawn", "deleted"),
}  # fmt: skip


def test_the_table_covers_every_state() -> None:
    assert set(TRANSITIONS) == set(STATES)


@pytest.mark.parametrize(("state", "to"), list(itertools.product(STATES, STATES)))
def test_only_what_is_listed_is_allowed(state: State, to: State) -> None:
    if (state, to) in ALLOWED:
        assert moved(state, to) == to
    else:
        with pytest.raises(TransitionRefused, match=f"is {state} cannot become {to}"):
            moved(state, to)


def test_only_what_tells_something_new_waits_for_limits_and_pauses() -> None:
    assert [kind for kind in KINDS if urgent(kind)] == ["correction", "withdrawal", "deletion", "notice"]
    assert [SUPERSEDES[kind] for kind in ("correction", "withdrawal", "deletion")] == [
        "corrected", "withdrawn", "deleted",
    ]  # fmt: skip
