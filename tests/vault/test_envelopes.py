import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.vault.fakes import Subjects
from vault.envelopes import Envelopes
from vault.errors import EnvelopeError, Erased, Tampered, VaultError
from vault.keyring import Keyring

ORDER, LABEL, TEXT = "ord-1", "order", b"Noura, +966 50 123 4567"
SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def envelopes(path: Path, subjects: Subjects) -> Envelopes:
    return Envelopes(Keyring.load(path), subjects, os.urandom)


@SHARED
@given(st.binary(max_size=300), st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))
def test_what_was_sealed_opens_to_the_same_bytes(
    envelopes: Envelopes, plaintext: bytes, order_id: str, label: str
) -> None:
    sealed = envelopes.seal("subject", order_id, label, plaintext)
    assert envelopes.open("subject", order_id, label, sealed) == plaintext


def test_nothing_of_the_plaintext_or_of_any_key_is_in_what_is_stored(path: Path, subjects: Subjects) -> None:
    drawn: list[bytes] = []

    def recording(size: int) -> bytes:
        drawn.append(os.urandom(size))
        return drawn[-1]

    sealed = Envelopes(Keyring.load(path), subjects, recording).seal("subject", ORDER, LABEL, TEXT)
    stored = sealed + b"".join(subjects.values())
    assert b"Noura" not in stored
    keys = [secret for secret in drawn if len(secret) == 32]
    assert len(keys) == 2
    assert not any(key in stored for key in keys)


def test_each_envelope_has_a_key_and_nonces_of_its_own(envelopes: Envelopes) -> None:
    one, other = (envelopes.seal("subject", ORDER, LABEL, TEXT) for _ in range(2))
    assert one[1:13] != other[1:13]
    assert one[61:] != other[61:]


@pytest.mark.parametrize(
    ("subject", "order_id", "label"),
    [("subject", "ord-2", LABEL), ("subject", ORDER, "reason"), ("other", ORDER, LABEL)],
)
def test_moved_to_another_order_label_or_subject_it_does_not_open(
    envelopes: Envelopes, subject: str, order_id: str, label: str
) -> None:
    sealed = envelopes.seal("subject", ORDER, LABEL, TEXT)
    envelopes.seal("other", ORDER, LABEL, TEXT)
    with pytest.raises(Tampered, match="another keyring, changed, or moved"):
        envelopes.open(subject, order_id, label, sealed)


def test_every_changed_bit_is_refused(envelopes: Envelopes) -> None:
    sealed = envelopes.seal("subject", ORDER, LABEL, TEXT)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1 << (place % 8)
        with pytest.raises(EnvelopeError):
            envelopes.open("subject", ORDER, LABEL, bytes(changed))


@SHARED
@given(st.binary(max_size=150))
def test_other_bytes_are_refused_and_fail_in_no_other_way(envelopes: Envelopes, body: bytes) -> None:
    envelopes.seal("subject", ORDER, LABEL, TEXT)
    with pytest.raises(EnvelopeError):
        envelopes.open("subject", ORDER, LABEL, body)


def test_every_changed_bit_of_a_wrapped_subject_key_is_refused(envelopes: Envelopes, subjects: Subjects) -> None:
    sealed = envelopes.seal("subject", ORDER, LABEL, TEXT)
    wrapped = subjects["subject"]
    for place in range(len(wrapped)):
        changed = bytearray(wrapped)
        changed[place] ^= 1
        subjects["subject"] = bytes(changed)
        with pytest.raises(VaultError):
            envelopes.open("subject", ORDER, LABEL, sealed)


def test_with_keys_that_were_read_before_it_opens_alike_and_without_its_own_not_at_all(
    envelopes: Envelopes, subjects: Subjects
) -> None:
    sealed = envelopes.seal("s-1", "o-1", "order", b"plain")
    wrapped = subjects.get("s-1")
    assert wrapped is not None
    assert envelopes.open("s-1", "o-1", "order", sealed, keys={"s-1": wrapped}) == b"plain"
    with pytest.raises(Erased):
        envelopes.open("s-1", "o-1", "order", sealed, keys={})


def test_erasing_the_subject_erases_all_its_envelopes_and_nobody_elses(envelopes: Envelopes) -> None:
    hers = [envelopes.seal("hers", f"ord-{n}", LABEL, TEXT) for n in range(3)]
    his = envelopes.seal("his", ORDER, LABEL, TEXT)
    envelopes.erase("hers")
    for n, sealed in enumerate(hers):
        with pytest.raises(Erased, match="the subject's key was erased"):
            envelopes.open("hers", f"ord-{n}", LABEL, sealed)
    assert envelopes.open("his", ORDER, LABEL, his) == TEXT
    envelopes.erase("hers")


def test_a_subject_that_comes_back_gets_a_new_key_that_opens_nothing_old(envelopes: Envelopes) -> None:
    old = envelopes.seal("subject", ORDER, LABEL, TEXT)
    envelopes.erase("subject")
    new = envelopes.seal("subject", "ord-2", LABEL, TEXT)
    assert envelopes.open("subject", "ord-2", LABEL, new) == TEXT
    with pytest.raises(Tampered):
        envelopes.open("subject", ORDER, LABEL, old)


def test_of_two_that_give_a_subject_its_key_at_once_both_seal_under_the_one_that_is_kept(
    path: Path, subjects: Subjects
) -> None:
    class Late(Subjects):
        def get(self, *_: object) -> None:  # type: ignore[override]
            return None

    late = Late()
    keyring = Keyring.load(path)
    Envelopes(keyring, late, os.urandom).seal("subject", ORDER, LABEL, b"first")
    sealed = Envelopes(keyring, late, os.urandom).seal("subject", ORDER, LABEL, b"second")
    subjects.update(late)
    assert Envelopes(keyring, subjects, os.urandom).open("subject", ORDER, LABEL, sealed) == b"second"


def test_after_a_rotation_old_envelopes_open_and_new_subjects_use_the_new_version(
    path: Path, subjects: Subjects, counting: Callable[[int], bytes]
) -> None:
    old = Envelopes(Keyring.load(path), subjects, os.urandom).seal("old", ORDER, LABEL, TEXT)
    envelopes = Envelopes(Keyring.rotate(path, "envelope", counting), subjects, os.urandom)
    envelopes.seal("new", ORDER, LABEL, TEXT)
    assert envelopes.open("old", ORDER, LABEL, old) == TEXT
    assert (subjects["old"][:3], subjects["new"][:3]) == (b"\x01\x00\x01", b"\x01\x00\x02")


def test_repr_tells_the_version_alone(envelopes: Envelopes) -> None:
    assert repr(envelopes) == "<Envelopes, newest version 1>"
