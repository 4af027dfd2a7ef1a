"""Chunked delivery for faust-streaming 0.15: an agent gets one event per partition fetch, not one per record.

Why: a stock agent spends some 100 us a record inside Faust (two tasks, a queue hop, reference counts, sensors),
whatever the agent does; delivering the list that a fetch returned pays that once a chunk (docs/adr/0001).

The contract: an event's value is the list of the partition's records in offset order; the event's offset is the last
record's, and acknowledging the event commits all of them. Chunks of a partition are acknowledged in the order in which
they came, so the highest acknowledged offset is the one to commit.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, cast

from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams.membership import Fail, Lost, watch_over

FULL_S = 0.01  # until a full partition is looked at again


class MemberThread(driver.AIOKafkaConsumerThread):
    async def on_start(self) -> None:
        await super().on_start()
        transport = cast("ChunkTransport", self.consumer.transport)
        watch_over(cast("Any", self._consumer)._coordinator, transport.lost, transport.fail)


class ChunkConsumer(driver.Consumer):
    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return MemberThread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(
        self,
        active_partitions: set[TP] | None,
        timeout: float,  # noqa: ASYNC109 - Faust's own signature
    ) -> Mapping[TP, list[Any]]:
        """Only of partitions whose records somebody has room for, so that a slow one does not hold up the others."""
        if active_partitions is not None:
            with_room = set(filter(cast("ChunkTransport", self.transport).has_room, active_partitions))
            if with_room < active_partitions:
                timeout = FULL_S
            active_partitions = with_room
            if not with_room:  # to Faust an empty set means all
                await asyncio.sleep(FULL_S)
                return {}
        fetched = await super()._getmany(active_partitions, timeout)
        return {tp: [records] for tp, records in fetched.items() if records}

    def _to_message(self, tp: TP, records: list[Any]) -> ConsumerMessage:
        last = records[-1]
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000,
            last.timestamp_type,
            [],
            None,
            records,  # type: ignore[arg-type]  # the contract: a list where Faust has one record's bytes
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Offsets inside a chunk are not gaps: the chunk's last offset stands for all of them."""

    def _new_offset(self, tp: TP) -> int | None:
        acked = self._acked[tp]
        if not acked:
            return None
        highest = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        return int(highest) + 1

    async def commit_and_end_transactions(self) -> None:
        """The last commit: Faust leaves it out where one is under way, which knows nothing of the latest chunks."""
        await self.maybe_wait_for_commit_to_finish()
        await super().commit_and_end_transactions()

    def on_buffer_full(self, tp: TP) -> None:
        """Let the fetcher wait on the full queue: Faust's pause-and-poll back-pressure naps for a second at a time."""

    def on_buffer_drop(self, tp: TP) -> None:
        """See on_buffer_full."""


class ChunkTransport(driver.Transport):
    Consumer = ChunkConsumer
    has_room: Callable[[TP], bool] = staticmethod(lambda _: True)
    lost: Lost  # called when the group no longer knows this member
    fail: Fail  # called with the error that ends its membership
