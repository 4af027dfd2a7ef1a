"""Verdicts that come back blind to somebody else, on SQLite and on PostgreSQL."""

from collections import Counter

import msgspec
import pytest
import sqlalchemy as sa

from review import opinions
from review.cases import Case, Verdict
from review.desk import LEAVES_MS, Desk
from review.errors import TransitionRefused
from review.opener import Vault, open_case
from review.opinions import Agreement, agreed, agreement, is_chosen
from review.policy import HOUR_MS, POLICY, Policy
from review.store import CaseStore
from review.workflow import UNDO_MS
from tests.review.examples import NOW_MS, decision
from tests.sharing.orders import ORDER

ALL = Policy(due_h={"block": 72}, default={"block": "block"}, seen_again={"dismiss": 1.0, "confirm_fraud": 1.0})
BACK_MS = NOW_MS + LEAVES_MS


@pytest.fixture
def desk(engine: sa.Engine) -> Desk:
    return Desk(engine, policy=ALL)


@pytest.fixture
def case(store: CaseStore, vault: Vault) -> Case:
    case = open_case(decision(), ORDER, vault, NOW_MS)
    store.take_in(case)
    return case


def decide(desk: Desk, case: Case, verdict: Verdict, actor: str, now_ms: int) -> Case:
    return desk.decide(case, verdict, reason=b"of " + actor.encode(), actor=actor, now_ms=now_ms)


@pytest.fixture
def back(desk: Desk, store: CaseStore, case: Case) -> Case:
    """Approved by noura, what she set off has left, and it is open again."""
    decide(desk, case, "dismiss", "noura", NOW_MS)
    desk.tick(BACK_MS)
    leave(store)
    return store.get("ord-1")


def leave(store: CaseStore) -> None:
    gone = [label.event_id for label in store.pending_labels(BACK_MS)]
    store.mark_published([*gone, *(event_id for event_id, _ in store.pending_decisions(BACK_MS))])


def waiting(store: CaseStore) -> tuple[int, int]:
    """How many labels, and decisions, are still to leave, whenever."""
    return len(store.pending_labels(2 * NOW_MS)), len(store.pending_decisions(2 * NOW_MS))


def test_a_case_comes_back_a_minute_later_and_looks_as_if_nobody_had_judged_it(
    desk: Desk, store: CaseStore, case: Case
) -> None:
    decided = decide(desk, case, "dismiss", "noura", NOW_MS)
    assert desk.tick(BACK_MS - 1) == 0
    assert store.get("ord-1") == decided
    assert (desk.tick(BACK_MS), desk.tick(BACK_MS)) == (1, 0)
    untouched = msgspec.structs.replace(case, version=decided.version + 1, due_at_ms=BACK_MS + 72 * HOUR_MS)
    assert store.get("ord-1") == untouched


def test_a_verdict_that_was_undone_does_not_come_back(desk: Desk, store: CaseStore, case: Case) -> None:
    decided = decide(desk, case, "dismiss", "noura", NOW_MS)
    desk.act(decided, "undo", "noura", NOW_MS + UNDO_MS - 1)
    assert desk.tick(BACK_MS) == 0


def test_who_has_judged_it_is_not_given_it_and_cannot_take_it(desk: Desk, back: Case) -> None:
    assert desk.next("noura", BACK_MS) is None
    with pytest.raises(TransitionRefused, match=r"^you have judged this case; somebody else looks at it now$"):
        desk.act(back, "claim", "noura", BACK_MS)
    found = desk.next("salem", BACK_MS)
    assert found is not None
    assert found.holder == "salem"


def test_it_is_assigned_to_nobody_who_has_judged_it_and_stays_with_nobody_who_disagrees(
    desk: Desk, store: CaseStore, back: Case
) -> None:
    with pytest.raises(TransitionRefused, match=r"^noura is not given this case; assign it to somebody else$"):
        desk.assign(back, "noura", "lead", BACK_MS)
    decide(desk, desk.assign(back, "salem", "lead", BACK_MS), "confirm_fraud", "salem", BACK_MS)
    third = desk.next("lina", BACK_MS)
    assert third is not None
    assert (third.decision_id, third.assignee) == (back.decision_id, None)


def test_who_had_the_first_look_at_a_high_amount_is_not_given_it_either(
    engine: sa.Engine, store: CaseStore, case: Case
) -> None:
    desk = Desk(engine, policy=msgspec.structs.replace(ALL, second_look={"SAR": 1}))
    decide(desk, decide(desk, case, "dismiss", "lina", NOW_MS), "dismiss", "noura", NOW_MS)
    desk.tick(BACK_MS)
    assert store.get("ord-1").first_look is None
    assert (desk.next("lina", BACK_MS), desk.next("noura", BACK_MS)) == (None, None)
    second = desk.next("salem", BACK_MS)
    assert second is not None
    assert decide(desk, second, "dismiss", "salem", BACK_MS).first_look == "lina"


