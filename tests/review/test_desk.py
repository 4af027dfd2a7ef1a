"""Analysts at one desk: real leases, verdicts that wait, on SQLite and on PostgreSQL."""

import json
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
import sqlalchemy as sa

from review import tables
from review.cases import Case
from review.desk import LEAVES_MS, Desk
from review.errors import StaleCase, TransitionRefused
from review.opener import Vault, open_case
from review.store import CaseStore
from review.workflow import LEASE_MS, UNDO_MS
from tests.review.examples import NOW_MS, decision
from tests.sharing.orders import ORDER


@pytest.fixture
def desk(engine: sa.Engine) -> Desk:
    return Desk(engine)


@pytest.fixture
def case(store: CaseStore, vault: Vault) -> Case:
    case = open_case(decision(), ORDER, vault, NOW_MS)
    store.take_in(case)
    return case


def take_in(store: CaseStore, case: Case, priorities: list[float]) -> None:
    store.take_in_all(
        msgspec.structs.replace(case, decision_id=f"topic:1:{n}", order_id=f"ord-{n}", priority=priority)
        for n, priority in enumerate(priorities)
    )


def triggers_left(engine: sa.Engine) -> list[tuple[str, int]]:
    with engine.connect() as connection:
        rows = connection.execute(
            sa.select(tables.triggers.c.kind, tables.triggers.c.not_before_ms).order_by(tables.triggers.c.place)
        )
        return [(kind, at_ms) for kind, at_ms in rows]


def audited(engine: sa.Engine) -> list[tuple[str, str, list[str]]]:
    columns = tables.audit.c
    with engine.connect() as connection:
        rows = connection.execute(sa.select(columns.actor, columns.action, columns.fields).order_by(columns.place))
        return [(actor, action, json.loads(fields)) for actor, action, fields in rows]


def test_a_claim_is_kept_and_renewed(desk: Desk, store: CaseStore, case: Case) -> None:
    claimed = desk.act(case, "claim", "noura", NOW_MS)
    assert store.get("ord-1") == claimed
    assert (claimed.status, claimed.holder, claimed.until_ms) == ("claimed", "noura", NOW_MS + LEASE_MS)
    assert desk.act(claimed, "renew", "noura", NOW_MS + 9).until_ms == NOW_MS + 9 + LEASE_MS


def test_of_two_who_claim_what_they_both_read_one_is_told(desk: Desk, case: Case) -> None:
    desk.act(case, "claim", "noura", NOW_MS)
    with pytest.raises(StaleCase):
        desk.act(case, "claim", "salem", NOW_MS)


