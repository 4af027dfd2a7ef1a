"""What the workers do with a chunk: decode, call one function of a room, encode and send what came of it."""

from collections.abc import Sequence
from typing import Protocol

import msgspec
import structlog
from faust.types import TP

from events import topics
from events.facts import AnyFact
from events.facts import encode as encode_fact
from models.decisions import Decision
from models.decisions import decode as decode_decision
from streams.intake import Quarantined
from streams.kafka import Message
from streams.log import Valued
from streams.metrics import Metrics

log = structlog.get_logger()

encode_quarantined = msgspec.json.Encoder().encode


class Record(Valued, Protocol):
    """What the stages read of a Kafka record; `value` is None for a record without one."""

    @property
    def timestamp(self) -> int: ...


class Sends(Protocol):
    async def send(self, topic: str, partition: int, messages: Sequence[Message]) -> None: ...


class Unhurried:
    """A stage with nothing to prepare and nothing to do between chunks."""

    async def open(self, tp: TP) -> None:
        """Nothing to prepare."""

    async def idle(self, tp: TP) -> None:
        """Nothing to do."""


def decode_decisions(tp: TP, records: Sequence[Record]) -> list[tuple[Decision, int]]:
    """Decisions with their records' times (ms), in order; what is none is logged by its place and skipped."""
    decisions = []
    for record in records:
        try:
            decisions.append((decode_decision(record.value or b""), record.timestamp))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            log.error("decision.undecodable", partition=tp.partition, offset=record.offset)
    return decisions


async def send_facts(sender: Sends, partition: int, facts: Sequence[AnyFact]) -> None:
    await sender.send(topics.FACTS, partition, [(None, encode_fact(fact)) for fact in facts])


async def send_quarantined(sender: Sends, partition: int, quarantined: Sequence[Quarantined]) -> None:
    await sender.send(topics.QUARANTINE, partition, [(None, encode_quarantined(entry)) for entry in quarantined])


def count_intake(
    metrics: Metrics, topic: str, records: int, facts: Sequence[AnyFact], quarantined: Sequence[Quarantined]
) -> None:
    metrics.events.labels(topic).inc(records)
    metrics.facts.labels("intake").inc(len(facts))
    for entry in quarantined:
        metrics.refused.labels(entry.reason).inc()
        if entry.alarm:
            metrics.alarms.inc()
            log.error("card_number.alarm", topic=topic, partition=entry.source.partition, offset=entry.source.offset)
