import hmac
import struct
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharing.errors import LedgerError
from sharing.ledger.leaves import Audited, Disclosed, body_of, commitment, leaf_of
from tests.sharing.ledger.made import SALT, of_every_kind, told


def test_a_leaf_is_written_with_sorted_keys_and_no_spaces() -> None:
    leaf = Disclosed(
        at_ms=1_800_000_000_000, partner="acquirer", contract=b"c" * 32, sealed=b"s" * 32, commitment=b"k" * 32
    )
    assert body_of(leaf) == (
        b'{"at_ms":1800000000000,"commitment":"a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",'
        b'"contract":"Y2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2M=","partner":"acquirer",'
        b'"sealed":"c3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3M=","type":"disclosed"}'
    )


@pytest.mark.parametrize("leaf", of_every_kind(0), ids=lambda leaf: type(leaf).__name__)
def test_a_leaf_of_every_kind_reads_as_it_was_written(leaf: object) -> None:
    assert leaf_of(body_of(leaf)) == leaf  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"type":"disclosed"}',
        b'{"action":"x","at_ms":1,"commitment":"' + b"A" * 43 + b'=","type":"audited","who":"a"}',
        b'{"action":"x","at_ms":1,"commitment":"AAAA","type":"audited"}',
        b'{"action":"x\\n","at_ms":1,"commitment":"' + b"A" * 43 + b'=","type":"audited"}',
        b'{"action":"X y","at_ms":1,"commitment":"' + b"A" * 43 + b'=","type":"audited"}',
        b'{"action":"x","at_ms":-1,"commitment":"' + b"A" * 43 + b'=","type":"audited"}',
        b'{"action":"x","at_ms":9007199254740992,"commitment":"' + b"A" * 43 + b'=","type":"audited"}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_bytes_that_are_no_leaf_are_refused(body: bytes) -> None:
    with pytest.raises(LedgerError, match="ill-formed"):
        leaf_of(body)


def test_a_leaf_that_is_spelt_otherwise_is_refused_although_it_says_the_same() -> None:
    body = body_of(told(1))
    for other in (
        body.replace(b",", b", "),
        msgspec.json.encode(told(1)),
        body.replace(b"acquirer", b"\\u0061cquirer"),
    ):
        with pytest.raises(LedgerError, match="not written as it must be"):
            leaf_of(other)


def test_an_ill_formed_leaf_is_named_by_its_field_and_never_by_its_value() -> None:
    with pytest.raises(LedgerError) as caught:
        body_of(Audited(at_ms=1, action="Noura Al-Harbi", commitment=b"k" * 32))
    assert str(caught.value) == "a leaf of the ledger is ill-formed at action"


def test_a_commitment_is_hmac_sha256_over_the_parts_with_their_lengths() -> None:
    message = struct.pack(">I", 6) + b"case-1" + struct.pack(">I", 5) + b"jti-1" + struct.pack(">I", 2) + b"{}"
    assert commitment(SALT, "case-1", "jti-1", b"{}") == hmac.new(SALT, message, sha256).digest()


@given(st.text(max_size=3), st.text(max_size=3), st.binary(max_size=3), st.text(max_size=3), st.text(max_size=3))
def test_parts_that_are_cut_otherwise_never_meet(case: str, jti: str, payload: bytes, other: str, another: str) -> None:
    same = (case, jti) == (other, another)
    assert (commitment(SALT, case, jti, payload) == commitment(SALT, other, another, payload)) is same


@pytest.mark.parametrize("salt", [b"", b"s" * 31, b"s" * 33])
def test_a_salt_of_another_length_is_refused(salt: bytes) -> None:
    with pytest.raises(ValueError, match="a salt has 32 bytes"):
        commitment(salt, "case-1", "jti-1", b"{}")
