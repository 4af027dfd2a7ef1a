import os

import pytest
import sqlalchemy as sa

from review import tables
from review.access.accounts import FREE_FAILURES, Account
from review.access.sessions import GRACE_MS, IDLE_MS, LONGEST_MS, ROTATE_MS
from review.access.store import AccessStore
from review.errors import AccountRefused
from tests.review.examples import PASSWORD, WORD

NOW_MS = 1_800_000_000_000
MINUTE_MS = 60_000


@pytest.fixture
def access(engine: sa.Engine) -> AccessStore:
    store = AccessStore(engine, os.urandom)
    store.add(Account(username="noura", roles=("analyst",), language="ar", password=PASSWORD), "cli:root", NOW_MS)
    return store


def signed_in(access: AccessStore, now_ms: int = NOW_MS) -> str:
    token = access.sign_in("noura", WORD, now_ms)
    assert token is not None
    return token


def actions(engine: sa.Engine) -> list[tuple[str, str]]:
    with engine.connect() as connection:
        rows = connection.execute(sa.select(tables.audit.c.actor, tables.audit.c.action).order_by(tables.audit.c.place))
        return [(actor, action) for actor, action in rows]


def test_a_name_is_given_once(access: AccessStore) -> None:
    with pytest.raises(AccountRefused, match="noura: there is an account of that name already"):
        access.add(access.get("noura"), "cli:root", NOW_MS)


@pytest.mark.parametrize("name", ["", "Noura", "nour\u0430", "noura\n", "\u202enoura", "a b", "1st", "n" * 65])
def test_a_name_that_might_be_taken_for_anothers_is_given_to_nobody(access: AccessStore, name: str) -> None:
    with pytest.raises(AccountRefused, match="expected a name of 1 to 64 small letters"):
        access.add(Account(username=name, roles=("analyst",)), "cli:root", NOW_MS)
    assert [account.username for account in access.list()] == ["noura"]


def test_the_right_password_begins_a_session_that_names_its_account(access: AccessStore) -> None:
    token = signed_in(access)
    assert access.resume(token, NOW_MS + 1) == (access.get("noura"), token)


def test_a_wrong_password_an_unknown_name_and_a_lock_give_nothing(access: AccessStore) -> None:
    for _ in range(FREE_FAILURES):
        assert access.sign_in("noura", "wrong horse battery", NOW_MS) is None
    assert access.sign_in("noura", WORD, NOW_MS + 1) is None
    assert access.sign_in("nobody", WORD, NOW_MS) is None
    assert access.get("noura").failures == FREE_FAILURES


def test_the_store_never_holds_a_token_or_a_password(access: AccessStore, engine: sa.Engine) -> None:
    token = signed_in(access)
    with engine.connect() as connection:
        kept = [str(row) for table in (tables.sessions, tables.accounts) for row in connection.execute(table.select())]
    assert not any(token in row or WORD in row for row in kept)


def test_a_session_ends_when_it_is_not_used_or_a_working_day_is_over(access: AccessStore) -> None:
    assert access.resume(signed_in(access), NOW_MS + IDLE_MS) is None
    token, now_ms = signed_in(access), NOW_MS
    while now_ms + 20 * MINUTE_MS < NOW_MS + LONGEST_MS:
        now_ms += 20 * MINUTE_MS
        resumed = access.resume(token, now_ms)
        assert resumed is not None
        token = resumed[1]
    assert access.resume(token, NOW_MS + LONGEST_MS) is None


def test_an_hour_old_token_is_replaced_and_the_old_one_soon_counts_no_more(access: AccessStore) -> None:
    old, now_ms = signed_in(access), NOW_MS
    for _ in range(2):
        now_ms += 25 * MINUTE_MS
        assert access.resume(old, now_ms) == (access.get("noura"), old)
    now_ms = NOW_MS + ROTATE_MS
    resumed = access.resume(old, now_ms)
    assert resumed is not None
    fresh = resumed[1]
    assert fresh != old
    assert access.resume(old, now_ms + GRACE_MS - 1) == (access.get("noura"), old)
    assert access.resume(old, now_ms + GRACE_MS) is None
    assert access.resume(fresh, now_ms + GRACE_MS) == (access.get("noura"), fresh)


def test_signing_out_ends_the_session_and_no_other(access: AccessStore) -> None:
    mine, other = signed_in(access), signed_in(access)
    access.sign_out(mine, NOW_MS)
    assert access.resume(mine, NOW_MS) is None
    assert access.resume(other, NOW_MS) is not None


@pytest.mark.parametrize("changes", [{"roles": ("auditor",)}, {"disabled": True}, {"password": None}])
def test_who_loses_roles_the_password_or_the_account_is_signed_out_everywhere(
    access: AccessStore, changes: dict[str, object]
) -> None:
    token = signed_in(access)
    access.change("noura", "cli:root", NOW_MS, **changes)
    assert access.resume(token, NOW_MS) is None


def test_a_change_of_language_signs_nobody_out(access: AccessStore) -> None:
    token = signed_in(access)
    assert access.change("noura", "noura", NOW_MS, language="en").language == "en"
    assert access.resume(token, NOW_MS) is not None


def test_who_did_what_is_kept(access: AccessStore, engine: sa.Engine) -> None:
    access.sign_in("noura", "wrong horse battery", NOW_MS)
    access.sign_out(signed_in(access), NOW_MS)
    assert actions(engine) == [
        ("cli:root", "account.added"),
        ("noura", "sign_in.refused"),
        ("noura", "signed_in"),
        ("noura", "signed_out"),
    ]


def test_sessions_that_have_ended_are_swept(access: AccessStore) -> None:
    signed_in(access)
    token = signed_in(access, NOW_MS + IDLE_MS)
    assert access.sweep(NOW_MS + IDLE_MS) == 1
    assert access.resume(token, NOW_MS + IDLE_MS) is not None
