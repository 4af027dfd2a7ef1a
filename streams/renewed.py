"""What a process makes of files that people change while it runs: contracts, their signers, partners' keys."""

import hashlib
from collections.abc import Callable, Collection, Iterable
from datetime import date
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

import structlog
from prometheus_client import Gauge

from events.errors import AmanaError
from sharing.opened import opened
from sharing.standing import day_of
from streams.metrics import Metrics
from vault.errors import VaultError

log = structlog.get_logger()

T = TypeVar("T")
MAX_BYTES = 1 << 20  # looked at of a file: none that is taken is longer
EVERY_MS = 5_000


class Renewed(Generic[T]):
    """`now` is what was made last; `look` makes it anew when a file has changed, or a day (UTC) has begun.

    What cannot be made (a contract that is ill-formed or not signed yet, a key file half-written) leaves in force what
    was there: all of it, for contracts are checked against each other. It is logged, and tried again at every look.
    `check` gets what is in force and what was made anew, and raises AmanaError where the one may not follow the other.
    `what` names the log's events and the gauge: WHAT.taken_up, WHAT.refused, amana_WHAT_refused. `names` gives words
    for each thing that holds, no personal or secret ones: those that are new and those that went are logged.
    """

    def __init__(
        self,
        make: Callable[[date], T],
        files: Callable[[], Iterable[Path]],
        now_ms: Callable[[], int],
        metrics: Metrics | None = None,
        check: Callable[[T, T], None] = lambda *_: None,
        what: str = "agreements",
        names: Callable[[T], Collection[str]] = lambda _: (),
    ) -> None:
        self._make = make
        self._files = files
        self._now_ms = now_ms
        self._check = check
        self._names = names
        self._taken_up, self._not_taken_up = f"{what}.taken_up", f"{what}.refused"
        self._lock = Lock()
        self._refused: str | None = None
        self._gauge: Gauge | None = None
        if metrics is not None:
            self._gauge = Gauge(
                f"amana_{what}_refused", f"1 while changed {what} are not taken up: the old ones hold",
                registry=metrics.registry,
            )  # fmt: skip
        self._looked_ms = now_ms()
        self._seen = self._content()
        self.now = make(day_of(self._looked_ms))

    def look(self) -> T:
        """What holds now; the files are read every few seconds at most, by one thread."""
        if self._lock.acquire(blocking=False):
            try:
                if abs(self._now_ms() - self._looked_ms) >= EVERY_MS:
                    self._looked_ms = self._now_ms()
                    self._renew()
            finally:
                self._lock.release()
        return self.now

    def _renew(self) -> None:
        content = self._content()  # before they are read: what changes meanwhile shows at the next look
        if content == self._seen:
            self._hold(None)
            return
        try:
            made = self._make(day_of(self._looked_ms))
            self._check(self.now, made)
        except (AmanaError, VaultError, OSError) as error:
            self._hold(str(error))
            return
        before, after = (frozenset(self._names(each)) for each in (self.now, made))
        self.now, self._seen = made, content
        self._hold(None)
        log.info(self._taken_up, new=sorted(after - before), gone=sorted(before - after))

    def _hold(self, refused: str | None) -> None:
        if refused is not None and refused != self._refused:
            log.error(self._not_taken_up, why=refused)
        self._refused = refused
        if self._gauge is not None:
            self._gauge.set(refused is not None)

    def _content(self) -> bytes:
        found = hashlib.sha256(day_of(self._looked_ms).isoformat().encode())
        for path in sorted(self._files()):
            found.update(hashlib.sha256(str(path).encode()).digest() + _hash(path))
        return found.digest()


def _hash(path: Path) -> bytes:
    try:
        with opened(path) as file:
            return hashlib.sha256(file.read(MAX_BYTES)).digest()
    except OSError:
        return bytes(32)


def agreement_files(contracts: Path, signers: Path | None) -> list[Path]:
    """Whatever decides what partners are told."""
    found = [*contracts.glob("*.yaml"), *contracts.glob("past/*.yaml")]
    return found if signers is None else [*found, signers]


def key_files(partners: Path) -> list[Path]:
    """Partners' key sets."""
    return list(partners.glob("*.json"))
