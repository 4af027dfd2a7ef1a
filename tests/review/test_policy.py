"""Amounts that take two people, on SQLite and on PostgreSQL."""

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from events.money import EXPONENTS
from review import tables
from review.cases import Case
from review.desk import Desk
from review.errors import TransitionRefused
from review.opener import Vault, open_case
from review.policy import POLICY, Policy, takes_two
from review.store import CaseStore
from tests.review.examples import NOW_MS, decision
from tests.sharing.orders import ORDER

TWO = Policy(second_look={"SAR": 100_000})


@pytest.fixture
def case(store: CaseStore, vault: Vault) -> Case:
    case = open_case(decision(), ORDER, vault, NOW_MS)
    store.take_in(case)
    return case


def test_an_approval_of_a_high_amount_waits_for_a_second_person(
    engine: sa.Engine, store: CaseStore, case: Case
) -> None:
    desk = Desk(engine, 0, TWO)
    first = desk.decide(case, "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    assert (first.status, first.first_look, first.verdict, first.reason) == ("open", "noura", None, None)
    assert store.pending_labels(NOW_MS) == ()
    assert [(note.kind, note.sealed_as, note.body) for note in desk.notes(case)] == [
        ("second_look", "reason", b"sealed")
    ]
    with pytest.raises(TransitionRefused, match="you had the first look; somebody else has the second one"):
        desk.decide(first, "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    second = desk.decide(first, "dismiss", reason=b"sealed", actor="salem", now_ms=NOW_MS)
    assert (second.status, second.verdict, second.decided_by) == ("decided", "dismiss", "salem")
    assert [label.order_id for label in store.pending_labels(NOW_MS)] == ["ord-1"]


def test_fraud_is_confirmed_by_one_person_whatever_the_amount(engine: sa.Engine, case: Case) -> None:
    decided = Desk(engine, 0, TWO).decide(case, "confirm_fraud", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    assert (decided.status, decided.first_look) == ("decided", None)


@pytest.mark.parametrize(
    ("amount_minor", "currency", "two"),
    [(99_999, "SAR", False), (100_000, "SAR", True), (10**9, "JPY", False), (None, None, False)],
)
def test_two_people_are_taken_from_the_amount_on(
    case: Case, amount_minor: int | None, currency: str | None, two: bool
) -> None:
    assert takes_two(TWO, msgspec.structs.replace(case, amount_minor=amount_minor, currency=currency)) == two


def test_the_stores_own_amounts_are_in_known_currencies() -> None:
    assert set(POLICY.second_look) - {"SAR", "AED", "QAR", "EGP", "USD", "EUR", "GBP"} <= set(EXPONENTS)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["noura", "salem", "lina"]), min_size=1, max_size=6), st.integers(1, 200_000))
def test_no_high_amount_is_ever_approved_by_one_person_alone(people: list[str], amount_minor: int) -> None:
    case = Case(
        decision_id="t:0:1", order_id="o", opened_at_ms=0, occurred_at_ms=0, outcome="block", mode="rules",
        subject="s", amount_minor=amount_minor, currency="SAR",
    )  # fmt: skip
    engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
    tables.metadata.create_all(engine)
    CaseStore(engine).take_in(case)
    desk, approved = Desk(engine, 0, TWO), []
    for person in people:
        try:
            case = desk.decide(case, "dismiss", reason=b"sealed", actor=person, now_ms=NOW_MS)
        except TransitionRefused:
            continue
        approved.append(person)
        if case.status == "decided":
            break
    assert (case.status == "decided") == (len(set(approved)) >= (2 if amount_minor >= 100_000 else 1))
    engine.dispose()
