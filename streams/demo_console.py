"""What `amana demo` ends with: the console over the demo's own cases, on this machine's loopback alone.

Its accounts get passwords of this run alone; they stand on the terminal and in the run's folder, for its owner to read.
The store's made-up time goes on from where the demo ended.
"""

import os
import socket
import time
from base64 import b32encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import click
import uvicorn

from history.database import make_engine
from review.access.accounts import Account, hashed
from review.access.roles import Role
from review.access.sessions import Random
from review.console.app import console
from review.console.cli import chores
from review.console.house import House, furnished
from review.store import SubjectKeyTable
from vault.blind_index import BlindIndex
from vault.envelopes import Envelopes
from vault.keyring import Keyring

HOST, PORT = "127.0.0.1", 8600
PEOPLE: Sequence[tuple[str, Role]] = (
    ("analyst", "analyst"),
    ("lead", "lead"),
    ("privacy", "privacy_officer"),
    ("privacy2", "privacy_officer"),  # a request of the law is entered by one and approved by others
    ("privacy3", "privacy_officer"),
)
PASSWORDS, LABELS = "passwords.txt", "labels.jsonl"
ACTOR = "cli:demo"


def serve(folder: Path, end_ms: int, random: Random = os.urandom) -> None:
    """Until Ctrl-C. The last lines on the terminal say where, as whom and how to decide a first case."""
    began_ms = _now_ms()
    house = furnished_for(folder, lambda: end_ms + _now_ms() - began_ms, random)
    passwords = welcomed(house, folder, random)
    with bound() as listening, chores(house, None, folder / LABELS):
        for line in lines(listening.getsockname()[1], passwords):
            click.echo(line)
        config = uvicorn.Config(console(house), log_level="warning", access_log=False, server_header=False)
        with suppress(KeyboardInterrupt):  # uvicorn has ended in order, and hands the signal on
            uvicorn.Server(config).run(sockets=[listening])
    house.engine.dispose()


def furnished_for(folder: Path, clock: Callable[[], int], random: Random) -> House:
    engine, keyring = make_engine(f"sqlite:///{folder}/amana.db"), Keyring.load(folder / "keyring.json")
    envelopes = Envelopes(keyring, SubjectKeyTable(engine), random)
    return furnished(engine, envelopes, BlindIndex(keyring), random, clock, https=False, private=engine)


def welcomed(house: House, folder: Path, random: Random) -> dict[str, str]:
    """An account for each of PEOPLE; their passwords, which the folder's owner alone may read."""
    passwords = {name: b32encode(random(10)).decode().lower() for name, _ in PEOPLE}
    for name, role in PEOPLE:
        account = Account(username=name, roles=(role,), password=hashed(passwords[name]))
        house.access.add(account, ACTOR, house.clock())
    file = os.open(folder / PASSWORDS, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w", encoding="ascii") as written:
        written.writelines(f"{name} {password}\n" for name, password in passwords.items())
    return passwords


def lines(port: int, passwords: dict[str, str]) -> list[str]:
    """The terminal's last five: who reads no more of it decides a first case."""
    officers = [f"{name} {passwords[name]}" for name, role in PEOPLE if role == "privacy_officer"]
    others = [each for each in PEOPLE if each[1] != "privacy_officer"]
    people = [f"  name {name:<8}  password {passwords[name]}  ({role})" for name, role in others]
    return [
        f"Privacy officers, names and passwords: {', '.join(officers)}",
        f"The analysts' console is at http://{HOST}:{port}/ until you press Ctrl-C. Sign in there as one of:",
        *people,
        'As the analyst press "Take the next case", write a reason, and press "Approve" or "Confirm fraud".',
    ]


def bound() -> socket.socket:
    """The console's usual port, or any free one where that is taken."""
    for port in (PORT, 0):
        with suppress(OSError):
            return socket.create_server((HOST, port))
    raise OSError(f"no port of {HOST} is free")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
