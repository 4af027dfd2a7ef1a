"""A ledger in memory, and messages as the projector would have made them."""

import hashlib
from typing import Any

import sqlalchemy as sa

from sharing.delivery.disclosures import Made, made
from sharing.delivery.lifecycle import Kind
from sharing.delivery.limits import Limits
from sharing.delivery.outbox import Claimed, claim
from sharing.delivery.schedule import Schedule
from sharing.tables import disclosures, outbox

SCHEDULE = Schedule()
LIMITS = Limits()
NOW_MS = 1_790_000_000_000


class FakeLedger:
    """`answers`: time, partner, place, statement of each leaf."""

    def __init__(self) -> None:
        self.hashes: set[bytes] = set()
        self.answers: list[tuple[int, str, int, bytes]] = []

    def holds(self, _connection: Any, sealed_hash: bytes) -> bool:
        return sealed_hash in self.hashes

    def answered(self, _connection: Any, at_ms: int, partner: str, place: int, statement: bytes) -> int:
        self.answers.append((at_ms, partner, place, statement))
        return 1_000 + len(self.answers)


def jti(number: int) -> str:
    return f"jti-{number:018d}"


class Desktop:
    """A database with its ledger: `tell` puts a message in, as the projector does."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.ledger = FakeLedger()

    def tell(
        self,
        number: int,
        partner: str = "acquirer",
        kind: Kind = "disclosure",
        supersedes: int | None = None,
        now_ms: int = NOW_MS,
        ledgered: bool = True,
    ) -> str:
        sealed = f"sealed-{number}".encode()
        if ledgered:
            self.ledger.hashes.add(hashlib.sha256(sealed).digest())
        message = Made(
            jti=jti(number),
            partner=partner,
            contract=b"c" * 32,
            case_id=f"case-{number}",
            kind=kind,
            supersedes=None if supersedes is None else jti(supersedes),
            place=number,
            sealed=sealed,
        )
        with self.engine.begin() as connection:
            made(connection, message, SCHEDULE, now_ms)
        return message.jti

    def claim(
        self, partner: str = "acquirer", at_most: int = 10, now_ms: int = NOW_MS, limits: Limits = LIMITS
    ) -> Claimed:
        with self.engine.begin() as connection:
            return claim(
                connection, partner, at_most, holds=self.ledger.holds, limits=limits, schedule=SCHEDULE, now_ms=now_ms
            )

    def claimed(self, **named: Any) -> list[str]:
        return [parcel.jti for parcel in self.claim(**named).parcels]

    def state(self, number: int) -> str:
        with self.engine.connect() as connection:
            return str(connection.scalar(sa.select(disclosures.c.state).where(disclosures.c.jti == jti(number))))

    def kept(self) -> list[str]:
        """Ids of messages whose sealed bytes are in the outbox."""
        with self.engine.connect() as connection:
            return list(connection.scalars(sa.select(outbox.c.jti).order_by(outbox.c.place)))
