"""Accounts and how a password lets one in; what a wrong one costs.

Passwords are kept as argon2id hashes with the library's recommended parameters (RFC 9106, second choice). After a few
wrong ones an account is locked for a time that doubles with each further one (NIST SP 800-63B 5.2.2).
"""

from typing import Annotated, Literal

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from msgspec import Meta

from review.access.roles import Role
from review.errors import BadPassword

Language = Literal["en", "ar"]

# `$` alone also matches before a last newline in Python, so the look-ahead.
Username = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9._-]{0,63}$(?!\n)")]

FEWEST_CHARACTERS, MOST_CHARACTERS = 12, 256
FREE_FAILURES = 5
FIRST_LOCK_MS, LONGEST_LOCK_MS = 30_000, 3_600_000

_HASHER = PasswordHasher()
# What an unknown name's password is held against, so that its answer takes as long as a known one's.
_NOBODY = _HASHER.hash("a password that nobody has")


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """`password` is the argon2id hash, None for people who sign in elsewhere (OpenID Connect)."""

    username: Username
    roles: tuple[Role, ...]
    language: Language = "en"
    password: str | None = None
    failures: int = 0
    locked_until_ms: int = 0
    disabled: bool = False


def hashed(password: str) -> str:
    """The password's argon2id hash. Raises BadPassword for one that is too short, too long or the same throughout."""
    if not FEWEST_CHARACTERS <= len(password) <= MOST_CHARACTERS:
        raise BadPassword(f"expected a password of {FEWEST_CHARACTERS} to {MOST_CHARACTERS} characters")
    if len(set(password)) < 4:
        raise BadPassword("expected a password of more than three different characters")
    return _HASHER.hash(password)


def attempt(account: Account | None, password: str, now_ms: int) -> tuple[Account | None, bool]:
    """The account as it is after the attempt, and whether it lets its owner in.

    None, a disabled or a locked account and a wrong password all refuse alike, in the same time.
    """
    right = _verified(account.password if account and account.password else _NOBODY, password)
    if account is None or account.disabled or account.password is None or now_ms < account.locked_until_ms:
        return account, False
    if right:
        return msgspec.structs.replace(account, failures=0, locked_until_ms=0), True
    return _failed(account, now_ms), False


def _failed(account: Account, now_ms: int) -> Account:
    failures = account.failures + 1
    over = failures - FREE_FAILURES
    lock_ms = 0 if over < 0 else min(FIRST_LOCK_MS << min(over, 16), LONGEST_LOCK_MS)
    return msgspec.structs.replace(account, failures=failures, locked_until_ms=now_ms + lock_ms if lock_ms else 0)


def _verified(held: str, password: str) -> bool:
    try:
        return _HASHER.verify(held, password[:MOST_CHARACTERS])
    except (VerificationError, InvalidHashError):
        return False
