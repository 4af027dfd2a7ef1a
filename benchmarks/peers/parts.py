"""The product's own functions as the peers call them: raw records to facts, facts to decisions."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from events import topics
from events.facts import Coordinates, decode, encode
from features.store import Chunk, Store, connect
from models.decisions import encode as encode_decision
from streams.bootstrap import known_topics
from streams.bootstrap.screen import concluder
from streams.intake import Intake, RawRecord
from streams.kafka import Message
from streams.settings import Settings
from vault.keyring import Keyring
from vault.pseudonyms import Pseudonymiser

Read = tuple[int, int, bytes]  # offset, timestamp in ms, body


def settings() -> Settings:
    return Settings(
        brokers=os.environ["AMANA_BROKERS"],
        redis=os.environ["AMANA_REDIS"],
        keyring=Path(os.environ["AMANA_KEYRING"]),
        models=Path(os.environ["AMANA_MODELS"]),
    )


class ToFacts:
    """Encoded facts of raw orders."""

    def __init__(self, to: Settings) -> None:
        self._intake = Intake(Pseudonymiser(Keyring.load(to.keyring)))
        self._topic_id = known_topics(to.brokers, [topics.ORDERS])[topics.ORDERS]

    async def __call__(self, partition: int, records: Iterable[Read]) -> list[Message]:
        """From records of one partition."""
        taken = self._intake.take(
            [
                RawRecord(Coordinates(topics.ORDERS, self._topic_id, partition, offset), at_ms, body)
                for offset, at_ms, body in records
            ]
        )
        return [(None, encode(fact)) for fact in taken.facts]


class ToDecisions:
    """Encoded decisions of facts."""

    def __init__(self, to: Settings) -> None:
        self._store = Store(connect(to.redis))
        self._conclude = concluder(to)

    async def __call__(self, partition: int, records: Sequence[Read]) -> list[Message]:
        offsets = [offset for offset, _, _ in records]
        facts = [decode(value) for _, _, value in records]
        applied = await self._store.apply(Chunk(partition, offsets[0] - 1, offsets[0], offsets, facts))
        decided = [facts[place] for place in applied.decided]
        decisions = self._conclude(decided, applied.matrix, ())
        return [(decision.order_id.encode(), encode_decision(decision)) for decision in decisions]

    async def prepare(self, to: Settings) -> None:
        await self._store.prepare(known_topics(to.brokers, [topics.FACTS])[topics.FACTS])
