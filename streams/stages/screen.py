"""Facts to decisions: facts partition p to decisions partition p."""

from collections.abc import Sequence

import structlog
from faust.types import TP

from models.decisions import Decision
from models.decisions import encode as encode_decision
from streams.kafka import Message
from streams.lateness import Late
from streams.metrics import Metrics
from streams.screening import Screening
from streams.stages import Record

log = structlog.get_logger()


class ScreenStage:
    def __init__(self, screening: Screening, metrics: Metrics) -> None:
        self._screening = screening
        self._metrics = metrics
        self._rules: dict[int, str] = {}  # partition -> the hash of the rules that its last order was judged by

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
        self._note_rules(tp.partition, records[0].offset, decisions)
        count_decisions(self._metrics, len(records), decisions)

    def _note_rules(self, partition: int, offset: int, decisions: Sequence[Decision]) -> None:
        """Say from which offset on a partition's orders are judged by other rules; a chunk is judged by one set."""
        rules = decisions[0].rules if decisions else None
        before = self._rules.get(partition)
        if rules is not None and rules != before:
            log.info("rules.switched", partition=partition, offset=offset, rules=rules, before=before)
            self._rules[partition] = rules


def decision_messages(decisions: Sequence[Decision]) -> list[Message]:
    return [(decision.order_id.encode(), encode_decision(decision)) for decision in decisions]


def count_decisions(metrics: Metrics, facts: int, decisions: Sequence[Decision]) -> None:
    metrics.facts.labels("screen").inc(facts)
    for decision in decisions:
        metrics.decisions.labels(decision.outcome).inc()


def count_late(metrics: Metrics, late: Sequence[Late]) -> None:
    for entry in late:
        metrics.late.labels(entry.event).inc()
