"""Programs' tokens for the API: a random word that is shown once, its hash kept, its scopes and its end."""

import hashlib
from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from history.database import reading
from review import tables
from review.access.accounts import Account
from review.access.roles import Permission, permissions
from review.access.sessions import Random, new_token
from review.access.store import account_named, note

PREFIX = "amana_"  # so that scanners of repositories know one
DAY_MS = 86_400_000
_SCOPES = msgspec.json.Decoder(tuple[Permission, ...])


class Tokens:
    """`random` makes tokens (os.urandom)."""

    def __init__(self, engine: sa.Engine, random: Random) -> None:
        self._engine = engine
        self._random = random

    def issue(self, username: str, name: str, scopes: Sequence[Permission], days: int, actor: str, now_ms: int) -> str:
        """The token, which is never shown again. Raises AccountRefused where there is no such account."""
        token = PREFIX + new_token(self._random)
        row = {"key": _key(token), "username": username, "name": name, "expires_ms": now_ms + days * DAY_MS}
        with self._engine.begin() as connection:
            account_named(connection, username)
            held = msgspec.json.encode(tuple(scopes)).decode()
            connection.execute(sa.insert(tables.tokens).values(row | {"scopes": held}))
            note(connection, actor, "token.issued", now_ms, fields=("scopes",))
        return token

    def revoke(self, username: str, name: str, actor: str, now_ms: int) -> int:
        """End all tokens of that account and name; how many."""
        of_name = (tables.tokens.c.username == username, tables.tokens.c.name == name)
        with self._engine.begin() as connection:
            ended = connection.execute(sa.delete(tables.tokens).where(*of_name)).rowcount
            note(connection, actor, "token.revoked", now_ms)
        return ended

    def holder(self, token: str, now_ms: int) -> tuple[Account, frozenset[Permission]] | None:
        """Whose token that is and what it may, or None where it is none (any more)."""
        with reading(self._engine) as connection:
            query = sa.select(tables.tokens).where(tables.tokens.c.key == _key(token))
            row = connection.execute(query).mappings().first()
            if row is None or row["expires_ms"] <= now_ms:
                return None
            account = account_named(connection, row["username"])
        if account.disabled:
            return None
        return account, permissions(account.roles) & set(_SCOPES.decode(row["scopes"]))


def _key(token: str) -> str:
    return hashlib.sha256(b"token\0" + token.encode()).hexdigest()
