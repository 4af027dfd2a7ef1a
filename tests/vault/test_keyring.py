import json
import os
import pickle
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import KeyringError
from vault.keyring import PURPOSES, Keyring, _parse

SECRET = b"\xabsecret-key-of-thirty-two-bytes\xab"
SECRET_TEXT = msgspec.to_builtins(SECRET)


def _random(size: int) -> bytes:
    return SECRET[:size]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keyring.json"


def _write(path: Path, *entries: object, **changes: object) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps({"format": "amana-keyring-1", "keys": entries} | changes))


def _entry(**changes: object) -> dict[str, object]:
    return {"purpose": "envelope", "version": 1, "key": SECRET_TEXT} | changes


def test_a_new_keyring_holds_version_1_of_every_purpose_and_is_mode_600(path: Path) -> None:
    Keyring.create(path, _random)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Keyring.load(path).versions() == dict.fromkeys(PURPOSES, 1)
    assert Keyring.load(path).keys("pseudonym") == (SECRET,)


def test_an_existing_keyring_is_never_overwritten(path: Path) -> None:
    Keyring.create(path, _random)
    before = path.read_bytes()
    with pytest.raises(KeyringError, match="already exists"):
        Keyring.create(path, lambda size: b"x" * size)
    assert path.read_bytes() == before


def test_nothing_is_left_beside_the_file_even_when_writing_fails(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(KeyringError, match="No space left on device"):
        Keyring.create(path, _random)
    assert list(path.parent.iterdir()) == []


def test_a_missing_folder_and_a_missing_file_are_named(path: Path) -> None:
    with pytest.raises(KeyringError, match="missing: No such file or directory"):
        Keyring.create(path.parent / "missing" / "keyring.json", _random)
    with pytest.raises(KeyringError, match=r"keyring.json: No such file or directory; `amana keys init`"):
        Keyring.load(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601])
def test_a_keyring_that_others_may_touch_is_refused(path: Path, mode: int) -> None:
    Keyring.create(path, _random)
    path.chmod(mode)
    with pytest.raises(KeyringError, match=f"mode is {mode:o}, expected 600"):
        Keyring.load(path)


def test_rotation_adds_a_version_and_keeps_the_earlier_ones(path: Path) -> None:
    Keyring.create(path, _random)
    rotated = Keyring.rotate(path, "pseudonym", lambda size: b"2" * size)
    assert rotated.keys("pseudonym") == Keyring.load(path).keys("pseudonym") == (SECRET, b"2" * 32)
    assert rotated.versions()["envelope"] == 1
    assert path.stat().st_mode & 0o777 == 0o600


def test_rotations_at_the_same_time_lose_none(path: Path) -> None:
    Keyring.create(path, _random)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: Keyring.rotate(path, "envelope", lambda size: bytes([n]) * size), range(1, 9)))
    held = Keyring.load(path).keys("envelope")
    assert held[0] == SECRET
    assert {key[0] for key in held[1:]} == set(range(1, 9))


def test_a_part_holds_all_versions_of_its_purposes_alone_and_takes_the_place_of_an_earlier_one(path: Path) -> None:
    whole, part = Keyring.create(path, os.urandom), path.with_name("ledger.json")
    whole.part(part, ["ledger"])
    rotated = Keyring.rotate(path, "ledger", os.urandom)
    rotated.part(part, ["ledger", "token"])
    assert Keyring.load(part).versions() == {"token": 1, "ledger": 2}
    assert Keyring.load(part).keys("ledger") == rotated.keys("ledger")
    assert part.stat().st_mode & 0o777 == 0o600


def test_a_part_is_not_written_over_the_whole_nor_of_what_is_not_held(path: Path) -> None:
    whole = Keyring.create(path, os.urandom)
    with pytest.raises(KeyringError, match=r"keyring.json: is the whole keyring; expected another file"):
        whole.part(path, ["ledger"])
    part = whole.part(path.with_name("ledger.json"), ["ledger"])
    with pytest.raises(KeyringError, match=r"ledger.json: holds no key for token"):
        part.part(path.with_name("token.json"), ["token"])
    assert not path.with_name("token.json").exists()


def test_a_file_may_hold_only_the_purposes_that_its_stage_uses(path: Path) -> None:
    _write(path, _entry())
    keyring = Keyring.load(path)
    assert keyring.versions() == {"envelope": 1}
    with pytest.raises(KeyringError, match="holds no key for pseudonym"):
        keyring.keys("pseudonym")
    with pytest.raises(KeyringError, match="holds versions 1 to 1 for envelope, not 2"):
        keyring.key("envelope", 2)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([_entry(purpose="signing")], r"unknown purpose at \$.keys\[0\]; expected one of pseudonym, envelope"),
        ([_entry(purpose=SECRET_TEXT)], r"unknown purpose at \$.keys\[0\]"),
        ([_entry(key=SECRET_TEXT[:40])], "version 1 of envelope must be a key of 32 bytes"),
        ([_entry(key=f"{SECRET_TEXT}!")], r"ill-formed at \$.keys\[0\].key; expected amana-keyring-1"),
        ([_entry(version=2)], "versions of envelope must count 1, 2, 3"),
        ([_entry(), _entry()], "versions of envelope must count 1, 2, 3"),
        ([_entry(version=SECRET_TEXT)], r"ill-formed at \$.keys\[0\].version"),
        ([_entry() | {SECRET_TEXT: 1}], r"ill-formed at \$.keys\[0\]; expected"),
        ([{"purpose": "envelope"}], r"ill-formed at \$.keys\[0\]; expected"),
    ],
)
def test_an_ill_formed_keyring_is_named_by_place_and_no_error_shows_a_key(
    path: Path, entries: list[object], expected: str
) -> None:
    _write(path, *entries)
    with pytest.raises(KeyringError, match=expected) as refused:
        Keyring.load(path)
    assert SECRET_TEXT[:20] not in "".join(traceback.format_exception(refused.value))


@given(st.binary(max_size=200))
def test_no_bytes_are_taken_for_a_keyring_or_fail_in_any_other_way(body: bytes) -> None:
    with pytest.raises(KeyringError):
        _parse(body, Path("keyring.json"))


def test_a_keyring_shows_versions_and_purposes_and_no_key(path: Path) -> None:
    keyring = Keyring.create(path, _random)
    assert "pseudonym 1-1, envelope 1-1, blind_index 1-1" in repr(keyring)
    for shown in (repr(keyring), str(keyring), f"{keyring}"):
        assert "secret" not in shown
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(keyring)
    with pytest.raises(TypeError):
        msgspec.json.encode(keyring)
