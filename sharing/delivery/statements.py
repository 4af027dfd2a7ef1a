"""Partners' signed statements: none counts twice, and what is not believed is noted by its place and a reason."""

import hashlib
from typing import NamedTuple

import sqlalchemy as sa

from sharing.delivery.allowances import insert_new
from sharing.tables import refused_answers, seen

REFUSED_KEPT_MS = 30 * 24 * 3_600_000


class Place(NamedTuple):
    """Where an acknowledgement stands in a partner's topic."""

    partition: int
    position: int


def is_new(connection: sa.Connection, partner: str, jti: str, via: str, until_ms: int) -> bool | None:
    """Note a statement's id until `until_ms`. None: the very record was taken in before; False: a replay."""
    key = {"partner": partner, "jti_hash": hashlib.sha256(jti.encode()).digest()}
    if insert_new(connection, seen, key | {"via": via, "until_ms": until_ms}):
        return True
    same = sa.select(seen.c.via).where(*(seen.c[name] == value for name, value in key.items()))
    return None if via and connection.scalar(same) == via else False


def forget(connection: sa.Connection, now_ms: int) -> None:
    """Ids that have had their time, and notes of what was not believed that are older than REFUSED_KEPT_MS."""
    connection.execute(sa.delete(seen).where(seen.c.until_ms < now_ms))
    connection.execute(sa.delete(refused_answers).where(refused_answers.c.at_ms < now_ms - REFUSED_KEPT_MS))


def refuse(connection: sa.Connection, partner: str, place: Place, reason: str, now_ms: int) -> None:
    row = {"partner": partner, "partition": place.partition, "position": place.position}
    insert_new(connection, refused_answers, row | {"reason": reason, "at_ms": now_ms})


def refused(connection: sa.Connection, partner: str) -> list[tuple[int, int, str]]:
    """Partition, position, reason of what was not believed, in order."""
    columns = (refused_answers.c.partition, refused_answers.c.position, refused_answers.c.reason)
    query = sa.select(*columns).where(refused_answers.c.partner == partner).order_by(*columns[:2])
    return [(partition, position, reason) for partition, position, reason in connection.execute(query)]
