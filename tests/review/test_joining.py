"""Related orders in one case, on SQLite and on PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from history.database import make_engine
from models.decisions import Decision
from review import tables
from review.cases import Case
from review.database import upgrade
from review.desk import LEAVES_MS, Desk
from review.errors import StaleCase, TransitionRefused
from review.joining import Joined, JoiningStore, together
from review.policy import HOUR_MS, POLICY, Policy
from review.queue import Filter, page
from review.store import CaseStore
from review.workflow import UNDO_MS
from tests.review.examples import NOW_MS

JOINS = Policy(join_h=24, due_h={"review": 24, "block": 72}, default={"review": "approve", "block": "block"})


def order(number: int, **changes: Any) -> Case:
    """Of nobody's whom another order is of, unless the changes say so."""
    values: dict[str, Any] = {
        "decision_id": f"topic:0:{number}",
        "order_id": f"ord-{number}",
        "opened_at_ms": NOW_MS + number,
        "occurred_at_ms": NOW_MS,
        "outcome": "review",
        "mode": "model",
        "subject": f"customer-{number}",
        "amount_minor": 100,
        "currency": "SAR",
        "priority": 1.5,
        "due_at_ms": NOW_MS + 24 * HOUR_MS,
    }
    return Case(**values | changes)


@pytest.fixture
def store(engine: sa.Engine) -> CaseStore:
    return JoiningStore(engine, JOINS)


@pytest.fixture
def desk(engine: sa.Engine) -> Desk:
    return Desk(engine, policy=JOINS)


def leads(store: CaseStore) -> dict[str, str | None]:
    return {case.order_id: case.lead for case in store.list(limit=100)}


def joined(engine: sa.Engine, case: Case) -> Joined | None:
    with engine.connect() as connection:
        return together(connection, [case]).get(case.decision_id)


def waiting(engine: sa.Engine) -> list[tuple[str, int]]:
    """Kinds of triggers but `flagged`, and how many."""
    kind = tables.triggers.c.kind
    query = sa.select(kind, sa.func.count()).where(kind != "flagged").group_by(kind).order_by(kind)
    with engine.connect() as connection:
        return [(row[0], row[1]) for row in connection.execute(query)]


def superseded(store: CaseStore) -> list[Decision]:
    return [decision for _, decision in store.pending_decisions(NOW_MS + 9_999 * HOUR_MS)]


@pytest.mark.parametrize("same", [{"subject": "noura"}, {"card": "card"}, {"device": "phone"}])
def test_orders_of_one_customer_card_or_device_are_one_case(
    engine: sa.Engine, store: CaseStore, same: dict[str, str]
) -> None:
    store.take_in(order(1, **same))
    store.take_in(order(2, **same, due_at_ms=NOW_MS + HOUR_MS, currency="USD"))
    store.take_in(order(3))
    assert leads(store) == {"ord-1": None, "ord-2": "topic:0:1", "ord-3": None}
    case = store.get("ord-1")
    assert (case.priority, case.due_at_ms, case.version) == (3.0, NOW_MS + HOUR_MS, 2)
    assert joined(engine, case) == Joined(2, {"SAR": 100, "USD": 100})
    shown = page(engine, Filter(), "noura", now_ms=NOW_MS + 99 * HOUR_MS).cases
    assert [each.order_id for each in shown] == ["ord-1", "ord-3"]
    assert [each.order_id for each in page(engine, Filter(view="overdue"), "noura", now_ms=NOW_MS + HOUR_MS).cases] == [
        "ord-1"
    ]


def test_what_comes_at_once_is_joined_and_chains_lead_to_the_first(store: CaseStore) -> None:
    store.take_in_all([order(1, card="a"), order(2, card="a", device="b"), order(3, device="b")])
    store.take_in(order(4, device="b"))
    assert leads(store) == {"ord-1": None, **dict.fromkeys(("ord-2", "ord-3", "ord-4"), "topic:0:1")}


def test_a_repeat_joins_nothing_again(store: CaseStore) -> None:
    for _ in range(2):
        store.take_in_all([order(1, card="a"), order(2, card="a")])
    assert store.get("ord-1").version == 2


def test_outside_the_window_and_of_a_full_case_a_new_one_is_opened(engine: sa.Engine) -> None:
    store = JoiningStore(engine, msgspec.structs.replace(JOINS, join_most=2))
    for number, at_ms in ((1, 0), (2, 24 * HOUR_MS), (3, 24 * HOUR_MS), (4, 48 * HOUR_MS + 1)):
        store.take_in(order(number, card="a", opened_at_ms=NOW_MS + at_ms))
    assert leads(store) == {"ord-1": None, "ord-2": "topic:0:1", "ord-3": None, "ord-4": None}


