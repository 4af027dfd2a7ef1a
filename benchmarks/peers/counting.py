"""A worker that only counts: what a transport carries. Prints records a second and ends.

`python -m benchmarks.peers.counting chunked|stock BROKERS TOPIC RECORDS GROUP`
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import faust
import uvloop
from faust.types import TP

from streams.lanes import Stage
from streams.stages import Unhurried
from streams.worker import Worker, WorkerSettings


class Count(Unhurried):
    """Ends the process after so many records; measures from the first delivery to the last."""

    def __init__(self, records: int) -> None:
        self._left = records
        self._since: float | None = None
        self._counted = 0

    async def handle(self, tp: TP, records: Sequence[Any]) -> None:  # noqa: ARG002
        self.seen(len(records))

    def seen(self, count: int) -> None:
        now = time.perf_counter()
        self._left -= count
        if self._since is None:
            self._since = now
            return
        self._counted += count
        if self._left <= 0:
            print(f"\n{self._counted / (now - self._since)}", flush=True)  # Faust leaves half a line
            os._exit(0)


def chunked(brokers: str, topic: str, group: str, count: Count) -> faust.App:
    async def wire(_worker: Worker, _stack: AsyncExitStack) -> Stage:
        return count

    return Worker(WorkerSettings(group=group, instance="0", brokers=brokers, topics=(topic,)), wire)


def stock(brokers: str, topic: str, group: str, count: Count) -> faust.App:
    app = faust.App(
        group,
        broker=f"kafka://{brokers}",
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
    )

    async def agent(stream: Any) -> None:
        async for _ in stream:
            count.seen(1)

    app.agent(app.topic(topic, value_serializer="raw", key_serializer="raw"))(agent)
    return app


if __name__ == "__main__":
    kind, brokers, topic, records, group = sys.argv[1:6]
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # as the product's workers
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    made = {"chunked": chunked, "stock": stock}[kind](brokers, topic, group, Count(int(records)))
    faust.Worker(made, quiet=True, override_logging=False, redirect_stdouts=False, loop=loop).execute_from_commandline()
