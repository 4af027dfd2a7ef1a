from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
import sqlalchemy as sa

from events.types import FraudConfirmed, FraudDismissed
from review import tables
from review.cases import Case
from review.desk import Desk
from review.errors import StaleCase, TransitionRefused, UnknownCase
from review.opener import Vault, open_case
from review.store import CaseStore, SubjectKeyTable
from tests.review.examples import NOW_MS, decision
from tests.sharing.orders import ORDER


@pytest.fixture
def case(vault: Vault) -> Case:
    return open_case(decision(), ORDER, vault, NOW_MS)


def _numbered(case: Case, number: int) -> Case:
    return msgspec.structs.replace(
        case, decision_id=f"topic:0:{number}", order_id=f"ord-{number}", opened_at_ms=NOW_MS + number
    )


def test_a_case_comes_back_as_it_was_taken_in(store: CaseStore, case: Case) -> None:
    assert store.take_in(case)
    assert store.get("ord-1") == store.get("topic:0:17") == case


def test_a_second_case_of_a_decision_is_not_taken_in(store: CaseStore, case: Case) -> None:
    assert store.take_in(case)
    assert not store.take_in(msgspec.structs.replace(case, score=0.1))
    assert store.get("ord-1") == case


def test_many_are_taken_in_at_once_and_repeats_among_them_once(store: CaseStore, case: Case) -> None:
    many = [_numbered(case, number) for number in range(300)]
    assert store.take_in_all([]) == 0
    assert store.take_in_all(many[:200]) == 200
    assert store.take_in_all([*many, many[0]]) == 100
    assert store.known(["topic:0:5", "topic:0:299", "topic:0:300"]) == {"topic:0:5", "topic:0:299"}


def test_openers_at_the_same_time_take_each_case_in_once(store: CaseStore, case: Case) -> None:
    many = [_numbered(case, number) for number in range(100)]
    with ThreadPoolExecutor(6) as pool:
        kept = list(pool.map(store.take_in_all, [many, many[::-1], many[50:], many[:50], many, many[::-1]]))
    assert sum(kept) == 100
    assert len(store.list(limit=1000)) == 100


