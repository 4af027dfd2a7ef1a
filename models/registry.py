"""Which version of a folder is in use where no topic says so: for `amana run`, and for workers until a first promotion.

`promotions.jsonl` has who put which version in use, and when. Two at once come one after the other: the later's stays,
and each is told what it replaced.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from models import artifact
from models.errors import ArtifactRefused, BadPromotion
from models.rules.promotion import ACTOR

LOG = "promotions.jsonl"


class Use(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version put in use, in place of another."""

    at_ms: int
    actor: str
    version: str
    content: str
    replaces: str | None


_decode = msgspec.json.Decoder(Use).decode


def promote(folder: Path, version: str, actor: str, at_ms: int, public: Path | None = None) -> Use:
    """Puts a version in use that can be loaded. Raises NoModel, ArtifactRefused, BadKey, BadPromotion."""
    if not ACTOR.fullmatch(actor):
        raise BadPromotion("expected an actor: up to 64 letters, digits, spaces and . _ @ -")
    artifact.load(folder, version, public)
    with _alone(folder):
        return _put(folder, version, actor, at_ms, public)


def rollback(folder: Path, actor: str, at_ms: int, public: Path | None = None) -> Use:
    """Puts the version in use that was before the present one. Raises BadPromotion where there was none."""
    with _alone(folder):
        now = artifact.current(folder)
        before = next((use.replaces for use in reversed(uses(folder)) if use.replaces not in {None, now}), None)
        if before is None:
            raise BadPromotion(f"{folder}: nothing to go back to: no version was put in place of another")
        artifact.load(folder, before, public)
        return _put(folder, before, actor, at_ms, public)


def uses(folder: Path) -> list[Use]:
    """All promotions of a folder, in order. A last line that has no end was cut off in writing, and is none."""
    path = folder / LOG
    whole = path.read_bytes()[: _whole_bytes(path)] if path.exists() else b""
    try:
        return [_decode(line) for line in whole.splitlines()]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArtifactRefused(f"{path}: not a log of promotions: {error}") from None


def _whole_bytes(path: Path) -> int:
    """How much of the log is whole lines."""
    return path.read_bytes().rfind(b"\n") + 1


def _put(folder: Path, version: str, actor: str, at_ms: int, public: Path | None) -> Use:
    there = (folder / artifact.CURRENT).exists()
    content = artifact.check(folder, version, public).content
    used = Use(at_ms, actor, version, content, artifact.current(folder) if there else None)
    path = folder / LOG
    with path.open("ab") as log:
        log.truncate(_whole_bytes(path))
        log.write(msgspec.json.encode(used) + b"\n")
        log.flush()
        os.fsync(log.fileno())
    artifact.use(folder, version)
    return used


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