def test_a_verdict_waits_for_a_minute_and_is_then_due(
    desk: Desk, store: CaseStore, case: Case, engine: sa.Engine
) -> None:
    desk.decide(case, "confirm_fraud", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    assert store.pending_labels(NOW_MS + LEAVES_MS - 1) == ()
    assert [label.order_id for label in store.pending_labels(NOW_MS + LEAVES_MS)] == ["ord-1"]
    assert triggers_left(engine) == [("flagged", 0), ("confirmed", NOW_MS + LEAVES_MS)]


def test_an_undone_verdict_leaves_nothing(desk: Desk, store: CaseStore, case: Case, engine: sa.Engine) -> None:
    decided = desk.decide(case, "confirm_fraud", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    undone = desk.act(decided, "undo", "noura", NOW_MS + UNDO_MS - 1)
    assert (undone.status, undone.verdict, undone.decided_by, undone.reason) == ("claimed", None, None, None)
    assert store.pending_labels(NOW_MS + LEAVES_MS) == ()
    assert triggers_left(engine) == [("flagged", 0)]


def test_an_undone_case_is_decided_anew_and_that_verdict_alone_leaves(desk: Desk, store: CaseStore, case: Case) -> None:
    decided = desk.decide(case, "confirm_fraud", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    undone = desk.act(decided, "undo", "noura", NOW_MS + 10)
    desk.decide(undone, "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS + 20)
    labels = store.pending_labels(NOW_MS + 20 + LEAVES_MS)
    assert [type(label).__name__ for label in labels] == ["FraudDismissed"]


def test_what_has_left_is_not_undone(engine: sa.Engine, store: CaseStore, case: Case) -> None:
    desk = Desk(engine, leaves_ms=0)
    decided = desk.decide(case, "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    with pytest.raises(TransitionRefused, match="what the verdict set off has left already"):
        desk.act(decided, "undo", "noura", NOW_MS + 1)
    assert store.get("ord-1") == decided


def test_nobody_decides_what_another_holds(desk: Desk, store: CaseStore, case: Case) -> None:
    claimed = desk.act(case, "claim", "noura", NOW_MS)
    with pytest.raises(TransitionRefused, match="the case is held by noura"):
        desk.decide(claimed, "dismiss", reason=b"sealed", actor="salem", now_ms=NOW_MS)
    assert store.get("ord-1") == claimed


def test_the_next_case_is_the_one_whose_review_is_worth_most(desk: Desk, store: CaseStore, case: Case) -> None:
    take_in(store, case, [5.0, 80.0, 20.0])
    found = [desk.next("noura", NOW_MS) for _ in range(5)]
    assert [each and each.order_id for each in found] == ["ord-1", "ord-2", "ord-0", "ord-1", None]
    assert [each.decision_id for each in found if each] == ["topic:1:1", "topic:1:2", "topic:1:0", "topic:0:17"]


def test_the_second_look_is_never_given_to_who_had_the_first(desk: Desk, case: Case) -> None:
    desk.act(desk.act(case, "claim", "noura", NOW_MS), "second_look", "noura", NOW_MS)
    assert desk.next("noura", NOW_MS) is None
    second = desk.next("salem", NOW_MS)
    assert second is not None
    assert (second.holder, second.first_look) == ("salem", "noura")


def test_twenty_analysts_at_once_never_get_the_same_case_and_none_is_lost(
    desk: Desk, store: CaseStore, case: Case
) -> None:
    take_in(store, case, [float(n % 7) for n in range(60)])

    def work(name: str) -> list[str]:
        claimed = []
        while (found := desk.next(name, NOW_MS)) is not None:
            claimed.append(found.decision_id)
        return claimed

    with ThreadPoolExecutor(20) as pool:
        claimed = [each for names in pool.map(work, [f"analyst-{n}" for n in range(20)]) for each in names]
    assert len(claimed) == len(set(claimed)) == 61


def test_the_clock_ends_claims_and_wakes_what_was_snoozed(desk: Desk, store: CaseStore, case: Case) -> None:
    take_in(store, case, [1.0])
    desk.act(case, "claim", "noura", NOW_MS)
    snoozed = desk.act(store.get("topic:1:0"), "claim", "noura", NOW_MS)
    desk.act(snoozed, "snooze", "noura", NOW_MS, until_ms=NOW_MS + 5)
    assert desk.tick(NOW_MS + 4) == 0
    assert desk.tick(NOW_MS + 5) == 1
    assert desk.tick(NOW_MS + LEASE_MS) == 1
    assert [each.status for each in store.list(limit=9)] == ["open", "open"]


def test_every_action_is_audited_by_the_names_of_what_changed(desk: Desk, case: Case, engine: sa.Engine) -> None:
    desk.decide(case, "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    assert audited(engine) == [
        ("noura", "claim", ["status", "holder", "until_ms"]),
        ("noura", "dismiss", ["status", "verdict", "decided_at_ms", "decided_by", "reason", "until_ms", "resolved"]),
    ]


def test_without_its_audit_entry_nothing_is_done(desk: Desk, store: CaseStore, case: Case, engine: sa.Engine) -> None:
    tables.audit.drop(engine)
    with pytest.raises(sa.exc.DatabaseError):
        desk.act(case, "claim", "noura", NOW_MS)
    assert store.get("ord-1") == case