def test_the_list_has_the_newest_first_and_filters_by_status(store: CaseStore, desk: Desk, case: Case) -> None:
    store.take_in_all(_numbered(case, number) for number in range(4))
    desk.decide(store.get("ord-2"), "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    assert [each.order_id for each in store.list(limit=3)] == ["ord-3", "ord-2", "ord-1"]
    assert [each.order_id for each in store.list("open", limit=9)] == ["ord-3", "ord-1", "ord-0"]
    assert [each.order_id for each in store.list("decided", limit=9)] == ["ord-2"]


def test_no_case_and_several_cases_of_an_order_are_told_apart(store: CaseStore, case: Case) -> None:
    with pytest.raises(UnknownCase, match="no case by that id; expected an order's or a decision's id"):
        store.get("ord-1")
    store.take_in_all([case, msgspec.structs.replace(case, decision_id="topic:0:18")])
    with pytest.raises(UnknownCase, match="the order has 2 cases; name one by its decision: topic:0:17, topic:0:18"):
        store.get("ord-1")


def test_a_verdict_is_kept_with_its_label_in_the_outbox(store: CaseStore, desk: Desk, case: Case) -> None:
    store.take_in(case)
    decided = desk.decide(case, "confirm_fraud", reason=b"sealed", actor="noura", now_ms=NOW_MS + 5)
    assert store.get("ord-1") == decided
    assert (decided.status, decided.version, decided.verdict) == ("decided", 3, "confirm_fraud")
    assert (decided.decided_by, decided.decided_at_ms, decided.reason) == ("noura", NOW_MS + 5, b"sealed")
    (label,) = store.pending_labels(NOW_MS + 5)
    assert isinstance(label, FraudConfirmed)
    assert msgspec.json.encode(label) == (
        b'{"type":"FraudConfirmed","event_id":"label-6e615ce573a97ada6b24452475d25263",'
        b'"occurred_at":"2026-03-01T22:16:40.005000Z","order_id":"ord-1","labelled_at":"2026-03-01T22:16:40.005000Z"}'
    )


def test_labels_leave_in_the_order_of_the_verdicts_until_they_are_published(
    store: CaseStore, desk: Desk, case: Case
) -> None:
    store.take_in_all(_numbered(case, number) for number in range(3))
    for number in (2, 0, 1):
        desk.decide(_numbered(case, number), "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    pending = store.pending_labels(NOW_MS + 5)
    assert [label.order_id for label in pending] == ["ord-2", "ord-0", "ord-1"]
    assert all(isinstance(label, FraudDismissed) for label in pending)
    store.mark_published([label.event_id for label in pending[:2]])
    assert store.pending_labels(NOW_MS + 5) == pending[2:]


def test_the_labels_id_depends_on_decision_version_and_verdict_alone(store: CaseStore, desk: Desk, case: Case) -> None:
    store.take_in(case)
    desk.decide(case, "dismiss", reason=b"one", actor="noura", now_ms=NOW_MS)
    assert store.pending_labels(NOW_MS + 5)[0].event_id == "label-3c94e70bcd70c68a986616f9e6301f40"


def test_a_decided_case_is_not_decided_again(store: CaseStore, desk: Desk, case: Case) -> None:
    store.take_in(case)
    decided = desk.decide(case, "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    with pytest.raises(TransitionRefused, match="does not take confirm_fraud; it takes contest, reconsider, undo"):
        desk.decide(decided, "confirm_fraud", reason=b"sealed", actor="saud", now_ms=NOW_MS)
    assert len(store.pending_labels(NOW_MS + 5)) == 1


def test_of_analysts_who_decide_at_once_one_wins_and_one_label_leaves(store: CaseStore, desk: Desk, case: Case) -> None:
    store.take_in(case)

    def decide(number: int) -> bool:
        try:
            desk.decide(case, "dismiss", reason=b"sealed", actor=f"analyst-{number}", now_ms=NOW_MS)
        except StaleCase:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(decide, range(6))) == 1
    assert len(store.pending_labels(NOW_MS + 5)) == 1


def test_a_verdict_on_a_case_that_was_changed_meanwhile_is_refused(store: CaseStore, desk: Desk, case: Case) -> None:
    store.take_in(case)
    desk.decide(case, "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    with pytest.raises(StaleCase, match="order ord-1: the case was changed since version 1 was read"):
        desk.decide(case, "confirm_fraud", reason=b"sealed", actor="saud", now_ms=NOW_MS)


def test_without_a_label_in_the_outbox_there_is_no_verdict(
    store: CaseStore, desk: Desk, case: Case, engine: sa.Engine
) -> None:
    store.take_in(case)
    tables.outbox.drop(engine)
    with pytest.raises(sa.exc.DatabaseError):
        desk.decide(case, "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    assert store.get("ord-1") == case


def test_the_first_key_that_a_subject_gets_is_kept(engine: sa.Engine) -> None:
    keys = SubjectKeyTable(engine)
    with ThreadPoolExecutor(6) as pool:
        kept = set(pool.map(lambda n: keys.put("subject", bytes([n])), range(6)))
    assert kept == {keys.get("subject")}
    keys.delete("subject")
    keys.delete("subject")
    assert keys.get("subject") is None
    assert keys.put("subject", b"new") == b"new"


def test_many_subjects_keys_are_read_at_once_and_one_that_has_none_is_left_out(engine: sa.Engine) -> None:
    keys = SubjectKeyTable(engine)
    kept = {subject: keys.put(subject, subject.encode()) for subject in ("one", "two", "three")}
    del kept["three"]
    assert keys.of(["two", "one", "nobody", "two"]) == kept
