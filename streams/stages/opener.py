"""Flagged decisions to cases."""

import asyncio
from collections.abc import Sequence

from faust.types import TP

from events import topics
from events.guard import admit
from events.types import OrderPlaced
from models.decisions import Decision
from review.opener import Opener, opens_case
from streams.kafka import RawOrders
from streams.metrics import Metrics
from streams.stages import Record, Unhurried, decode_decisions


class OpenerStage(Unhurried):
    def __init__(self, opener: Opener, orders: RawOrders, metrics: Metrics) -> None:
        self._opener = opener
        self._orders = orders
        self._metrics = metrics

    async def handle(self, tp: TP, records: Sequence[Record]) -> None:
        decided = decode_decisions(tp, records)
        flagged = [decision for decision, _ in decided if opens_case(decision)]
        if not flagged:
            return
        orders = {decision.source: await self._order(decision) for decision in flagged}
        await asyncio.to_thread(self._opener.handle, flagged, orders.get)
        self._metrics.cases.inc(len(flagged))

    async def _order(self, decision: Decision) -> OrderPlaced | None:
        record = await self._orders.fetch(decision.source)
        order = admit(topics.ORDERS, record.value, record.timestamp) if record is not None else None
        return order if isinstance(order, OrderPlaced) else None
