"""What was sealed with a case gives back all that a contract may name, and nothing that none may."""

import msgspec
import pytest

from review.cases import Case, Personal, Verification
from review.disclosing import SealedCases, kept, order_of
from review.opener import Vault, open_case
from review.store import CaseStore
from review.views import opened
from sharing.fields import FIELDS
from tests.review.examples import NOW_MS, decision
from tests.sharing.orders import ORDER, disclosable


@pytest.fixture
def case(store: CaseStore, vault: Vault) -> Case:
    case = open_case(decision(), ORDER, vault, NOW_MS)
    store.take_in(case)
    return case


def test_every_field_that_a_contract_may_name_comes_back_from_the_envelope(
    store: CaseStore, vault: Vault, case: Case
) -> None:
    again = SealedCases(store, vault.envelopes).disclosable(case.decision_id)
    assert again is not None
    read = {name: field.read for name, field in FIELDS.items() if field.read and field.sensitivity != "forbidden"}
    assert len(read) > 8
    before = disclosable()
    assert {name: get(again) for name, get in read.items()} == {name: get(before) for name, get in read.items()}


def test_what_no_contract_may_name_is_not_in_it(store: CaseStore, vault: Vault, case: Case) -> None:
    again = SealedCases(store, vault.envelopes).disclosable(case.decision_id)
    assert again is not None
    payment = again.order.payment
    assert (payment.psp_token, payment.bin, payment.cvv_result) == (None, None, None)
    assert (again.order.items, again.order.user_agent, again.order.promo_code) == ((), None, None)


def test_a_verification_is_sealed_with_the_order() -> None:
    verification = Verification(
        agency="agency", verification_ref="ver-1", checks=("name",), result="failed", occurred_at=ORDER.occurred_at
    )
    assert kept(ORDER, verification).verification == verification


def test_an_envelope_of_before_still_opens_and_tells_nothing_new(store: CaseStore, vault: Vault, case: Case) -> None:
    before = b'{"contact":{"name":"Noura","email":"n@example.com"},"ip":"203.0.113.9","path":[[1000,"/",200,5]]}'
    sealed = vault.envelopes.seal(case.subject, "ord-2", "order", before)
    old = msgspec.structs.replace(case, decision_id="topic:0:3", order_id="ord-2", envelope=sealed)
    store.take_in(old)
    personal = msgspec.json.decode(before, type=Personal)
    assert (personal.kept, order_of("ord-2", personal)) == (msgspec.UNSET, None)
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
