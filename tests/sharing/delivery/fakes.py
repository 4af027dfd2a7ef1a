"""Messages as the projector makes them: a leaf, a disclosure and a row of the outbox in one transaction."""

from collections.abc import Callable, Collection
from typing import Any

import sqlalchemy as sa

from sharing.delivery.desk import Desk
from sharing.delivery.disclosures import Made, made
from sharing.delivery.lifecycle import Kind
from sharing.delivery.limits import Limits
from sharing.delivery.outbox import Claimed, claim
from sharing.delivery.schedule import Schedule
from sharing.ledger.leaves import Answered, Disclosed, hash_of
from sharing.ledger.store import Ledger
from sharing.tables import disclosures, outbox

SCHEDULE = Schedule()
LIMITS = Limits()
CONTRACT = b"c" * 32
NOW_MS = 1_790_000_000_000


def jti(number: int) -> str:
    return f"jti-{number:018d}"


class Desktop:
    """A database with its ledger: `tell` puts a message in, as the projector does."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.ledger = Ledger()

    def tell(
        self,
        number: int,
        partner: str = "acquirer",
        kind: Kind = "disclosure",
        supersedes: int | None = None,
        now_ms: int = NOW_MS,
        ledgered: bool = True,
        sealed: bytes | None = None,
    ) -> str:
        sealed = sealed or f"sealed-{number}".encode()
        leaf = Disclosed(at_ms=now_ms, partner=partner, contract=CONTRACT, sealed=hash_of(sealed), commitment=b"m" * 32)
        with self.engine.begin() as connection:
            place = self.ledger.append(connection, [leaf])[0] if ledgered else 0
            made(connection, self._message(number, partner, kind, supersedes, place, sealed), SCHEDULE, now_ms)
        return jti(number)

    def _message(
        self, number: int, partner: str, kind: Kind, supersedes: int | None, place: int, sealed: bytes
    ) -> Made:
        return Made(
            jti=jti(number),
            partner=partner,
            contract=CONTRACT,
            case_id=f"case-{number}",
            kind=kind,
            supersedes=None if supersedes is None else jti(supersedes),
            place=place,
            sealed=sealed,
        )

    def answers(self) -> list[Answered]:
        """The ledger's leaves about answers, in order."""
        with self.engine.connect() as connection:
            found = [self.ledger.leaf(connection, place) for place in range(self.ledger.size(connection))]
        return [leaf for leaf in found if isinstance(leaf, Answered)]

    def desk(
        self,
        now_ms: Callable[[], int] = lambda: NOW_MS,
        ledger: Ledger | None = None,
        silent: Callable[[int], Collection[bytes]] = lambda _: (),
    ) -> Desk:
        return Desk(self.engine, ledger or self.ledger, LIMITS, SCHEDULE, now_ms, lambda: 1.0, silent)

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
