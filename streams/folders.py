"""The output folder of `amana run` and `amana demo`: one run's alone, from its first byte to its last.

A run makes the facts file and keeps it locked; the lock ends with the process, however it ends.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from events import topics
from events.errors import AmanaError

FACTS = f"{topics.FACTS}.jsonl"
DEMO = "made-by-demo.txt"
TOPICS = (topics.FACTS, topics.DECISIONS, topics.QUARANTINE, topics.LATE, "share.*")
MADE = (
    *(f"{name}.jsonl" for name in TOPICS),
    "amana.db*",
    "keyring.json",
    "jwks.json",
    "models",
    "models.key",
    "models.pub",
    "partners",
    "partners-own",
    "summary.json",
    "passwords.txt",
    "labels.jsonl",
    DEMO,
)


class Occupied(AmanaError):
    """The output folder holds another run's files, or something else."""


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Nobody else's for as long as the context lasts; given back where the run fails before it wrote anything.

    Raises Occupied where another run is or was.
    """
    folder.mkdir(parents=True, exist_ok=True)
    facts = folder / FACTS
    try:
        held = os.open(facts, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
    except FileExistsError:
        with facts.open("ab") as older:
            _lock(older.fileno(), folder)
        raise Occupied(f"{folder} holds another run; give a new folder, or remove it") from None
    try:
        _lock(held, folder)
        try:
            yield
        except BaseException as error:
            if isinstance(error, OSError) and error.filename is None:
                error.filename = str(folder)  # a full disk names no file
            if not any(path.stat().st_size for path in folder.glob("*.jsonl")):
                facts.unlink()
            raise
    finally:
        os.close(held)


def clear_demo(folder: Path) -> None:
    """Remove what an earlier demo left, and make the folder a demo's.

    Raises Occupied where it holds anything else, such as a run of somebody's own events, or a demo that is running.
    """
    held = sorted(folder.iterdir()) if folder.exists() else []
    if held and folder / DEMO not in held:
        raise Occupied(f"{folder} holds something else; give a new folder, or an earlier demo's")
    if strange := [path.name for path in held if not any(map(path.match, MADE))]:
        raise Occupied(f"{folder} holds {strange[0]}, which no demo made; give a new folder, or move that elsewhere")
    if held:
        _remove(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DEMO).write_text("`amana demo` made this folder, and removes it when it is run again.\n")


def _remove(folder: Path) -> None:
    held = os.open(folder / FACTS, os.O_CREAT | os.O_RDWR, 0o666)
    try:
        _lock(held, folder)
        shutil.rmtree(folder)
    finally:
        os.close(held)


def _lock(file: int, folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Occupied(f"another run is writing to {folder}; wait for its end, or give another folder") from None
