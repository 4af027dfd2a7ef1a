import base64
import hashlib
import hmac
import json
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from sharing import docs
from sharing.contracts import parse
from sharing.errors import ContractError, ProjectionError
from sharing.projection import compile_contract
from sharing.pseudonyms import Epoch, Pseudonyms, epoch_of, problem
from tests.sharing.contracts import EVERYTHING, ROOTS, shipped
from tests.sharing.orders import ORDER, disclosable

FIRST, SECOND = Epoch(number=1, since=date(2026, 1, 1)), Epoch(number=2, since=date(2026, 3, 2), key=2)
PLAIN_IDS = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._:-]{0,63}\Z")


def test_a_name_is_hmac_under_a_key_of_hkdf_for_partner_kind_and_epoch() -> None:
    info = b"".join(
        len(part).to_bytes(4, "big") + part
        for part in (b"amana partner pseudonym 1", b"successor", b"customer_id", b"2")
    )
    key = hmac.digest(hmac.digest(bytes(32), ROOTS[1], "sha256"), info + b"\x01", "sha256")
    expected = hmac.new(key, b"\0\0\0\x05cus-1", hashlib.sha256).digest()[:16]
    name = Pseudonyms(ROOTS, "successor").name("customer_id", "cus-1", SECOND)
    assert base64.urlsafe_b64decode(name + "==") == expected  # 128 bits


@settings(deadline=None, max_examples=30)
@given(st.sets(PLAIN_IDS, min_size=2, max_size=40))
def test_two_partners_cannot_join_what_they_hold(ids: set[str]) -> None:
    """Nor one partner its kinds, or its epochs: every one of the names is another, and all are full length."""
    names = [
        Pseudonyms(ROOTS, partner).name(kind, value, epoch)
        for partner in ("successor", "successo", "other-shop")
        for kind in ("customer_id", "device_id")
        for epoch in (FIRST, SECOND, Epoch(number=2, since=date(2026, 3, 2)))
        for value in ids
    ]
    assert len(set(names)) == len(names) == 18 * len(ids)
    assert {len(name) for name in names} == {22}


@settings(deadline=None, max_examples=30)
@given(PLAIN_IDS)
def test_within_partner_kind_and_epoch_an_id_has_one_name(value: str) -> None:
    names = {Pseudonyms(ROOTS, "successor").name("customer_id", value, FIRST) for _ in range(2)}
    assert len(names) == 1
    assert value not in names


@pytest.mark.parametrize("value", ["", "a b", "نورة", "a\n", "x" * 65, "٤"])
def test_what_is_no_id_has_no_name_and_is_not_shown(value: str) -> None:
    with pytest.raises(ValueError, match=r"^not an id$"):
        Pseudonyms(ROOTS, "successor").name("customer_id", value, FIRST)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2025, 6, 1, tzinfo=UTC), 1),
        (datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC), 1),
        (datetime(2026, 3, 2, tzinfo=UTC), 2),
        (datetime(2026, 3, 2, 1, tzinfo=timezone(timedelta(hours=3))), 1),
    ],
)
def test_the_epoch_is_of_the_day_of_the_order_in_utc(moment: datetime, expected: int) -> None:
    assert epoch_of((FIRST, SECOND), moment).number == expected


def test_all_names_of_a_message_are_of_the_one_epoch_that_it_states() -> None:
    projection = compile_contract(parse(EVERYTHING, "everything"), b"k" * 32, ROOTS)
    names = Pseudonyms(ROOTS, "everything")
    for moment, epoch in ((ORDER.occurred_at, FIRST), (ORDER.occurred_at + timedelta(days=1), SECOND)):
        told = json.loads(projection.project(disclosable(replace(ORDER, occurred_at=moment))))
        assert told["epoch"] == epoch.number
        assert told["customer_id"] == names.name("customer_id", "cus-1", epoch)
        assert told["device_id"] == names.name("device_id", "dev-1", epoch)


def test_rotations_are_dated_and_follow_each_other() -> None:
    assert problem((FIRST, SECOND)) is None
    assert problem(()) is None
    assert problem((SECOND,)) == "epochs must count 1, 2, 3 ..."
    same_day = Epoch(number=2, since=FIRST.since)
    assert problem((FIRST, same_day)) == "each epoch must begin later than the one before"
    epochs = shipped("successor").epochs
    assert [after.since - before.since for before, after in pairwise(epochs)] == [timedelta(days=365)]


def test_a_rotation_is_told_with_its_day_under_an_id_of_its_own() -> None:
    projection = compile_contract(shipped("successor"), b"k" * 32, ROOTS)
    told = [json.loads(projection.rotation(number)) for number in (1, 2)]
    assert [(each["epoch"], each["since"]) for each in told] == [(1, "2026-01-01"), (2, "2027-01-01")]
    assert told[0]["jti"] != told[1]["jti"]
    assert json.loads(projection.rotation(2)) == told[1]
    message = b"".join(len(part).to_bytes(4, "big") + part for part in (b"rotation", b"successor", b"2", b"2027-01-01"))
    expected = hmac.digest(b"k" * 32, message, "sha256")[:16]
    assert base64.urlsafe_b64decode(told[1]["jti"] + "==") == expected
    validator = Draft202012Validator(docs.message_schema(shipped("successor")))
    assert [validator.is_valid(each) for each in told] == [True, True]
    with pytest.raises(ProjectionError, match="successor: the contract has no epoch 3"):
        projection.rotation(3)


def test_without_an_epoch_there_is_no_name() -> None:
    unchecked = replace(parse(EVERYTHING, "everything"), epochs=())  # as no file could say it
    with pytest.raises(ProjectionError, match="everything: customer_id is not of the kind"):
        compile_contract(unchecked, b"k" * 32, ROOTS).project(disclosable())


def test_an_epoch_of_a_key_that_is_not_held_is_refused_at_once() -> None:
    with pytest.raises(ContractError, match="everything: an epoch names a version of the partner key that is not held"):
        compile_contract(parse(EVERYTHING, "everything"), b"k" * 32, ROOTS[:1])


def test_a_pseudonym_is_never_the_id_itself() -> None:
    projection = compile_contract(parse(EVERYTHING, "everything"), b"k" * 32, ROOTS)
    term = next(term for term in projection.contract.fields if term.name == "customer_id")
    with pytest.raises(TypeError, match=r"^a pseudonym is made on an occasion$"):
        term.apply("cus-1")
    with pytest.raises(ProjectionError, match="everything: customer_id is not of the kind"):
        projection.project(disclosable(replace(ORDER, customer_id="cus 1")))


def test_repr_shows_no_key() -> None:
    assert repr(Pseudonyms((b"secret" * 6,), "successor")) == "<Pseudonyms for successor>"