@pytest.mark.parametrize("action", ["claim", "dismiss", "second_look", "contest"])
def test_what_somebody_has_in_hand_or_has_seen_is_not_added_to(store: CaseStore, desk: Desk, action: str) -> None:
    store.take_in(order(1, card="a"))
    claimed = desk.act(store.get("ord-1"), "claim", "noura", NOW_MS)
    if action == "contest":
        blocked = desk.act(claimed, "confirm_fraud", "noura", NOW_MS, reason=b"sealed")
        again = desk.act(desk.act(blocked, "contest", "orders", NOW_MS), "claim", "salem", NOW_MS)
        desk.act(again, "release", "salem", NOW_MS)
    elif action != "claim":
        desk.act(claimed, action, "noura", NOW_MS, reason=b"sealed")  # type: ignore[arg-type]
    store.take_in(order(2, card="a"))
    assert leads(store) == {"ord-1": None, "ord-2": None}


def test_nobody_decides_what_the_page_did_not_show_nor_an_order_without_its_case(store: CaseStore, desk: Desk) -> None:
    store.take_in(order(1, card="a"))
    seen = store.get("ord-1")
    store.take_in(order(2, card="a"))
    with pytest.raises(StaleCase):
        desk.decide(seen, "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    with pytest.raises(TransitionRefused, match="does not take claim; it takes what the case takes that leads it"):
        desk.decide(store.get("ord-2"), "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    with pytest.raises(TransitionRefused, match="goes with that one"):
        desk.act(store.get("ord-2"), "part", "noura", NOW_MS)
    assert desk.next("noura", NOW_MS) is not None
    assert desk.next("noura", NOW_MS) is None


def test_one_verdict_decides_all_and_each_order_has_its_label_decision_trigger_and_entry(
    engine: sa.Engine, store: CaseStore, desk: Desk
) -> None:
    store.take_in_all([order(1, card="a"), order(2, card="a"), order(3, card="a")])
    desk.decide(store.get("ord-1"), "confirm_fraud", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    cases = store.list(limit=9)
    assert {(each.status, each.verdict, each.resolved, each.decided_by, each.decided_at_ms) for each in cases} == {
        ("decided", "confirm_fraud", "block", "noura", NOW_MS)
    }
    assert [each.reason for each in cases] == [None, None, b"sealed"]  # sealed under the first order's key alone
    labels = store.pending_labels(NOW_MS + LEAVES_MS)
    assert [(type(each).__name__, each.order_id) for each in labels] == [
        ("FraudConfirmed", f"ord-{number}") for number in (1, 2, 3)
    ]
    assert [(each.order_id, each.outcome) for each in superseded(store)] == [
        (f"ord-{number}", "block") for number in (1, 2, 3)
    ]
    assert waiting(engine) == [("confirmed", 3)]
    trail = sa.select(tables.audit.c.case_id).where(tables.audit.c.action == "confirm_fraud")
    with engine.connect() as connection:
        assert sorted(connection.scalars(trail)) == ["topic:0:1", "topic:0:2", "topic:0:3"]


def test_an_undo_takes_all_back_and_the_next_verdict_decides_all_again(
    engine: sa.Engine, store: CaseStore, desk: Desk
) -> None:
    store.take_in_all([order(1, card="a"), order(2, card="a")])
    decided = desk.decide(store.get("ord-1"), "confirm_fraud", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    undone = desk.act(decided, "undo", "noura", NOW_MS + UNDO_MS - 1)
    member = store.get("ord-2")
    assert (undone.status, member.status, member.verdict, member.resolved) == ("claimed", "joined", None, None)
    assert (store.pending_labels(NOW_MS + LEAVES_MS), superseded(store), waiting(engine)) == ((), [], [])
    desk.decide(undone, "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS + UNDO_MS)
    assert [each.resolved for each in store.list(limit=9)] == ["approve", "approve"]


def test_a_contested_order_comes_back_alone(store: CaseStore, desk: Desk) -> None:
    store.take_in_all([order(1, card="a"), order(2, card="a"), order(3, card="a")])
    desk.decide(store.get("ord-1"), "confirm_fraud", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    back = desk.act(store.get("ord-2"), "contest", "orders", NOW_MS + HOUR_MS)
    assert (back.status, back.lead, back.contested) == ("reopened", None, True)
    desk.decide(back, "dismiss", reason=b"sealed", actor="salem", now_ms=NOW_MS + HOUR_MS)
    assert [each.resolved for each in store.list(limit=9)] == ["block", "approve", "block"]
    first = desk.act(store.get("ord-1"), "contest", "orders", NOW_MS + HOUR_MS)
    desk.decide(first, "dismiss", reason=b"sealed", actor="salem", now_ms=NOW_MS + HOUR_MS)
    assert store.get("ord-3").resolved == "block"


def test_a_second_look_is_taken_by_the_sum_of_the_orders(engine: sa.Engine, store: CaseStore) -> None:
    desk = Desk(engine, policy=msgspec.structs.replace(JOINS, second_look={"SAR": 200}))
    store.take_in_all([order(1, card="a"), order(2, card="a"), order(3)])
    first = desk.decide(store.get("ord-1"), "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    assert (first.status, first.first_look, store.get("ord-2").status) == ("open", "noura", "joined")
    desk.decide(first, "dismiss", reason=b"sealed", actor="salem", now_ms=NOW_MS)
    assert store.get("ord-2").resolved == "approve"
    alone = desk.decide(store.get("ord-3"), "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    assert alone.status == "decided"


def test_the_clock_gives_each_order_its_own_default_and_doubts_all_for_one(engine: sa.Engine, store: CaseStore) -> None:
    store.take_in_all([order(1, card="a"), order(2, card="a", outcome="block")])
    store.take_in_all([order(3, card="b"), order(4, card="b")])
    desk = Desk(engine, policy=msgspec.structs.replace(JOINS, second_look={"SAR": 201}))
    escalated = desk.act(desk.act(store.get("ord-3"), "claim", "noura", NOW_MS), "escalate", "noura", NOW_MS)
    assert escalated.escalated
    assert desk.tick(NOW_MS + 24 * HOUR_MS) == 2
    assert [(each.order_id, each.resolved, each.verdict) for each in store.list(limit=9)] == [
        ("ord-4", "block", None),
        ("ord-3", "block", None),
        ("ord-2", "block", None),
        ("ord-1", "approve", None),
    ]
    assert (store.pending_labels(NOW_MS + 99 * HOUR_MS), len(superseded(store))) == ((), 4)


def test_an_order_without_a_default_stays_behind_as_a_case_of_its_own(engine: sa.Engine, store: CaseStore) -> None:
    desk = Desk(engine, policy=msgspec.structs.replace(JOINS, default={"review": "approve"}))
    store.take_in_all([order(1, card="a"), order(2, card="a", outcome="block")])
    assert (desk.tick(NOW_MS + 24 * HOUR_MS), desk.tick(NOW_MS + 24 * HOUR_MS)) == (1, 0)
    left = store.get("ord-2")
    assert (left.status, left.lead, left.due_at_ms, left.resolved) == ("open", None, NOW_MS + 24 * HOUR_MS, None)


def test_openers_at_once_make_one_case_of_an_entity(engine: sa.Engine, store: CaseStore) -> None:
    def opened(number: int) -> int:
        return store.take_in_all([order(10 * number + n, card="a", device=f"d{n}") for n in range(4)])

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(opened, range(6))) == 24
    found = leads(store)
    (lead,) = [f"topic:0:{name.removeprefix('ord-')}" for name, above in found.items() if above is None]
    assert set(found.values()) == {None, lead}
    assert store.find(lead).version > 1  # type: ignore[union-attr]


def test_what_is_just_being_taken_is_not_waited_for(database: str) -> None:
    engine = make_engine(f"{database}?options=-c%20lock_timeout%3D500")
    upgrade(engine)
    store = JoiningStore(engine, POLICY)
    store.take_in(order(1, card="a"))
    with engine.begin() as connection:
        connection.execute(sa.select(tables.cases).with_for_update()).all()
        store.take_in(order(2, card="a"))
    assert leads(store) == {"ord-1": None, "ord-2": None}
    engine.dispose()


def test_a_verdict_on_several_orders_is_not_asked_of_a_second_person(engine: sa.Engine, store: CaseStore) -> None:
    policy = msgspec.structs.replace(JOINS, seen_again={"dismiss": 1.0, "confirm_fraud": 1.0})
    desk = Desk(engine, policy=policy)
    store.take_in_all([order(1, card="a"), order(2, card="a"), order(3, card="c")])
    for name in ("ord-1", "ord-3"):
        desk.decide(store.get(name), "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    assert desk.tick(NOW_MS + LEAVES_MS) == 1
    assert [each.status for each in store.list(limit=9)] == ["open", "decided", "decided"]
    store.take_in(order(4, card="c"))
    assert store.get("ord-4").lead is None  # the third is back, and what was said of it holds


def test_an_order_that_was_joined_is_nobodys_work_of_its_own(store: CaseStore, desk: Desk) -> None:
    store.take_in_all([order(1, card="a"), order(2, card="a")])
    with pytest.raises(TransitionRefused, match=r"^a case that is joined is assigned to nobody$"):
        desk.assign(store.get("ord-2"), "noura", "lead", NOW_MS)


def test_what_was_decided_among_many_is_taken_back_with_all_its_orders(store: CaseStore, desk: Desk) -> None:
    store.take_in_all([order(1, card="a"), order(2, card="a")])
    decided = desk.decide(store.get("ord-1"), "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    desk.take_back(decided, "noura", NOW_MS + 1)
    assert [each.status for each in store.list(limit=9)] == ["joined", "open"]
    store.take_in(order(3, card="a"))
    assert store.get("ord-3").lead == "topic:0:1"
