"""Who may do what in the feature store: the table from which Redis's users and docs/security.md are made."""

import hashlib
from collections.abc import Mapping

import msgspec

# What the store's script and its client call (features/apply.lua, features/store.py, features/handover.py).
_APPLY = "evalsha eval info hgetall hmget hset hsetnx hvals hkeys hdel get set sadd expire"
_CONNECT = "ping select client|setname hello"


class RedisUser(msgspec.Struct, frozen=True):
    """`commands` alone, on the store's own keys alone; no channels. `open`: without a password."""

    name: str
    what: str
    commands: str
    keys: str = "~{s*"  # every key begins with its shard's tag
    open: bool = False


USERS: tuple[RedisUser, ...] = (
    RedisUser("screen", "`amana screen`", f"{_CONNECT} {_APPLY}"),
    RedisUser("migration", "`amana features migrate`, `backfill` and `audit`", f"{_CONNECT} {_APPLY}"),
    RedisUser("analysis", "`amana features show`: reads", f"{_CONNECT} get hmget hgetall"),
    RedisUser("health", "the health check", "ping", keys="", open=True),
)


def acl_file(passwords: Mapping[str, str]) -> str:
    """Redis's own form. Passwords as their SHA-256: they are long and random (`amana certs dev`)."""
    lines = ["user default off resetkeys resetchannels -@all"]
    for user in USERS:
        proof = "nopass" if user.open else f"#{hashlib.sha256(passwords[user.name].encode()).hexdigest()}"
        commands = " ".join(f"+{command}" for command in user.commands.split())
        lines.append(" ".join(f"user {user.name} on {proof} resetchannels {user.keys} -@all {commands}".split()))
    return "\n".join(lines) + "\n"
