"""Accounts, sign-ins and the audit trail in the case database. Every method is one transaction."""

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from history.database import reading
from review import tables
from review.access import sessions
from review.access.accounts import Account, Username, attempt
from review.access.roles import Role
from review.access.sessions import Random, Session
from review.errors import AccountRefused

_ROLES = msgspec.json.Decoder(tuple[Role, ...])


def _check_name(username: str) -> None:
    """What nobody can mistake for another's name, wherever it is shown."""
    try:
        msgspec.convert(username, Username)
    except msgspec.ValidationError:
        raise AccountRefused(
            "expected a name of 1 to 64 small letters (a-z), digits and . _ -, the first a letter"
        ) from None


class AccessStore:
    """`random` makes tokens (os.urandom)."""

    def __init__(self, engine: sa.Engine, random: Random) -> None:
        self._engine = engine
        self._random = random

    def add(self, account: Account, actor: str, now_ms: int) -> None:
        """Raises AccountRefused for a name that is none, or is taken."""
        _check_name(account.username)
        try:
            with self._engine.begin() as connection:
                connection.execute(sa.insert(tables.accounts).values(_row(account)))
                note(connection, actor, "account.added", now_ms, fields=("roles",))
        except sa.exc.IntegrityError:
            raise AccountRefused(f"{account.username}: there is an account of that name already") from None

    def change(self, username: str, actor: str, now_ms: int, **changes: Any) -> Account:
        """Set fields of an account; whoever loses a role, a password or the account is signed out everywhere."""
        with self._engine.begin() as connection:
            account = msgspec.structs.replace(account_named(connection, username), **changes)
            values = {name: value for name, value in _row(account).items() if name in changes}
            connection.execute(sa.update(tables.accounts).where(_named(username)).values(values))
            if {"roles", "password", "disabled"} & set(changes):
                connection.execute(sa.delete(tables.sessions).where(tables.sessions.c.username == username))
            note(connection, actor, "account.changed", now_ms, fields=sorted(changes))
        return account

    def get(self, username: str) -> Account:
        """Raises AccountRefused where there is none."""
        with reading(self._engine) as connection:
            return account_named(connection, username)

    def list(self) -> tuple[Account, ...]:
        """All accounts, by name."""
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(tables.accounts).order_by(tables.accounts.c.username)).mappings()
            return tuple(_account(row) for row in rows)

    def sign_in(self, username: str, password: str, now_ms: int) -> str | None:
        """A new session's token, or None: nobody learns whether the name, the password or a lock was why."""
        with reading(self._engine) as connection:
            before = _find(connection, username)
        after, welcome = attempt(before, password, now_ms)
        token = sessions.new_token(self._random) if welcome else None
        with self._engine.begin() as connection:
            if before is not None:
                # Failures are counted where they are, so that guesses at once count each.
                failures = 0 if welcome else tables.accounts.c.failures + int(after != before)
                locked = after.locked_until_ms if after else 0
                changed = {"failures": failures, "locked_until_ms": locked}
                connection.execute(sa.update(tables.accounts).where(_named(username)).values(changed))
                note(connection, username, "signed_in" if welcome else "sign_in.refused", now_ms)
            if token is not None:
                _begin(connection, sessions.begun(token, username, now_ms))
        return token

    def welcome(self, username: str, now_ms: int) -> str:
        """A session for somebody who proved elsewhere who they are (OpenID Connect)."""
        token = sessions.new_token(self._random)
        with self._engine.begin() as connection:
            if account_named(connection, username).disabled:
                raise AccountRefused(f"{username}: the account is disabled")
            _begin(connection, sessions.begun(token, username, now_ms))
            note(connection, username, "signed_in", now_ms)
        return token

    def resume(self, token: str, now_ms: int) -> tuple[Account, str] | None:
        """Whose session that is and the token to go on with, or None where it has ended."""
        with reading(self._engine) as connection:
            session = _session(connection, sessions.key_of(token))
            if session is None or not sessions.alive(session, now_ms):
                return None
            account = _find(connection, session.username)
        if account is None or account.disabled:
            return None
        return account, self._kept_on(session, token, now_ms)

    def _kept_on(self, session: Session, token: str, now_ms: int) -> str:
        """Most requests write nothing, and only read."""
        rotates = sessions.must_rotate(session, now_ms)
        if not rotates and now_ms - session.used_ms < sessions.TOUCH_MS:
            return token
        used = sa.update(tables.sessions).where(tables.sessions.c.key == session.key)
        ends = used.where(tables.sessions.c.ends_ms.is_(None)).values(ends_ms=now_ms + sessions.GRACE_MS)
        with self._engine.begin() as connection:
            if not rotates:
                connection.execute(used.values(used_ms=now_ms))
            elif connection.execute(ends).rowcount == 1:
                fresh = sessions.new_token(self._random)
                _begin(connection, sessions.rotated(session, fresh, now_ms))
                return fresh
        return token

    def sign_out(self, token: str, now_ms: int) -> None:
        with self._engine.begin() as connection:
            session = _session(connection, sessions.key_of(token))
            if session is not None:
                connection.execute(sa.delete(tables.sessions).where(tables.sessions.c.key == session.key))
                note(connection, session.username, "signed_out", now_ms)

    def sweep(self, now_ms: int) -> int:
        """Forget sessions that have ended; how many."""
        held = tables.sessions.c
        ended = sa.or_(held.used_ms <= now_ms - sessions.IDLE_MS, held.began_ms <= now_ms - sessions.LONGEST_MS)
        with self._engine.begin() as connection:
            return connection.execute(sa.delete(tables.sessions).where(ended)).rowcount


def note(
    connection: sa.Connection,
    actor: str,
    action: str,
    now_ms: int,
    case_id: str | None = None,
    fields: Sequence[str] = (),
) -> None:
    """An entry of the audit trail, inside the caller's transaction: names of fields, never their values."""
    entry = {"at_ms": now_ms, "actor": actor, "action": action, "case_id": case_id}
    names = msgspec.json.encode(tuple(fields)).decode()
    connection.execute(sa.insert(tables.audit).values(entry | {"fields": names}))


def _named(username: str) -> sa.ColumnElement[bool]:
    return tables.accounts.c.username == username


def _find(connection: sa.Connection, username: str) -> Account | None:
    row = connection.execute(sa.select(tables.accounts).where(_named(username))).mappings().first()
    return None if row is None else _account(row)


def account_named(connection: sa.Connection, username: str) -> Account:
    """Raises AccountRefused where there is none."""
    account = _find(connection, username)
    if account is None:
        raise AccountRefused(f"{username}: no account of that name")
    return account


def _session(connection: sa.Connection, key: str) -> Session | None:
    row = connection.execute(sa.select(tables.sessions).where(tables.sessions.c.key == key)).mappings().first()
    return None if row is None else Session(**row)


def _begin(connection: sa.Connection, session: Session) -> None:
    connection.execute(sa.insert(tables.sessions).values(msgspec.structs.asdict(session)))


def _row(account: Account) -> dict[str, Any]:
    return msgspec.structs.asdict(account) | {"roles": msgspec.json.encode(account.roles).decode()}


def _account(row: sa.RowMapping) -> Account:
    return Account(**{**row, "roles": _ROLES.decode(row["roles"])})
