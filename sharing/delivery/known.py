"""The partners that deliveries know, also those whose contract is gone: what they were told can still be on its way."""

import sqlalchemy as sa

from sharing.tables import disclosures, outbox, streams

_TABLES = (outbox, streams, disclosures)  # the one that may be long, and has no index by partner, last


def delivered_to(connection: sa.Connection, partner: str) -> bool:
    """Whether something was told to a partner of that name, waits for it, or a stream of its own is set up."""
    queries = (sa.select(sa.literal(1)).where(table.c.partner == partner).limit(1) for table in _TABLES)
    return any(connection.scalar(query) is not None for query in queries)


def partners_of(connection: sa.Connection) -> set[str]:
    return {name for table in _TABLES for name in connection.scalars(sa.select(table.c.partner).distinct())}
