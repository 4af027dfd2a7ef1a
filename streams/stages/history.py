"""Decisions and visits into the index; labels, resolved by it, into facts. A label waits a while for its decision."""

import asyncio
from collections.abc import Mapping, Sequence

from faust.types import TP

from events import topics
from events.facts import ActivityFact, AnyFact, Coordinates, LabelFact, VisitFact
from events.guard import Refusal, admit
from events.types import Label
from history.index import Index
from history.labels import resolve
from streams.intake import Quarantined
from streams.metrics import Metrics
from streams.screening import decode_records
from streams.stages import Record, Sends, Unhurried, count_intake, decode_decisions, send_facts, send_quarantined


class HistoryStage(Unhurried):
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
            await asyncio.to_thread(self._index.record, decode_decisions(tp, records))
        elif tp.topic == topics.FACTS:
            _, facts = decode_records(tp.partition, records)
            visits = [fact for fact in facts if isinstance(fact, VisitFact)]
            await asyncio.to_thread(self._index.record_visits, visits)
            activities = [fact for fact in facts if isinstance(fact, ActivityFact)]
            await asyncio.to_thread(self._index.record_verifications, activities)
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
        assert isinstance(event, Label)
        waited_s = 0.0
        while (fact := await asyncio.to_thread(resolve, event, source, record.timestamp, self._index)) is None:
            if waited_s >= self._patience_s:
                return Quarantined(source, "label.unknown_order", "order_id")
            await asyncio.sleep(0.5)
            waited_s += 0.5
        await asyncio.to_thread(self._index.record_label, fact)
        return fact
