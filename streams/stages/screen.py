"""Facts to decisions: facts partition p to decisions partition p."""

from collections.abc import Sequence

from faust.types import TP

from models.decisions import Decision
from models.decisions import encode as encode_decision
from streams.kafka import Message
from streams.lateness import Late
from streams.metrics import Metrics
from streams.screening import Screening
from streams.stages import Record


class ScreenStage:
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


def decision_messages(decisions: Sequence[Decision]) -> list[Message]:
    return [(decision.order_id.encode(), encode_decision(decision)) for decision in decisions]


def count_decisions(metrics: Metrics, facts: int, decisions: Sequence[Decision]) -> None:
    metrics.facts.labels("screen").inc(facts)
    for decision in decisions:
        metrics.decisions.labels(decision.outcome).inc()


def count_late(metrics: Metrics, late: Sequence[Late]) -> None:
    for entry in late:
        metrics.late.labels(entry.event).inc()
