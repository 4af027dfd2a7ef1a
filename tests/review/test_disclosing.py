"""What was sealed with a case gives back all that a contract may name, and nothing that none may."""

from datetime import UTC, datetime

import msgspec
import pytest

from review.cases import Case, Personal, Verdict
from review.desk import Desk
from review.disclosing import SealedCases
from review.opener import Vault, open_case
from review.store import CaseStore
from review.views import opened
from sharing.disclosable import Disclosable, Fulfilment, Material
from tests.review.examples import NOW_MS, decision
from tests.sharing.orders import ORDER


@pytest.fixture
def case(store: CaseStore, vault: Vault) -> Case:
    case = open_case(decision(), ORDER, vault, NOW_MS)
    store.take_in(case)
    return case


def test_what_may_be_told_comes_back_from_the_envelope_and_nothing_else(
    store: CaseStore, vault: Vault, case: Case
) -> None:
    assert SealedCases(store, vault.envelopes).disclosable(case.decision_id) == Disclosable(
        order=Material.of(ORDER),
        decision_id="topic:0:17",
        outcome="block",
        reasons=("card.velocity", "customer.age"),
        verdict="suspected",
        fulfilment=Fulfilment(instruction="hold", deadline=datetime(2026, 3, 3, 22, 16, 40, tzinfo=UTC)),
    )


@pytest.mark.parametrize(
    ("action", "verdict", "instruction"), [("confirm_fraud", "confirmed", "hold"), ("dismiss", "cleared", "release")]
)
def test_a_verdict_is_told_and_what_the_carrier_does_with_the_parcel(
    store: CaseStore, desk: Desk, vault: Vault, case: Case, action: Verdict, verdict: str, instruction: str
) -> None:
    desk.decide(case, action, reason=b"sealed", actor="noura", now_ms=NOW_MS)
    told = SealedCases(store, vault.envelopes).disclosable(case.decision_id)
    assert told is not None
    assert told.fulfilment is not None
    assert (told.verdict, told.fulfilment.instruction) == (verdict, instruction)


def test_an_envelope_of_before_still_opens_and_tells_nothing_new(store: CaseStore, vault: Vault, case: Case) -> None:
    before = b'{"contact":{"name":"Noura","email":"n@example.com"},"ip":"203.0.113.9","path":[[1000,"/",200,5]]}'
    sealed = vault.envelopes.seal(case.subject, "ord-2", "order", before)
    old = msgspec.structs.replace(case, decision_id="topic:0:3", order_id="ord-2", envelope=sealed)
    store.take_in(old)
    assert msgspec.json.decode(before, type=Personal).material is msgspec.UNSET
    customer = opened(old, vault.envelopes).customer
    assert customer is not None
    assert customer.ip == "203.0.113.0/24"
    assert SealedCases(store, vault.envelopes).disclosable("topic:0:3") is None


def test_nothing_is_told_of_an_erased_subject_a_case_without_envelope_or_no_case(
    store: CaseStore, vault: Vault, case: Case
) -> None:
    cases = SealedCases(store, vault.envelopes)
    store.take_in(open_case(decision(18), None, vault, NOW_MS))
    vault.envelopes.erase(case.subject)
    assert [cases.disclosable(case_id) for case_id in ("topic:0:17", "topic:0:18", "topic:0:19")] == [None] * 3
