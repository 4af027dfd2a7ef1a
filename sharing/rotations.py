"""Telling partners of new epochs of their pseudonyms: before the day, once each, whichever projector gets to it."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

import sqlalchemy as sa

from sharing.contracts import Contract
from sharing.delivery.allowances import insert_new
from sharing.pseudonyms import Epoch
from sharing.tables import rotations

AHEAD = timedelta(days=14)


def due(epochs: Iterable[Epoch], today: date) -> Iterator[Epoch]:
    """Those after the first that begin within AHEAD, and the one that is under way: late is better than never."""
    begun: Epoch | None = None
    for epoch in epochs:
        if epoch.since <= today:
            begun = epoch
        elif epoch.since <= today + AHEAD and epoch.number > 1:
            yield epoch
    if begun is not None and begun.number > 1:
        yield begun


def untold(connection: sa.Connection, contract: Contract, today: date) -> list[Epoch]:
    """What is due and was not told yet; no lock is taken."""
    told = rotations.c
    query = sa.select(told.number, told.since).where(told.partner == contract.partner)
    known = {(number, since) for number, since in connection.execute(query)}
    return [each for each in due(contract.epochs, today) if (each.number, each.since.isoformat()) not in known]


def claim(connection: sa.Connection, partner: str, epoch: Epoch, now_ms: int) -> bool:
    """Note that it is told, in the transaction that tells it; False where another projector was faster."""
    row = {"partner": partner, "number": epoch.number, "since": epoch.since.isoformat(), "at_ms": now_ms}
    return insert_new(connection, rotations, row)
