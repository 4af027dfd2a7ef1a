from typing import get_args

import pytest

from review.cases import TRANSITIONS, Action, Status, after
from review.errors import TransitionRefused


def test_the_table_of_transitions_is_this() -> None:
    assert dict(TRANSITIONS) == {("open", "confirm_fraud"): "decided", ("open", "dismiss"): "decided"}


@pytest.mark.parametrize("status", get_args(Status))
@pytest.mark.parametrize("action", get_args(Action))
def test_whatever_is_not_in_the_table_is_refused(status: Status, action: Action) -> None:
    if (status, action) in TRANSITIONS:
        assert after(status, action) == TRANSITIONS[status, action]
    else:
        with pytest.raises(TransitionRefused, match=f"a case that is {status} does not take {action}; it takes none"):
            after(status, action)
