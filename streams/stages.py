"""The four workers' stages: decode a chunk, call one function of a room, encode and send what came of it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
import structlog
from faust.types import TP

from events import topics
from events.facts import AnyFact, Coordinates, LabelFact
from events.facts import encode as encode_fact
from events.guard import Refusal, admit
from events.types import ChargebackReceived, FraudConfirmed, FraudDismissed, OrderPlaced
from history.index import Index
from history.labels import resolve
from models.decisions import FLAGGED, Decision
from models.decisions import decode as decode_decision
from models.decisions import encode as encode_decision
from review.opener import Opener
from streams.intake import Intake, Quarantined, RawRecord
from streams.kafka import Message, RawOrders
from streams.metrics import Metrics
from streams.screening import Screening

log = structlog.get_logger()
encode_quarantined = msgspec.json.Encoder().encode
LABELS = (ChargebackReceived, FraudConfirmed, FraudDismissed)


class Record(Protocol):
    """What the stages read of a Kafka record."""

    offset: int
    timestamp: int
    value: bytes | None


class Sends(Protocol):
    async def send(self, topic: str, partition: int, messages: Sequence[Message]) -> None: ...


class Unhurried:
    """A stage with nothing to prepare and nothing to do between chunks."""

    async def open(self, tp: TP) -> None:
        """Nothing to prepare."""

    async def idle(self, tp: TP) -> None:
        """Nothing to do."""


class IntakeStage(Unhurried):
    """Raw events to facts: raw partition p to facts partition p, each chunk's facts awaited before the next."""

    def __init__(self, intake: Intake, sender: Sends, topic_ids: Mapping[str, str], metrics: Metrics) -> None:
        self._intake = intake
        self._sender = sender
        self._topic_ids = topic_ids
        self._metrics = metrics

    async def handle(self, tp: TP, records: Sequence[Record]) -> None:
        topic_id = self._topic_ids[tp.topic]
        taken = self._intake.take([
            RawRecord(Coordinates(tp.topic, topic_id, tp.partition, record.offset), record.timestamp, record.value)
            for record in records
        ])
        with self._metrics.chunk_s.labels("intake").time():
            await send_facts(self._sender, tp.partition, taken.facts)
            await send_quarantined(self._sender, tp.partition, taken.quarantined)
        count_intake(self._metrics, tp.topic, len(records), taken.facts, taken.quarantined)


class ScreenStage:
    """Facts to decisions: facts partition p to decisions partition p."""

    def __init__(self, screening: Screening, metrics: Metrics) -> None:
        self._screening = screening
        self._metrics = metrics

    @property
    def waiting(self) -> bool:
        return self._screening.waiting

    async def open(self, tp: TP) -> None:
        await self._screening.open(tp.partition)

    async def idle(self, tp: TP) -> None:
        await self._screening.idle(tp.partition)

    async def handle(self, tp: TP, records: Sequence[Record]) -> None:
        with self._metrics.chunk_s.labels("screen").time():
            decisions = await self._screening.handle(tp.partition, records)
        count_decisions(self._metrics, len(records), decisions)


class HistoryStage(Unhurried):
    """Decisions into the index; labels, resolved by it, into facts. A label waits a while for its order's decision."""

    def __init__(
        self, index: Index, sender: Sends, topic_ids: Mapping[str, str], metrics: Metrics, patience_s: float = 30.0
    ) -> None:
        self._index = index
        self._sender = sender
        self._topic_ids = topic_ids
        self._metrics = metrics
        self._patience_s = patience_s

    async def handle(self, tp: TP, records: Sequence[Record]) -> None:
        if tp.topic == topics.DECISIONS:
            decided = [(decode_decision(record.value), record.timestamp) for record in records if record.value]
            await asyncio.to_thread(self._index.record, decided)
        else:
            await self._labels(tp, records)

    async def _labels(self, tp: TP, records: Sequence[Record]) -> None:
        facts: list[AnyFact] = []
        quarantined: list[Quarantined] = []
        for record in records:
            source = Coordinates(tp.topic, self._topic_ids[tp.topic], tp.partition, record.offset)
            result = await self._label(source, record)
            (quarantined if isinstance(result, Quarantined) else facts).append(result)  # type: ignore[arg-type]
        await send_facts(self._sender, tp.partition, facts)
        await send_quarantined(self._sender, tp.partition, quarantined)
        count_intake(self._metrics, tp.topic, len(records), facts, quarantined)

    async def _label(self, source: Coordinates, record: Record) -> LabelFact | Quarantined:
        event = admit(topics.LABELS, record.value, record.timestamp)
        if isinstance(event, Refusal):
            return Quarantined(source, event.reason, event.field)
        assert isinstance(event, LABELS)
        waited_s = 0.0
        while (fact := await asyncio.to_thread(resolve, event, source, record.timestamp, self._index)) is None:
            if waited_s >= self._patience_s:
                return Quarantined(source, "label.unknown_order", "order_id")
            await asyncio.sleep(0.5)
            waited_s += 0.5
        await asyncio.to_thread(self._index.record_label, fact)
        return fact


class OpenerStage(Unhurried):
    """Flagged decisions to cases and partner messages."""

    def __init__(self, opener: Opener, orders: RawOrders, sender: Sends, metrics: Metrics) -> None:
        self._opener = opener
        self._orders = orders
        self._sender = sender
        self._metrics = metrics

    async def handle(self, tp: TP, records: Sequence[Record]) -> None:
        decisions = [decode_decision(record.value) for record in records if record.value]
        flagged = [decision for decision in decisions if decision.outcome in FLAGGED]
        if not flagged:
            return
        orders = {decision.source: await self._order(decision) for decision in flagged}
        messages = await asyncio.to_thread(self._opener.handle, flagged, orders.get)
        self._metrics.cases.inc(len(flagged))
        for partner, key, body in messages:
            await self._sender.send(topics.share_topic(partner), tp.partition, [(key.encode(), body)])
            self._metrics.shared.labels(partner).inc()

    async def _order(self, decision: Decision) -> OrderPlaced | None:
        record = await self._orders.fetch(decision.source)
        order = admit(topics.ORDERS, record.value, record.timestamp) if record is not None else None
        return order if isinstance(order, OrderPlaced) else None


async def send_facts(sender: Sends, partition: int, facts: Sequence[AnyFact]) -> None:
    await sender.send(topics.FACTS, partition, [(None, encode_fact(fact)) for fact in facts])


async def send_quarantined(sender: Sends, partition: int, quarantined: Sequence[Quarantined]) -> None:
    await sender.send(topics.QUARANTINE, partition, [(None, encode_quarantined(entry)) for entry in quarantined])


def decision_messages(decisions: Sequence[Decision]) -> list[Message]:
    return [(decision.order_id.encode(), encode_decision(decision)) for decision in decisions]


def count_intake(
    metrics: Metrics, topic: str, records: int, facts: Sequence[AnyFact], quarantined: Sequence[Quarantined]
) -> None:
    metrics.events.labels(topic).inc(records)
    metrics.facts.labels("intake").inc(len(facts))
    for entry in quarantined:
        metrics.refused.labels(entry.reason).inc()


def count_decisions(metrics: Metrics, facts: int, decisions: Sequence[Decision]) -> None:
    metrics.facts.labels("screen").inc(facts)
    for decision in decisions:
        metrics.decisions.labels(decision.outcome).inc()
