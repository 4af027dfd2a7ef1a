"""Cases that nobody decides in time, and what leaves for the order service, on SQLite and on PostgreSQL."""

import msgspec
import pytest
import sqlalchemy as sa

from models.decisions import Decision, Outcome
from review import tables
from review.cases import Case
from review.chores import Chores
from review.desk import LEAVES_MS, Desk
from review.errors import TransitionRefused
from review.opener import Vault, open_case
from review.policy import HOUR_MS, POLICY, Policy, default_of
from review.queue import Filter, page
from review.store import CaseStore
from tests.review.examples import NOW_MS, decision
from tests.sharing.orders import ORDER

DAY_MS = 24 * HOUR_MS


@pytest.fixture
def case(store: CaseStore, vault: Vault) -> Case:
    case = open_case(decision(outcome="review"), ORDER, vault, NOW_MS)
    store.take_in(case)
    return case


def left(store: CaseStore, now_ms: int) -> list[Decision]:
    return [each for _, each in store.pending_decisions(now_ms)]


def test_a_case_is_due_by_its_outcome_and_shows_as_overdue(engine: sa.Engine, store: CaseStore, case: Case) -> None:
    assert case.due_at_ms == NOW_MS + DAY_MS
    assert page(engine, Filter(view="overdue"), "noura", now_ms=NOW_MS + DAY_MS - 1).cases == ()
    assert page(engine, Filter(view="overdue"), "noura", now_ms=NOW_MS + DAY_MS).cases == (case,)


def test_what_nobody_decided_in_time_is_nobodys_verdict(engine: sa.Engine, store: CaseStore, case: Case) -> None:
    desk = Desk(engine)
    assert desk.tick(NOW_MS + DAY_MS - 1) == 0
    assert (desk.tick(NOW_MS + DAY_MS), desk.tick(NOW_MS + DAY_MS)) == (1, 0)
    due = store.get("ord-1")
    assert (due.status, due.resolved, due.verdict, due.decided_by) == ("decided", "approve", None, "clock")
    assert store.pending_labels(NOW_MS + 9 * DAY_MS) == ()
    with engine.connect() as connection:
        assert connection.scalars(sa.select(tables.triggers.c.kind)).all() == ["flagged"]
    (superseding,) = left(store, NOW_MS + DAY_MS)
    assert (superseding.outcome, superseding.mode, superseding.revision, superseding.flags) == (
        *("approve", "analyst", 2),
        ("due",),
    )


def test_who_holds_a_case_is_not_overruled_by_the_clock(engine: sa.Engine, store: CaseStore, case: Case) -> None:
    desk = Desk(engine)
    desk.act(case, "claim", "noura", NOW_MS + DAY_MS - 1)
    assert desk.tick(NOW_MS + DAY_MS) == 0


def test_without_a_default_a_case_stays_overdue(engine: sa.Engine, store: CaseStore, case: Case) -> None:
    assert Desk(engine, policy=Policy(due_h={"review": 1})).tick(NOW_MS + DAY_MS) == 0


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, "approve"),
        ({"outcome": "block"}, "block"),
        ({"escalated": True}, "block"),
        ({"contested": True}, "block"),
        ({"first_look": "noura"}, "block"),
        ({"amount_minor": 2_000_000}, "block"),
    ],
)
def test_the_clock_approves_nothing_that_was_doubted(case: Case, changes: dict[str, object], outcome: Outcome) -> None:
    assert default_of(POLICY, msgspec.structs.replace(case, **changes)) == outcome  # type: ignore[arg-type]


def test_a_verdict_supersedes_the_machines_decision_a_minute_later(
    engine: sa.Engine, store: CaseStore, case: Case
) -> None:
    decided = Desk(engine).decide(case, "confirm_fraud", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    assert left(store, NOW_MS + LEAVES_MS - 1) == []
    (superseding,) = left(store, NOW_MS + LEAVES_MS)
    assert superseding == Decision(
        decision_id="topic:0:17",
        revision=decided.version,
        order_id="ord-1",
        source=msgspec.structs.replace(decision().source, topic="orders"),
        occurred_at_ms=case.occurred_at_ms,
        outcome="block",
        mode="analyst",
        score=case.score,
        reasons=case.reasons,
        amount_minor=129_950,
        currency="SAR",
    )
    assert superseding.source.text() == case.decision_id


def test_an_undone_verdict_supersedes_nothing_and_the_next_one_has_a_higher_revision(
    engine: sa.Engine, store: CaseStore, case: Case
) -> None:
    desk = Desk(engine)
    decided = desk.decide(case, "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    undone = desk.act(decided, "undo", "noura", NOW_MS + 1)
    assert (undone.resolved, left(store, NOW_MS + DAY_MS)) == (None, [])
    desk.decide(undone, "confirm_fraud", reason=b"sealed", actor="noura", now_ms=NOW_MS + 2)
    (superseding,) = left(store, NOW_MS + DAY_MS)
    assert (superseding.outcome, superseding.revision > decided.version) == ("block", True)


def test_decisions_wait_for_whoever_takes_them_and_leave_once(engine: sa.Engine, store: CaseStore, case: Case) -> None:
    desk, published = Desk(engine, leaves_ms=0), list[Decision]()
    desk.decide(case, "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    Chores(desk, store, lambda _: None, lambda: NOW_MS).round()
    chores = Chores(desk, store, lambda _: None, lambda: NOW_MS, supersede=published.extend)
    chores.round()
    chores.round()
    assert [(each.order_id, each.outcome) for each in published] == [("ord-1", "approve")]


def test_a_block_can_be_contested_and_is_due_anew(engine: sa.Engine, store: CaseStore, case: Case) -> None:
    desk = Desk(engine, leaves_ms=0)
    decided = desk.decide(case, "confirm_fraud", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    contested = desk.act(decided, "contest", "orders", NOW_MS + DAY_MS)
    assert (contested.status, contested.verdict, contested.resolved) == ("reopened", None, None)
    assert (contested.contested, contested.due_at_ms) == (True, NOW_MS + 2 * DAY_MS)
    approved = desk.decide(contested, "dismiss", reason=b"sealed", actor="salem", now_ms=NOW_MS + DAY_MS)
    with pytest.raises(TransitionRefused, match=r"^only a block can be contested$"):
        desk.act(approved, "contest", "orders", NOW_MS + DAY_MS)
