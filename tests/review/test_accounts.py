import msgspec
import pytest

from review.access.accounts import FIRST_LOCK_MS, FREE_FAILURES, LONGEST_LOCK_MS, Account, attempt, hashed
from review.errors import BadPassword

WORD = "correct horse battery"
ACCOUNT = Account(username="noura", roles=("analyst",), password=hashed(WORD))
NOW_MS = 1_800_000_000_000


def test_the_right_password_lets_in_and_forgets_failures() -> None:
    failed = msgspec.structs.replace(ACCOUNT, failures=3)
    assert attempt(failed, WORD, NOW_MS) == (ACCOUNT, True)


def test_a_wrong_one_is_counted_and_from_the_fifth_on_locks_for_twice_as_long_each_time() -> None:
    account, locks = ACCOUNT, []
    now_ms = NOW_MS
    for _ in range(FREE_FAILURES + 2):
        now_ms = max(now_ms, account.locked_until_ms)
        after, welcome = attempt(account, "wrong horse battery", now_ms)
        assert after is not None
        assert not welcome
        account = after
        locks.append(max(0, account.locked_until_ms - now_ms))
    assert locks == [0, 0, 0, 0, FIRST_LOCK_MS, 2 * FIRST_LOCK_MS, 4 * FIRST_LOCK_MS]


def test_no_lock_is_longer_than_an_hour() -> None:
    after, _ = attempt(msgspec.structs.replace(ACCOUNT, failures=500), "wrong horse battery", NOW_MS)
    assert after is not None
    assert after.locked_until_ms - NOW_MS == LONGEST_LOCK_MS


@pytest.mark.parametrize("changes", [{"locked_until_ms": NOW_MS + 1}, {"disabled": True}, {"password": None}])
def test_a_locked_a_disabled_and_a_passwordless_account_refuse_even_the_right_password(changes: dict[str, int]) -> None:
    account = msgspec.structs.replace(ACCOUNT, **changes)
    assert attempt(account, WORD, NOW_MS) == (account, False)


def test_an_unknown_name_is_refused() -> None:
    assert attempt(None, WORD, NOW_MS) == (None, False)


@pytest.mark.parametrize("password", ["short", "a" * 257, "aaaabbbbaaaabbbb", ""])
def test_weak_passwords_are_refused_without_being_quoted(password: str) -> None:
    with pytest.raises(BadPassword) as caught:
        hashed(password)
    assert not password or password not in str(caught.value)


def test_a_hash_is_argon2id_and_differs_each_time() -> None:
    assert hashed(WORD).startswith("$argon2id$")
    assert hashed(WORD) != hashed(WORD)
