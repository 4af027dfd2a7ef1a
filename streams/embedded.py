"""The embedded runner: the same stages in one process, over files instead of topics.

Raw lines are taken in chunks; within a chunk what lies between two labels goes through intake and screening as one
piece, and a label is resolved once everything before it is in the index. Everything that the topics would hold is
written as JSON lines in the output folder.
"""

import time
from collections.abc import Iterable, Sequence
from itertools import groupby

import msgspec

from events import topics
from events.facts import ActivityFact, AnyFact, Coordinates, VisitFact
from events.facts import encode as encode_fact
from events.guard import Refusal, admit
from events.types import IdentityVerified, Label, OrderPlaced
from history.index import Index
from history.labels import resolve
from models.decisions import FLAGGED, Decision
from models.decisions import encode as encode_decision
from review.opener import Opener
from sharing.disclosable import Verification
from streams.files import Line, Numbering
from streams.intake import Intake, Quarantined, RawRecord
from streams.lines import Lines
from streams.log import FileLog, batched
from streams.screening import Conclude, Screening
from streams.stages import encode_quarantined
from streams.told import Telling


class Tally(msgspec.Struct):
    """What a run has done since it began; `decide_ms` has each decision's time from its chunk's start."""

    events: int = 0
    orders: int = 0
    decisions: int = 0
    refused: dict[str, int] = {}
    outcomes: dict[str, int] = {}
    judged_by: dict[str, int] = {}
    partners: dict[str, int] = {}
    decide_ms: list[float] = []


class Embedded:
    """One run: `feed` takes lines in time order; `tally` says what came of them, `flagged` flagged order ids."""

    def __init__(
        self,
        intake: Intake,
        facts: FileLog,
        screening: Screening,
        index: Index,
        opener: Opener,
        telling: Telling,
        out: Lines,
    ) -> None:
        self.tally = Tally()
        self.flagged: set[str] = set()
        self.index = index
        self._intake = intake
        self._facts = facts
        self._screening = screening
        self.telling = telling
        self._opener = opener
        self._out = out
        self._verifications: dict[Coordinates, RawRecord] = {}
        self._numbering = Numbering()

    def begin(self, conclude: Conclude) -> None:
        """Conclude otherwise from here on, and count anew."""
        self._screening.conclude = conclude
        self.tally = Tally()
        self.flagged.clear()

    async def feed(self, lines: Iterable[Line], now_ms: int, chunk: int) -> None:
        for part in batched(lines, chunk):
            records = [self._numbering.record(line, now_ms) for line in part]
            for is_label, grouped in groupby(records, key=lambda record: record.coordinates.topic == topics.LABELS):
                piece = list(grouped)
                await (self._labels(piece) if is_label else self._events(piece))
            self.tally.events += len(records)

    async def _events(self, records: Sequence[RawRecord]) -> None:
        started = time.perf_counter()
        taken = self._intake.take(records)
        self._quarantine(taken.quarantined)
        decisions = await self._screen(taken.facts)
        elapsed_ms = 1000 * (time.perf_counter() - started)
        self.tally.decide_ms += [elapsed_ms] * len(decisions)
        self.tally.orders += sum(record.coordinates.topic == topics.ORDERS for record in records)
        self.index.record_visits([fact for fact in taken.facts if isinstance(fact, VisitFact)])
        self._verified(taken.facts, {record.coordinates: record for record in records})
        self._conclude(decisions, {record.coordinates: record for record in records})

    def _verified(self, facts: Sequence[AnyFact], records: dict[Coordinates, RawRecord]) -> None:
        """Verifications are few, so that their records are kept here: there is no raw log to fetch them from."""
        found = [fact for fact in facts if isinstance(fact, ActivityFact) and fact.activity == "IdentityVerified"]
        self.index.record_verifications(found)
        self._verifications.update((fact.source, records[fact.source]) for fact in found)

    def _verification(self, decision: Decision) -> Verification | None:
        customer = decision.entities.customer
        source = customer and self.index.verification_of(customer, decision.occurred_at_ms)
        record = self._verifications.get(source) if source else None
        event = admit(topics.ACTIVITY, record.body, record.recorded_at_ms) if record else None
        return Verification.of(event) if isinstance(event, IdentityVerified) else None

    async def _labels(self, records: Sequence[RawRecord]) -> None:
        resolved = [self._label(record) for record in records]
        self._quarantine([entry for entry in resolved if isinstance(entry, Quarantined)])
        await self._screen([fact for fact in resolved if not isinstance(fact, Quarantined)])

    def _label(self, record: RawRecord) -> AnyFact | Quarantined:
        event = admit(topics.LABELS, record.body, record.recorded_at_ms)
        if isinstance(event, Refusal):
            return Quarantined(record.coordinates, event.reason, event.field)
        assert isinstance(event, Label)
        fact = resolve(event, record.coordinates, record.recorded_at_ms, self.index)
        if fact is None:
            return Quarantined(record.coordinates, "label.unknown_order", "order_id")
        self.index.record_label(fact)
        return fact

    async def _screen(self, facts: Sequence[AnyFact]) -> list[Decision]:
        if not facts:
            return []
        records = self._facts.append([encode_fact(fact) for fact in facts])
        decisions = await self._screening.handle(0, records)
        self._facts.commit(records[-1].offset + 1)
        return decisions

    def _conclude(self, decisions: Sequence[Decision], records: dict[Coordinates, RawRecord]) -> None:
        """Index, cases, partner messages: what the history and opener workers, projector and deliverer do in full."""
        self._out.write(topics.DECISIONS, map(encode_decision, decisions))
        self.index.record([(decision, decision.occurred_at_ms) for decision in decisions])
        flagged = [decision for decision in decisions if decision.outcome in FLAGGED]
        self.flagged.update(decision.order_id for decision in flagged)
        orders = {decision.source: order_in(records[decision.source]) for decision in flagged}
        if self._opener.handle(flagged, orders.get, self._verification):
            self.tell()
        for decision in decisions:
            add(self.tally.outcomes, decision.outcome)
            add(self.tally.judged_by, f"model {decision.model}" if decision.model else decision.mode)
        self.tally.decisions += len(decisions)

    def tell(self) -> None:
        """Tell partners of what has become of cases."""
        for partner, messages in self.telling.tell().items():
            self.tally.partners[partner] = self.tally.partners.get(partner, 0) + messages

    def flush(self) -> None:
        self._out.flush()

    def _quarantine(self, quarantined: Sequence[Quarantined]) -> None:
        self._out.write(topics.QUARANTINE, map(encode_quarantined, quarantined))
        for entry in quarantined:
            add(self.tally.refused, entry.reason)


def order_in(record: RawRecord) -> OrderPlaced | None:
    event = admit(topics.ORDERS, record.body, record.recorded_at_ms)
    return event if isinstance(event, OrderPlaced) else None


def add(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1
