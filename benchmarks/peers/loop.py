"""A plain confluent-kafka loop: consume(500), the work, produce, flush, commit after delivery.

`python -m benchmarks.peers.loop intake|screen GROUP`, with the AMANA_* environment.
"""

import asyncio
import sys
from collections import defaultdict

import uvloop
from confluent_kafka import Consumer, Producer

from benchmarks.peers.parts import Read, ToDecisions, ToFacts, settings
from events import topics
from streams.settings import Settings

CHUNK = 500


async def work(stage: str, to: Settings) -> tuple[ToFacts | ToDecisions, str, str]:
    if stage == "intake":
        return ToFacts(to), topics.ORDERS, topics.FACTS
    decide = ToDecisions(to)
    await decide.prepare(to)
    return decide, topics.FACTS, topics.DECISIONS


async def run(stage: str, group: str) -> None:
    to = settings()
    handle, source, target = await work(stage, to)
    producer = Producer({"bootstrap.servers": to.brokers, "enable.idempotence": True, "acks": "all"})
    consumer = Consumer(
        {
            "bootstrap.servers": to.brokers,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([source])
    while True:
        chunks: dict[int, list[Read]] = defaultdict(list)
        for message in consumer.consume(CHUNK, 0.05):
            if error := message.error():
                raise RuntimeError(str(error))
            chunks[message.partition() or 0].append(
                (message.offset() or 0, message.timestamp()[1], message.value() or b"")
            )
        if not chunks:
            continue
        for partition, made in zip(chunks, await asyncio.gather(*(handle(*c) for c in chunks.items())), strict=True):
            for key, value in made:
                producer.produce(target, value, key, partition)
        if producer.flush(20):
            raise RuntimeError("the broker did not take all messages in 20 s")
        consumer.commit(asynchronous=True)


if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # as the product's workers
    asyncio.run(run(*sys.argv[1:3]))