def test_who_agrees_restores_the_case_and_nothing_leaves(
    engine: sa.Engine, desk: Desk, store: CaseStore, case: Case, back: Case
) -> None:
    restored = decide(desk, back, "dismiss", "salem", BACK_MS)
    assert (restored.status, restored.verdict, restored.resolved) == ("decided", "dismiss", "approve")
    assert (restored.decided_by, restored.decided_at_ms, restored.reason) == ("noura", NOW_MS, b"of noura")
    assert restored.due_at_ms == case.due_at_ms
    assert waiting(store) == (0, 0)
    assert [(each.kind, each.actor, each.sealed_as, each.body) for each in desk.notes(restored)] == [
        ("agree", "salem", "reason", b"of salem")
    ]
    with engine.connect() as connection:
        assert agreement(connection, NOW_MS) == Agreement(1, 1, None)
    assert desk.tick(BACK_MS + LEAVES_MS) == 0


def test_who_disagrees_escalates_the_case_to_a_third_and_nothing_leaves(
    desk: Desk, store: CaseStore, back: Case
) -> None:
    doubted = decide(desk, back, "confirm_fraud", "salem", BACK_MS)
    assert (doubted.status, doubted.escalated, doubted.verdict, doubted.due_at_ms) == ("open", True, None, None)
    assert waiting(store) == (0, 0)
    assert (desk.next("noura", BACK_MS), desk.next("salem", BACK_MS)) == (None, None)
    assert desk.tick(BACK_MS + 999 * HOUR_MS) == 0


def test_the_third_persons_word_counts_and_leaves(desk: Desk, store: CaseStore, back: Case) -> None:
    doubted = decide(desk, back, "confirm_fraud", "salem", BACK_MS)
    decided = decide(desk, doubted, "confirm_fraud", "lina", BACK_MS + 1)
    assert (decided.status, decided.resolved, decided.decided_by) == ("decided", "block", "lina")
    assert waiting(store) == (1, 1)
    undone = desk.act(decided, "undo", "lina", BACK_MS + 2)
    assert waiting(store) == (0, 0)
    restored = decide(desk, undone, "dismiss", "lina", BACK_MS + 3)
    assert (restored.decided_by, restored.verdict, waiting(store)) == ("noura", "dismiss", (0, 0))


def test_where_nobody_decides_in_time_the_first_verdict_holds_and_no_agreement_is_counted(
    engine: sa.Engine, desk: Desk, store: CaseStore, back: Case
) -> None:
    assert desk.tick(BACK_MS + 72 * HOUR_MS) == 1
    case = store.get("ord-1")
    assert (case.status, case.verdict, case.decided_by, waiting(store)) == ("decided", "dismiss", "noura", (0, 0))
    with engine.connect() as connection:
        assert agreement(connection, NOW_MS) == Agreement(0, 0, None)


def test_a_block_can_be_contested_while_it_is_back_even_in_somebodys_hands(
    desk: Desk, store: CaseStore, case: Case
) -> None:
    decide(desk, case, "confirm_fraud", "noura", NOW_MS)
    desk.tick(BACK_MS)
    claimed = desk.next("salem", BACK_MS)
    assert claimed is not None
    contested = desk.act(claimed, "contest", "orders", BACK_MS)
    assert (contested.status, contested.contested, contested.holder) == ("reopened", True, None)
    assert desk.next("noura", BACK_MS) == store.get("ord-1")


def test_an_approval_that_is_back_cannot_be_contested(desk: Desk, back: Case) -> None:
    with pytest.raises(TransitionRefused, match=r"^only a block can be contested$"):
        desk.act(back, "contest", "orders", BACK_MS)


def test_a_case_that_was_contested_before_its_time_comes_back_as_that_alone(
    desk: Desk, store: CaseStore, case: Case
) -> None:
    decided = decide(desk, case, "confirm_fraud", "noura", NOW_MS)
    desk.act(decided, "contest", "orders", NOW_MS + 1)
    desk.tick(BACK_MS)
    assert store.get("ord-1").status == "reopened"
    assert desk.next("noura", BACK_MS) is not None


def test_which_cases_come_back_follows_from_their_ids_and_the_seed_alone() -> None:
    chosen = [n for n in range(10_000) if is_chosen(POLICY, f"topic:0:{n}", "dismiss")]
    assert 150 < len(chosen) < 250
    other = msgspec.structs.replace(POLICY, seed="another")
    assert chosen != [n for n in range(10_000) if is_chosen(other, f"topic:0:{n}", "dismiss")]
    assert not any(is_chosen(Policy(), f"topic:0:{n}", "dismiss") for n in range(100))


def test_agreement_beyond_chance_is_cohens() -> None:
    pairs = {("dismiss", "dismiss"): 20, ("dismiss", "confirm_fraud"): 5}
    pairs |= {("confirm_fraud", "dismiss"): 10, ("confirm_fraud", "confirm_fraud"): 15}
    assert agreed(Counter(pairs)) == Agreement(50, 35, pytest.approx(0.4))
    assert agreed(Counter({("dismiss", "dismiss"): 9, ("dismiss", "confirm_fraud"): 1})) == Agreement(10, 9, None)


def test_what_stands_of_a_case_that_is_back_is_known_until_it_is_decided(
    engine: sa.Engine, desk: Desk, back: Case
) -> None:
    found = opinions.standing(engine, back.decision_id)
    assert found is not None
    assert (found.state, found.from_ms, found.decided_by) == ("asked", BACK_MS, "noura")
    decide(desk, back, "dismiss", "salem", BACK_MS)
    assert opinions.standing(engine, back.decision_id) is None
