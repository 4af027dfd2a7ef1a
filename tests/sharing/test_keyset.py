"""Our published key set: what is in it when, and who signs."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharing.errors import KeysError, TokenError
from sharing.tokens import Opener, Sealer, SigningKey
from sharing.tokens.keyset import (
    DAY_S,
    KEEP_S,
    LEAD_S,
    Following,
    KeySet,
    published,
    signing_key,
    signing_keys,
    withdrawn,
)
from tests.sharing.sealed import ACQUIRER, EVENT, ISSUER, JTI, PARTNERS
from vault.keyring import Keyring

NOW_S = 1_767_225_600
KEYS = tuple(SigningKey(bytes([number]) * 32) for number in range(1, 5))
FIRST = published(KeySet(), KEYS[:1], NOW_S)


def names(key_set: KeySet) -> list[tuple[str, int, int | None]]:
    kids = {key.kid: f"key {number}" for number, key in enumerate(KEYS, 1)}
    return [(kids[key.kid], key.nbf - NOW_S, key.exp and key.exp - NOW_S) for key in key_set.keys]


def test_the_first_key_signs_at_once() -> None:
    assert names(FIRST) == [("key 1", 0, None)]
    assert signing_key(FIRST, KEYS[:1], NOW_S) is KEYS[0]


def test_the_next_key_is_published_a_day_before_it_signs_and_the_last_stays_for_thirty_days_after() -> None:
    both = published(FIRST, KEYS[:2], NOW_S)
    assert names(both) == [("key 1", 0, 31 * DAY_S), ("key 2", DAY_S, None)]
    assert signing_key(both, KEYS, NOW_S + LEAD_S - 1) is KEYS[0]
    assert signing_key(both, KEYS, NOW_S + LEAD_S) is KEYS[1]
    assert published(both, KEYS[:2], NOW_S + LEAD_S + KEEP_S - 1) == both
    assert names(published(both, KEYS[:2], NOW_S + LEAD_S + KEEP_S)) == [("key 2", DAY_S, None)]


def test_publishing_again_changes_nothing() -> None:
    both = published(FIRST, KEYS[:2], NOW_S)
    assert published(both, KEYS[:2], NOW_S + 5) == both


def test_two_rotations_within_a_day_leave_the_signing_key_in_its_place_until_the_next_starts() -> None:
    three = published(published(FIRST, KEYS[:2], NOW_S), KEYS[:3], NOW_S + 100)
    assert names(three) == [
        ("key 1", 0, 31 * DAY_S),
        ("key 2", DAY_S, 100 + 31 * DAY_S),
        ("key 3", DAY_S + 100, None),
    ]
    assert [signing_key(three, KEYS, NOW_S + LEAD_S + after).kid for after in (-1, 0, 100)] == [
        key.kid for key in KEYS[:3]
    ]


def test_a_lost_set_is_published_anew_with_every_key_that_may_have_signed() -> None:
    again = published(KeySet(), KEYS[:3], NOW_S)
    assert names(again) == [("key 1", 0, 30 * DAY_S), ("key 2", 0, 30 * DAY_S), ("key 3", 0, None)]
    assert signing_key(again, KEYS, NOW_S) is KEYS[2]


def test_a_key_in_other_hands_is_withdrawn_with_all_before_it_and_does_not_come_back() -> None:
    alone = withdrawn(KEYS[:3], NOW_S)
    assert names(alone) == [("key 3", 0, None)]
    assert signing_key(alone, KEYS, NOW_S) is KEYS[2]
    assert published(alone, KEYS[:3], NOW_S + 1) == alone


def test_a_set_with_a_key_of_someone_else_is_not_published() -> None:
    with pytest.raises(KeysError, match=f"holds {KEYS[0].kid}, which the keyring does not; expected our keys alone"):
        published(FIRST, KEYS[1:2], NOW_S)
    with pytest.raises(KeysError, match=r"says that .* signs, which the keyring does not hold"):
        signing_key(FIRST, KEYS[1:2], NOW_S)


def test_without_a_published_key_nothing_is_signed() -> None:
    with pytest.raises(KeysError, match="no key that signs now; `amana partner jwks` publishes one"):
        signing_key(KeySet(), KEYS, NOW_S)


@given(st.lists(st.integers(0, 40 * DAY_S), max_size=3), st.integers(0, 200 * DAY_S))
def test_whenever_it_is_rotated_what_signs_is_published_and_was_for_a_day(waits_s: list[int], later_s: int) -> None:
    sets, at_s = [(NOW_S, FIRST)], NOW_S
    for held, wait_s in enumerate(waits_s, 2):
        at_s += wait_s
        sets.append((at_s, published(sets[-1][1], KEYS[:held], at_s)))
    now_s = at_s + later_s
    signs = signing_key(sets[-1][1], KEYS, now_s)
    assert signs.kid in {key.kid for key in published(sets[-1][1], KEYS[: len(sets)], now_s).keys}
    since_s = min(at for at, each in sets if signs.kid in {key.kid for key in each.keys})
    assert signs is KEYS[0] or now_s - since_s >= LEAD_S


@pytest.fixture
def path(tmp_path: Path) -> Path:
    FIRST.write(tmp_path / "jwks.json")
    return tmp_path / "jwks.json"


def signed_by(following: Following, at_s: int) -> str:
    """Whose signature the partner finds on what is sealed then."""
    sealed = Sealer(ISSUER, following, PARTNERS).seal("acquirer", JTI, "case-1", EVENT, b"{}", at_s * 1000)
    for number, key in enumerate(KEYS, 1):
        try:
            Opener(ACQUIRER, {"keys": [key.jwk()]}, issuer=ISSUER, audience="acquirer").open(sealed)
        except TokenError:
            continue
        return f"key {number}"
    return "nobody"


def test_a_sealer_that_runs_for_weeks_changes_over_when_the_published_set_says_so(path: Path) -> None:
    following = Following(path, KEYS[:2], NOW_S)
    published(FIRST, KEYS[:2], NOW_S).write(path)
    assert signed_by(following, NOW_S + LEAD_S - 1) == "key 1"
    assert signed_by(following, NOW_S + LEAD_S) == "key 2"


def test_a_sealer_without_the_next_key_goes_on_while_its_own_is_published_and_then_signs_no_more(path: Path) -> None:
    following = Following(path, KEYS[:1], NOW_S)
    published(FIRST, KEYS[:2], NOW_S).write(path)
    assert signed_by(following, NOW_S + LEAD_S + KEEP_S - 1) == "key 1"
    with pytest.raises(KeysError, match="has no key that signs now"):
        signed_by(following, NOW_S + LEAD_S + KEEP_S)


def test_a_withdrawn_key_signs_no_more_within_a_minute(path: Path) -> None:
    following = Following(path, KEYS[:2], NOW_S)
    withdrawn(KEYS[:2], NOW_S + 1).write(path)
    assert signed_by(following, NOW_S + 59) == "key 1"
    assert signed_by(following, NOW_S + 60) == "key 2"


def test_a_sealer_does_not_start_without_the_key_that_signs_and_a_clock_put_back_does_not_stop_it(path: Path) -> None:
    with pytest.raises(KeysError, match=r"says that .* signs, which the keyring does not hold"):
        Following(path, KEYS[1:2], NOW_S)
    with pytest.raises(KeysError, match="has no key that signs now"):
        Following(path, KEYS[:1], NOW_S - 1)
    assert signed_by(Following(path, KEYS[:1], NOW_S), NOW_S - 3600) == "key 1"


def test_what_an_old_key_signed_opens_while_the_key_is_published_and_not_after() -> None:
    sealed = Sealer(ISSUER, KEYS[0], PARTNERS).seal("acquirer", JTI, "case-1", EVENT, b"{}", NOW_S * 1000)
    both = published(FIRST, KEYS[:2], NOW_S)

    def opener(key_set: KeySet) -> Opener:
        return Opener(ACQUIRER, json.loads(msgspec.json.encode(key_set)), issuer=ISSUER, audience="acquirer")

    assert opener(both).open(sealed).jti == JTI
    with pytest.raises(TokenError) as refusal:
        opener(published(both, KEYS[:2], NOW_S + LEAD_S + KEEP_S)).open(sealed)
    assert refusal.value.reason == "unknown_key"


def test_a_set_is_kept_in_a_file_that_holds_no_secret(tmp_path: Path) -> None:
    keyring = Keyring.create(tmp_path / "keyring.json", bytes)
    held = signing_keys(keyring)
    path = tmp_path / "jwks.json"
    assert KeySet.load(path) == KeySet()
    first = published(KeySet.load(path), held, NOW_S)
    first.write(path)
    assert KeySet.load(path) == first
    assert json.loads(path.read_text()) == {
        "keys": [
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "x": held[0].x,
                "kid": held[0].kid,
                "use": "sig",
                "alg": "Ed25519",
                "nbf": NOW_S,
            }
        ]
    }
    assert sorted(each.name for each in tmp_path.iterdir()) == ["jwks.json", "keyring.json"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("{", "not JSON"),
        ('{"keys":[{"kty":"OKP"}]}', r"Object missing required field `crv` - at `\$.keys\[0\]`"),
        ('{"keys":[],"d":1}', "Object contains unknown field `d`"),
    ],
)
def test_a_file_that_is_no_set_of_ours_is_refused(tmp_path: Path, body: str, expected: str) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(body)
    with pytest.raises(KeysError, match=f"jwks.json: {expected}"):
        KeySet.load(path)


def test_a_set_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match=r"none/jwks.json: No such file or directory; expected a folder"):
        FIRST.write(tmp_path / "none" / "jwks.json")
