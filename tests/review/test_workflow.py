import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from review.errors import TransitionRefused
from review.workflow import ACTIONS, LEASE_MS, STATES, TRANSITIONS, UNDO_MS, Action, Work, after

NOW_MS = 1_800_000_000_000
HELD = Work(state="claimed", holder="noura", until_ms=NOW_MS + LEASE_MS)


def test_every_state_can_be_come_to_and_every_action_is_somewhere_allowed() -> None:
    assert {*TRANSITIONS.values(), "open"} == set(STATES)
    assert {action for _, action in TRANSITIONS} == set(ACTIONS)


@given(st.sampled_from(STATES), st.sampled_from(ACTIONS))
def test_what_the_table_has_not_is_refused_with_what_it_has(state: str, action: Action) -> None:
    work = msgspec.structs.replace(HELD, state=state)
    if (state, action) not in TRANSITIONS:
        with pytest.raises(TransitionRefused, match=f"^a case that is {state} does not take {action}; it takes "):
            after(work, action, "noura", NOW_MS)


def test_a_claim_holds_for_ten_minutes_and_is_renewed() -> None:
    claimed = after(Work(), "claim", "noura", NOW_MS)
    assert claimed == HELD
    renewed = after(claimed, "renew", "noura", NOW_MS + 1)
    assert renewed.until_ms == NOW_MS + 1 + LEASE_MS


def test_nobody_claims_what_is_held_nor_decides_it_for_the_holder() -> None:
    with pytest.raises(TransitionRefused, match="a case that is claimed does not take claim"):
        after(HELD, "claim", "salem", NOW_MS)
    with pytest.raises(TransitionRefused, match=r"^the case is held by noura$"):
        after(HELD, "dismiss", "salem", NOW_MS)


def test_a_claim_that_has_ended_decides_nothing_and_lapses() -> None:
    assert HELD.until_ms is not None
    with pytest.raises(TransitionRefused, match=r"^your claim has ended; claim the case again$"):
        after(HELD, "dismiss", "noura", HELD.until_ms)
    with pytest.raises(TransitionRefused, match=r"^it is too early for lapse$"):
        after(HELD, "lapse", "clock", HELD.until_ms - 1)
    assert after(HELD, "lapse", "clock", HELD.until_ms) == Work()


def test_a_verdict_can_be_undone_for_a_minute_by_who_gave_it() -> None:
    decided = after(HELD, "confirm_fraud", "noura", NOW_MS)
    assert (decided.state, decided.holder, decided.decided_at_ms) == ("decided", "noura", NOW_MS)
    assert after(decided, "undo", "noura", NOW_MS + UNDO_MS - 1).state == "claimed"
    with pytest.raises(TransitionRefused, match=r"^a verdict can be undone for 60 seconds$"):
        after(decided, "undo", "noura", NOW_MS + UNDO_MS)
    with pytest.raises(TransitionRefused, match=r"^only noura, who decided, may undo it$"):
        after(decided, "undo", "salem", NOW_MS)


def test_a_second_look_is_somebody_elses() -> None:
    first = after(HELD, "second_look", "noura", NOW_MS)
    assert (first.state, first.first_look) == ("open", "noura")
    again = after(first, "claim", "noura", NOW_MS)
    with pytest.raises(TransitionRefused, match=r"^you had the first look; somebody else has the second one$"):
        after(again, "dismiss", "noura", NOW_MS)
    assert after(again, "confirm_fraud", "noura", NOW_MS).state == "decided"
    second = after(first, "claim", "salem", NOW_MS)
    assert after(second, "dismiss", "salem", NOW_MS).state == "decided"


def test_a_snoozed_case_wakes_at_its_time_and_may_be_claimed_before() -> None:
    snoozed = after(HELD, "snooze", "noura", NOW_MS, until_ms=NOW_MS + 5)
    with pytest.raises(TransitionRefused, match=r"^it is too early for wake$"):
        after(snoozed, "wake", "clock", NOW_MS + 4)
    assert after(snoozed, "wake", "clock", NOW_MS + 5) == Work()
    assert after(snoozed, "claim", "salem", NOW_MS + 1).holder == "salem"


def test_a_due_case_is_decided_by_default_unless_somebody_holds_it() -> None:
    due = Work(due_at_ms=NOW_MS)
    with pytest.raises(TransitionRefused, match=r"^the case is not due yet$"):
        after(due, "default", "clock", NOW_MS - 1)
    assert after(due, "default", "clock", NOW_MS).state == "decided"
    with pytest.raises(TransitionRefused, match="a case that is claimed does not take default"):
        after(msgspec.structs.replace(HELD, due_at_ms=NOW_MS), "default", "clock", NOW_MS)


def test_an_escalated_case_stays_marked_and_a_contested_one_comes_back() -> None:
    escalated = after(HELD, "escalate", "noura", NOW_MS)
    assert escalated == Work(escalated=True)
    decided = after(after(escalated, "claim", "lina", NOW_MS), "confirm_fraud", "lina", NOW_MS)
    contested = after(decided, "contest", "orders", NOW_MS + UNDO_MS)
    assert contested == Work(state="reopened", escalated=True)


def test_a_case_that_comes_back_is_looked_at_twice_anew() -> None:
    looked = msgspec.structs.replace(HELD, holder="salem", first_look="noura")
    decided = after(looked, "dismiss", "salem", NOW_MS)
    assert after(decided, "contest", "orders", NOW_MS).first_look is None


@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.sampled_from(["noura", "salem"]), st.integers(0, 900_000))))
def test_whatever_people_try_a_case_has_one_holder_or_none(steps: list[tuple[Action, str, int]]) -> None:
    work, now_ms = Work(due_at_ms=NOW_MS + 3_600_000), NOW_MS
    for action, actor, waited_ms in steps:
        now_ms += waited_ms
        try:
            work = after(work, action, actor, now_ms, until_ms=now_ms + 60_000)
        except TransitionRefused:
            continue
        assert (work.holder is not None) == (work.state in {"claimed", "decided"})
        assert (work.until_ms is not None) == (work.state in {"claimed", "snoozed"})
        assert (work.decided_at_ms is not None) == (work.state == "decided")
