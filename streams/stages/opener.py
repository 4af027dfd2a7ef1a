"""Flagged decisions to cases."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from faust.types import TP

from events import topics
from events.facts import Coordinates, Pseudonym
from events.guard import admit
from events.types import IdentityVerified, OrderPlaced
from models.decisions import Decision
from review.opener import Opener, opens_case
from sharing.disclosable import Verification
from streams.kafka import RawRecords
from streams.metrics import Metrics
from streams.stages import Record, Unhurried, decode_decisions

VerifiedAt = Callable[[Pseudonym, int], Coordinates | None]  # where a customer's last verification stands


class OpenerStage(Unhurried):
    def __init__(self, opener: Opener, raw: RawRecords, verified_at: VerifiedAt, metrics: Metrics) -> None:
        self._opener = opener
        self._raw = raw
        self._verified_at = verified_at
        self._metrics = metrics

    async def handle(self, tp: TP, records: Sequence[Record]) -> None:
        decided = decode_decisions(tp, records)
        flagged = [decision for decision, _ in decided if opens_case(decision)]
        if not flagged:
            return
        orders = {decision.source: await self._order(decision) for decision in flagged}
        verified = {decision.decision_id: await self._verification(decision) for decision in flagged}
        found = partial(_of, verified)
        await asyncio.to_thread(self._opener.handle, flagged, orders.get, found)
        self._metrics.cases.inc(len(flagged))

    async def _order(self, decision: Decision) -> OrderPlaced | None:
        event = await self._event(topics.ORDERS, decision.source)
        return event if isinstance(event, OrderPlaced) else None

    async def _verification(self, decision: Decision) -> Verification | None:
        customer = decision.entities.customer
        if customer is None:
            return None
        source = await asyncio.to_thread(self._verified_at, customer, decision.occurred_at_ms)
        event = None if source is None else await self._event(topics.ACTIVITY, source)
        return Verification.of(event) if isinstance(event, IdentityVerified) else None

    async def _event(self, topic: str, source: Coordinates) -> object:
        record = await self._raw.fetch(source)
        return admit(topic, record.value, record.timestamp) if record is not None else None


def _of(verified: Mapping[str, Verification | None], decision: Decision) -> Verification | None:
    return verified[decision.decision_id]
