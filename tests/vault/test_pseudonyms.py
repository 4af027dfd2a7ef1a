import base64
import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.blind_index import BlindIndex
from vault.chain import framed
from vault.keyring import Keyring
from vault.pseudonyms import Pseudonymiser

TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
KEYS = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=4)


def _naive(keys: list[bytes], kind: str, value: str) -> str:
    """By the two-pass definition of RFC 2104, from hashlib alone."""

    def mac(key: bytes, message: bytes) -> str:
        padded = key + b"\0" * 32
        inner = hashlib.sha256(bytes(b ^ 0x36 for b in padded) + message).digest()
        outer = hashlib.sha256(bytes(b ^ 0x5C for b in padded) + inner).digest()
        return base64.urlsafe_b64encode(outer[:16]).decode().rstrip("=")

    kind_bytes, value_bytes = kind.encode(), value.encode()
    message = len(kind_bytes).to_bytes(4, "big") + kind_bytes + len(value_bytes).to_bytes(4, "big") + value_bytes
    name = mac(keys[0], message)
    for key in keys[1:]:
        name = mac(key, name.encode())
    return name


def _pseudonymiser(keys: list[bytes]) -> Pseudonymiser:
    return Pseudonymiser(Keyring({"pseudonym": tuple(keys)}, Path("keyring.json")))


@given(KEYS, TEXTS, TEXTS)
def test_a_pseudonym_is_the_chain_of_hmacs_that_a_naive_one_makes(keys: list[bytes], kind: str, value: str) -> None:
    assert _pseudonymiser(keys)(kind, value) == _naive(keys, kind, value)


@settings(deadline=None)
@given(KEYS, st.lists(st.tuples(st.sampled_from(["card", "email", "ip"]), TEXTS), max_size=6))
def test_a_pseudonym_does_not_depend_on_those_that_were_made_before(
    keys: list[bytes], asked: list[tuple[str, str]]
) -> None:
    pseudonymise = _pseudonymiser(keys)
    made = [pseudonymise(kind, value) for kind, value in asked]
    assert made == [_naive(keys, kind, value) for kind, value in asked]


def test_a_known_value_has_a_known_pseudonym() -> None:
    pseudonym = _pseudonymiser([bytes(range(32))])("email", "noura@example.com")
    key, message = bytes(range(32)), b"\0\0\0\x05email\0\0\0\x11noura@example.com"
    expected = base64.urlsafe_b64encode(hmac.new(key, message, "sha256").digest()[:16]).decode().rstrip("=")
    assert pseudonym == expected == "yUGvp5AZRRAt_55GU1nD_g"
    assert len(pseudonym) == 22


@given(KEYS, TEXTS, st.data())
def test_a_pseudonym_of_any_earlier_version_rotates_to_the_current_one(
    keys: list[bytes], value: str, data: st.DataObject
) -> None:
    version = data.draw(st.integers(1, len(keys)))
    earlier = _pseudonymiser(keys[:version])("card", value)
    current = _pseudonymiser(keys)
    assert current.rotate(earlier, version) == current("card", value)


def test_a_version_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="version must be from 1 to 1, not 2"):
        _pseudonymiser([b"k" * 32]).rotate("x" * 22, 2)


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_kind_and_value_never_run_into_each_other(kind: str, value: str, kind2: str, value2: str) -> None:
    assert (framed(kind, value) == framed(kind2, value2)) == ((kind, value) == (kind2, value2))


def test_blind_indexes_share_no_name_with_pseudonyms(path: Path) -> None:
    keyring = Keyring.load(path)
    assert BlindIndex(keyring)("email", "noura@example.com") != Pseudonymiser(keyring)("email", "noura@example.com")


def test_equal_values_have_equal_blind_indexes_and_other_fields_other_ones(path: Path) -> None:
    index = BlindIndex(Keyring.load(path))
    assert index("last4", "4242") == index("last4", "4242")
    assert len({index("last4", "4242"), index("order", "4242"), index("phone", "4242"), index("last4", "4243")}) == 4


def test_a_blind_index_rotates_without_the_value(path: Path, counting: Callable[[int], bytes]) -> None:
    before = BlindIndex(Keyring.load(path))("phone", "+966501234567")
    after = BlindIndex(Keyring.rotate(path, "blind_index", counting))
    assert after.rotate(before, 1) == after("phone", "+966501234567") != before


def test_what_makes_names_shows_no_key(path: Path) -> None:
    assert repr(Pseudonymiser(Keyring.load(path))) == "<Pseudonymiser, 1 versions>"
