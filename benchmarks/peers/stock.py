"""Stock Faust agents: take(500) with Faust's own transport and producer, acknowledged once all is delivered.

`python -m benchmarks.peers.stock intake|screen GROUP`, with the AMANA_* environment.
"""

import asyncio
import sys
from collections import defaultdict
from typing import Any

import faust
import uvloop

from benchmarks.peers.loop import work
from benchmarks.peers.parts import Read, settings

CHUNK = 500


def app_for(stage: str, group: str) -> faust.App:
    to = settings()
    app = faust.App(
        group,
        broker=f"kafka://{to.brokers}",
        store="memory://",
        web_enabled=False,
        key_serializer="raw",
        value_serializer="raw",
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
    )
    handle, source, target = asyncio.get_event_loop().run_until_complete(work(stage, to))
    out = app.topic(target, value_serializer="raw", key_serializer="raw")

    async def agent(stream: Any) -> None:
        async for events in stream.take_events(CHUNK, within=0.1):
            chunks: dict[int, list[Read]] = defaultdict(list)
            for event in events:
                message = event.message
                chunks[message.partition].append((message.offset, round(message.timestamp * 1000), message.value))
            for partition, chunk in chunks.items():
                made = await handle(partition, chunk)
                sent = [await out.send(key=key, value=value, partition=partition) for key, value in made]
                await asyncio.gather(*sent)

    app.agent(app.topic(source, value_serializer="raw", key_serializer="raw"))(agent)
    return app


if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # as the product's workers
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    app = app_for(*sys.argv[1:3])
    faust.Worker(app, quiet=True, override_logging=False, redirect_stdouts=False, loop=loop).execute_from_commandline()
