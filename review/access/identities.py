"""People whom an identity provider names: which account is whose, made when they first come."""

import hashlib

import msgspec
import sqlalchemy as sa

from history.database import reading
from review import tables
from review.access.accounts import Language
from review.access.openid import Proved
from review.access.store import AccessStore, account_named, note
from review.errors import AccountRefused, NotProved

_identities, _spent = tables.identities.c, tables.spent.c


class Identities:
    """The account of an issuer's subject: never found by its name, which may change hands at the provider."""

    def __init__(self, engine: sa.Engine, access: AccessStore) -> None:
        self._engine = engine
        self._access = access

    def welcome(self, proved: Proved, now_ms: int, language: Language = "en") -> str:
        """A session's token for whom the token proved. Its roles are the account's from now on; `language` a new one's.

        Raises NotProved for a token that was used before, AccountRefused for somebody without a role here, whose name
        is another's, or whose account is disabled.
        """
        self._spend(proved, now_ms)
        username = self._known(proved)
        if username is None and proved.roles:
            username = self._made(proved, language, now_ms)
        elif username is not None and self._access.get(username).roles != proved.roles:
            self._access.change(username, username, now_ms, roles=proved.roles)  # and signs out who has lost one
        if username is None or not proved.roles:
            raise AccountRefused("none of your roles at the provider is one here")
        return self._access.welcome(username, now_ms)

    def _spend(self, proved: Proved, now_ms: int) -> None:
        key = hashlib.sha256(f"{proved.issuer}\0{proved.nonce}".encode()).hexdigest()
        try:
            with self._engine.begin() as connection:
                connection.execute(sa.delete(tables.spent).where(_spent.until_ms <= now_ms))
                connection.execute(sa.insert(tables.spent).values(key=key, until_ms=proved.until_ms))
        except sa.exc.IntegrityError:
            raise NotProved("used before") from None

    def _known(self, proved: Proved) -> str | None:
        query = sa.select(_identities.username)
        query = query.where(_identities.issuer == proved.issuer, _identities.subject == proved.subject)
        with reading(self._engine) as connection:
            return connection.scalar(query)

    def _made(self, proved: Proved, language: Language, now_ms: int) -> str:
        """An account without a password, and whose it is, in one transaction."""
        username = proved.username
        row = {"username": username, "roles": msgspec.json.encode(proved.roles).decode(), "language": language}
        named = {"issuer": proved.issuer, "subject": proved.subject, "username": username}
        try:
            with self._engine.begin() as connection:
                fresh = {"failures": 0, "locked_until_ms": 0, "disabled": False}
                connection.execute(sa.insert(tables.accounts).values(row | fresh))
                connection.execute(sa.insert(tables.identities).values(named))
                note(connection, username, "account.added", now_ms, fields=("roles",))
                return account_named(connection, username).username
        except sa.exc.IntegrityError:
            raise AccountRefused("there is an account of your name already") from None
