"""Events about a partner's own stream (verification, stream updated), sealed by who holds the keys: the projector.

The deliverer and the partners' endpoints hold none, so they leave the event in a table; each becomes a message like any
other, with a leaf of its own, and goes ahead of limits and pauses.
"""

from collections.abc import Callable
from typing import Protocol

import sqlalchemy as sa

from sharing.delivery.disclosures import Ledger, Made, made
from sharing.delivery.schedule import Schedule
from sharing.ledger.leaves import SALT_BYTES, Disclosed, commitment, hash_of
from sharing.tables import notices
from vault.chain import named

Random = Callable[[int], bytes]


class Seals(Protocol):
    def seal(self, partner: str, jti: str, sub_id: str, event_uri: str, payload: bytes, issued_at_ms: int) -> bytes: ...


def release(
    connection: sa.Connection, sealer: Seals, ledger: Ledger, schedule: Schedule, random: Random, now_ms: int
) -> int:
    """Seal what waits, in the caller's transaction: leaf, disclosure and outbox, and the notice goes. How many."""
    query = sa.select(notices).order_by(notices.c.place).limit(100).with_for_update(skip_locked=True)
    rows = list(connection.execute(query))
    for row in rows:
        jti = named(random(32), row.payload)
        sealed = sealer.seal(row.partner, jti, row.stream_id, row.event_uri, row.payload, now_ms)
        # No contract tells of a stream: the leaf names the kind of event in its place.
        contract = hash_of(row.event_uri.encode())
        leaf = Disclosed(
            at_ms=now_ms,
            partner=row.partner,
            contract=contract,
            sealed=hash_of(sealed),
            commitment=commitment(random(SALT_BYTES), row.stream_id, jti, row.payload),
        )
        (place,) = ledger.append(connection, [leaf])
        message = Made(
            jti=jti, partner=row.partner, contract=contract, case_id=None, kind="notice", place=place, sealed=sealed
        )
        made(connection, message, schedule, now_ms)
    connection.execute(sa.delete(notices).where(notices.c.place.in_([row.place for row in rows])))
    return len(rows)
