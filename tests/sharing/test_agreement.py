"""The compiler and an interpreter that was written apart from it say the same of every contract and order."""

from random import Random

import msgspec
import pytest

from sharing.fields import FIELDS
from sharing.operators import Band, Truncate
from tests.sharing import naive
from tests.sharing.agreement import contracts, differences
from tests.sharing.mutated import mutate


def test_the_two_agree_on_contracts_and_mutated_ones() -> None:
    assert list(differences(seed=5, cases=800)) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_two_agree_on_a_hundred_thousand_cases() -> None:
    assert list(differences(seed=6, cases=100_000)) == []


def test_a_fifth_to_two_thirds_of_mutated_contracts_may_be_used() -> None:
    rng, originals = Random(7), list(contracts().values())
    used = sum(naive.may_be_used(mutate(rng, rng.choice(originals))) for _ in range(1_000))
    assert 200 < used < 670


def test_every_contract_that_we_have_may_be_used() -> None:
    assert {name: naive.may_be_used(contract) for name, contract in contracts().items()} == dict.fromkeys(
        contracts(), True
    )


def test_an_operator_that_says_more_than_it_should_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Band, "apply", lambda self, _: self._labels()[-1])
    assert [found for found in differences(seed=8, cases=800) if found.startswith("amount")]


def test_a_setting_that_is_no_longer_refused_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Truncate, "output", lambda *_: str)
    monkeypatch.setattr(Truncate, "apply", lambda *_: "")
    assert any(found.startswith("accepted by the compiler alone") for found in differences(seed=9, cases=20_000))


def test_an_id_that_goes_to_another_than_who_issued_it_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FIELDS, "psp_reference", msgspec.structs.replace(FIELDS["psp_reference"], issuer=None))
    assert any(found.startswith("accepted by the compiler alone") for found in differences(seed=10, cases=20_000))
