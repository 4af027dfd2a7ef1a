"""A folder of certificates and passwords for a try: a sub-folder for each server, process and partner.

Each password is for one principal on one server: a server that is broken into learns nothing that opens another.
"""

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from events.principals import ADMIN, KAFKA_PASSWORD, principals
from streams.redis_users import USERS, acl_file
from streams.roles import ROLES
from vault.certificates import LOOPBACK, Member, create

POSTGRES_PASSWORD = "postgres.password"  # noqa: S105 - files, as that of Kafka
REDIS_PASSWORD = "redis.password"  # noqa: S105
USERS_FILE = "users.acl"
PASSFILE = "pgpass"  # the same, as libpq reads it
OWNER = "amana"  # of PostgreSQL's tables
# By folder, the names that docker-compose.yml gives the servers. The partners' endpoints are the deliverer's.
SERVERS = {
    "kafka": "kafka",
    "redis": "redis",
    "postgres": "postgres",
    "deliverer": "partner-api",
    "console": "console",
    "privacy-console": "privacy-console",
}
# A process that logs in to PostgreSQL under more roles than one has no password of its own, but all of theirs.
LOGINS = {"privacy-console": ("privacy", "console")}
LASTING = timedelta(days=30)

Token = Callable[[], str]


def make(folder: Path, partners: Sequence[str], now: datetime, token: Token = secrets.token_urlsafe) -> list[str]:
    """Make the folder; gives its sub-folders' names. Raises CertificatesError where there is one already."""
    files: dict[str, dict[str, bytes]] = {name: {} for name in (*SERVERS, ADMIN)}
    for principal in principals(partners):
        files.setdefault(principal.name, {})[KAFKA_PASSWORD] = _line(token())
    logins: dict[str, bytes] = {}
    for name in (OWNER, *(role.name for role in ROLES)):
        password = token()
        logins[name] = _line(f"*:*:*:{name}:{password}")
        files.setdefault(name, {}).update({POSTGRES_PASSWORD: _line(password), PASSFILE: logins[name]})
    for name, roles in LOGINS.items():
        files[name][PASSFILE] = b"".join(logins[role] for role in roles)
    opening = {user.name: token() for user in USERS if not user.open}
    for name, password in opening.items():
        files.setdefault(name, {})[REDIS_PASSWORD] = _line(password)
    files["redis"][USERS_FILE] = acl_file(opening).encode()
    files["postgres"][POSTGRES_PASSWORD] = files[OWNER][POSTGRES_PASSWORD]  # with which it is initialised
    members = [
        Member(name, (SERVERS[name], *LOOPBACK) if name in SERVERS else (), name == ADMIN, held)
        for name, held in files.items()
    ]
    create(folder, members, now, LASTING)
    return sorted(files)


def postgres_passwords(folder: Path) -> dict[str, str]:
    """By role, those that the folder has."""
    return {path.parent.name: path.read_text().strip() for path in sorted(folder.glob(f"*/{POSTGRES_PASSWORD}"))}


def _line(text: str) -> bytes:
    return f"{text}\n".encode()
