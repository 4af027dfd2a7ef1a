"""Which way a partner's messages go: as its stream says, and with none over Kafka."""

import sqlalchemy as sa

from sharing.delivery import registrations, streams
from sharing.delivery.deliverer import Way


class Ways:
    """`push` has a URL for the partners in `pushed` alone: those whose contract in force pins one."""

    def __init__(self, engine: sa.Engine, kafka: Way, push: Way, pushed: frozenset[str]) -> None:
        self._engine = engine
        self._kafka = kafka
        self._push = push
        self._pushed = pushed

    def of(self, partner: str) -> Way | None:
        """None where the partner fetches its messages, or wants none for now; they wait in the outbox."""
        with self._engine.connect() as connection:
            stream = registrations.stream_of(connection, partner)
        if stream is None:
            return self._kafka
        if stream.status != "enabled" or stream.kept.method == streams.POLL or partner not in self._pushed:
            return None
        return self._push
