"""Raw events to facts: raw partition p to facts partition p, each chunk's facts awaited before the next."""

from collections.abc import Mapping, Sequence

import structlog
from faust.types import TP

from events.facts import Coordinates
from streams.intake import Intake, RawRecord
from streams.metrics import Metrics
from streams.stages import Record, Sends, Unhurried, count_intake, send_facts, send_quarantined

log = structlog.get_logger()


class IntakeStage(Unhurried):
    def __init__(self, intake: Intake, sender: Sends, topic_ids: Mapping[str, str], metrics: Metrics) -> None:
        self._intake = intake
        self._sender = sender
        self._topic_ids = topic_ids
        self._metrics = metrics

    async def handle(self, tp: TP, records: Sequence[Record]) -> None:
        topic_id = self._topic_ids[tp.topic]
        taken = self._intake.take(
            [
                RawRecord(Coordinates(tp.topic, topic_id, tp.partition, record.offset), record.timestamp, record.value)
                for record in records
            ]
        )
        with self._metrics.chunk_s.labels("intake").time():
            await send_facts(self._sender, tp.partition, taken.facts)
            await send_quarantined(self._sender, tp.partition, taken.quarantined)
        count_intake(self._metrics, tp.topic, len(records), taken.facts, taken.quarantined)
