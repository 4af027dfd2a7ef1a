"""A folder of certificates and passwords for a try: a sub-folder for each server, process and partner.

Each password is for one principal on one server: a server that is broken into learns nothing that opens another.
"""

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from events.principals import ADMIN, KAFKA_PASSWORD, principals
from vault.certificates import LOOPBACK, Member, create

SERVERS = ("kafka", "redis", "postgres", "deliverer")  # the names that docker-compose.yml gives them
LASTING = timedelta(days=30)

Token = Callable[[], str]


def make(folder: Path, partners: Sequence[str], now: datetime, token: Token = secrets.token_urlsafe) -> list[str]:
    """Make the folder; gives its sub-folders' names. Raises CertificatesError where there is one already."""
    files: dict[str, dict[str, bytes]] = {name: {} for name in (*SERVERS, ADMIN)}
    for principal in principals(partners):
        files.setdefault(principal.name, {})[KAFKA_PASSWORD] = _line(token())
    members = [
        Member(name, (name, *LOOPBACK) if name in SERVERS else (), name == ADMIN, held) for name, held in files.items()
    ]
    create(folder, members, now, LASTING)
    return sorted(files)


def _line(text: str) -> bytes:
    return f"{text}\n".encode()
