"""Whatever becomes of a case leaves its trigger in the same transaction, and triggers are taken once, in order."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from review import tables, triggers
from review.cases import Case
from review.desk import Desk
from review.errors import StaleCase, TransitionRefused
from review.opener import Vault, open_case
from review.store import CaseStore
from review.triggers import TriggerTable
from tests.review.examples import NOW_MS, decision
from tests.sharing.orders import ORDER


@pytest.fixture
def case(store: CaseStore, vault: Vault) -> Case:
    case = open_case(decision(), ORDER, vault, NOW_MS)
    store.take_in(case)
    return case


def left(engine: sa.Engine) -> list[tuple[str, str]]:
    with engine.begin() as connection:
        return [(trigger.case_id, trigger.kind) for trigger in TriggerTable().take(connection, 99, NOW_MS)]


def test_a_verdict_leaves_its_trigger(
    store: CaseStore, desk: Desk, case: Case, engine: sa.Engine, vault: Vault
) -> None:
    desk.decide(case, "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    other = open_case(decision(18), ORDER, vault, NOW_MS)
    store.take_in(other)
    desk.decide(other, "confirm_fraud", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    assert left(engine) == [
        ("topic:0:17", "flagged"),
        ("topic:0:17", "cleared"),
        ("topic:0:18", "flagged"),
        ("topic:0:18", "confirmed"),
    ]


def test_a_corrected_outcome_leaves_its_trigger_a_note_and_an_audit_entry_and_a_stale_one_nothing(
    store: CaseStore, desk: Desk, case: Case, engine: sa.Engine
) -> None:
    corrected = desk.correct(case, "review", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    assert corrected.outcome == store.get("ord-1").outcome == "review"
    with pytest.raises(StaleCase):
        desk.correct(case, "approve", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    with pytest.raises(TransitionRefused, match="the case has the outcome review; expected another"):
        desk.correct(corrected, "review", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    assert left(engine) == [("topic:0:17", "flagged"), ("topic:0:17", "corrected")]
    assert [(each.kind, each.actor, each.body) for each in desk.notes(case)] == [("correct", "noura", b"sealed")]
    with engine.connect() as connection:
        (entry,) = connection.execute(sa.select(tables.audit)).mappings()
    assert (entry["action"], entry["actor"], entry["case_id"], entry["fields"]) == (
        "correct",
        "noura",
        "topic:0:17",
        '["outcome"]',
    )


def test_erasing_a_subject_leaves_a_trigger_for_each_of_its_cases_once(
    store: CaseStore, case: Case, engine: sa.Engine, vault: Vault
) -> None:
    store.take_in(open_case(decision(18), ORDER, vault, NOW_MS))
    vault.envelopes.erase(case.subject)
    vault.envelopes.erase(case.subject)
    assert left(engine)[2:] == [("topic:0:17", "erased"), ("topic:0:18", "erased")]


def test_without_its_trigger_nothing_changes(
    store: CaseStore, desk: Desk, case: Case, engine: sa.Engine, vault: Vault
) -> None:
    tables.triggers.drop(engine)
    with pytest.raises(sa.exc.DatabaseError):
        store.take_in(open_case(decision(18), ORDER, vault, NOW_MS))
    with pytest.raises(sa.exc.DatabaseError):
        desk.decide(case, "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    with pytest.raises(sa.exc.DatabaseError):
        vault.envelopes.erase(case.subject)
    assert store.list(limit=9) == (case,)
    assert store.pending_labels(NOW_MS + 5) == ()
    assert vault.envelopes.open(case.subject, "ord-1", "order", case.envelope or b"")


def test_triggers_are_taken_in_order_and_those_that_failed_wait_until_they_are_tried_again(engine: sa.Engine) -> None:
    table = TriggerTable()
    with engine.begin() as connection:
        triggers.put(connection, "flagged", [f"topic:0:{n}" for n in range(3)])
        triggers.put(connection, "requested", ["topic:0:1"], "LE-7")
        first, second, *_ = table.take(connection, 2, NOW_MS)
        table.done(connection, [first])
        table.fail(connection, second, "acquirer: last4 does not fit")
    with engine.begin() as connection:
        assert [(t.case_id, t.reference) for t in table.take(connection, 9, NOW_MS)] == [
            ("topic:0:2", None),
            ("topic:0:1", "LE-7"),
        ]
        assert table.failed(connection) == [(second, "acquirer: last4 does not fit")]
        table.retry(connection)
        assert table.take(connection, 9, NOW_MS)[0] == second


def test_two_who_take_at_once_get_each_trigger_once(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        triggers.put(connection, "flagged", [f"topic:0:{n}" for n in range(200)])
    table = TriggerTable()

    def taken(_: int) -> list[int]:
        places = []
        while True:
            with engine.connect() as connection:
                if engine.dialect.name == "sqlite":
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                found = table.take(connection, 7, NOW_MS)
                table.done(connection, found)
                connection.commit()
            if not found:
                return places
            places += [trigger.place for trigger in found]

    with ThreadPoolExecutor(4) as pool:
        everyones = [place for places in pool.map(taken, range(4)) for place in places]
    assert sorted(everyones) == sorted(set(everyones))
    assert len(everyones) == 200
