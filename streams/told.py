"""Sharing in one process, for `amana run` and `amana demo`: projected at once, delivered into files.

The messages are sealed as in earnest. Partners' keys, made in the run's own folder, stand in for the partners' own.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Engine

from events import topics
from sharing.delivery.desk import Desk, Sent
from sharing.delivery.limits import Limits
from sharing.delivery.schedule import Schedule
from sharing.ledger.checkpoints import Signer
from sharing.ledger.store import Ledger
from sharing.projecting import Projecting
from sharing.tokens import Opener
from sharing.tokens.keys import PRIVATE
from sharing.tokens.keyset import KeySet, published, signing_keys
from sharing.tokens.making import load_private, write_pair
from streams.lines import Lines
from streams.projector_settings import ProjectorSettings
from streams.settings import Settings
from vault.keyring import Keyring

PARTNERS, OWN, JWKS = "partners", "partners-own", "jwks.json"
UNLIMITED = Limits(per_minute=60_000_000, per_day=1_000_000_000)  # a file takes what it gets
AT_ONCE = 500


def prepared(folder: Path, settings: Settings, partners: Sequence[str], now_ms: int) -> ProjectorSettings:
    """The projector's settings for a run in that folder; keys that are missing are made."""
    for name in partners:
        if not (folder / PARTNERS / f"{name}.json").exists():
            _, public = write_pair(folder / OWN, name, os.urandom)
            (folder / PARTNERS).mkdir(exist_ok=True)
            shutil.copy(public, folder / PARTNERS)
    jwks = folder / JWKS
    published(KeySet.load(jwks), signing_keys(Keyring.load(settings.keyring)), now_ms // 1000).write(jwks)
    return ProjectorSettings(
        database=settings.database, keyring=settings.keyring, partners=folder / PARTNERS, jwks=jwks
    )


def desk(sql: Engine, now_ms: int, keyring: Path) -> Desk:
    """A deliverer's transactions without its limits."""
    return Desk(
        sql, Ledger(Signer(Keyring.load(keyring).keys("ledger"))), UNLIMITED, Schedule(), lambda: now_ms, lambda: 0.0
    )


class Telling:
    """Projects what is triggered and writes what is due to `share.PARTNER.v1.jsonl`, a sealed message a line."""

    def __init__(self, projecting: Projecting, desk: Desk, out: Lines) -> None:
        self.projecting = projecting
        self._desk = desk
        self._out = out

    def tell(self) -> dict[str, int]:
        """Until nothing is left to do; how many messages each partner got. Raises SharingError for what failed."""
        while self.projecting.step().taken:
            pass
        return {partner: self._deliver(partner) for partner in sorted(self._desk.due())}

    def sign(self) -> bytes:
        """A checkpoint of the ledger as it is now, as a deliverer makes with what it sends: receipts need one."""
        return self._desk.checkpoint()

    def _deliver(self, partner: str) -> int:
        count = 0
        while parcels := self._desk.claim(partner, AT_ONCE).parcels:
            self._out.write(topics.share_topic(partner), [parcel.sealed for parcel in parcels])
            self._desk.settle(partner, [(parcel, Sent()) for parcel in parcels])
            count += len(parcels)
        return count


def opener_of(folder: Path, partner: str) -> Opener:
    """Opens what a run in that folder told, with the partner's own private key, as the partner would."""
    private = load_private(folder / OWN / f"{partner}{PRIVATE}")
    jwks = {"keys": [_plain(key) for key in KeySet.load(folder / JWKS).keys]}
    return Opener(private, jwks, issuer=ProjectorSettings().issuer, audience=partner)


def _plain(key: object) -> dict[str, str]:
    return {name: getattr(key, name) for name in ("kty", "crv", "x", "kid", "use")}
