"""From an order sent to its decision received, at a steady rate through the whole path."""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from statistics import quantiles

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks import workload
from benchmarks.full import Full, full, watching
from benchmarks.report import Outcome, Plan, Run, medians_of, ranges
from events import topics

ORDERS_PER_S = 200
SHOWN = {"p50_ms": ".1f", "p90_ms": ".1f", "p99_ms": ".1f", "highest_ms": ".0f"}


def measure(plan: Plan) -> Outcome:
    seconds, warm_s = plan.of(30, 2), plan.of(10, 1)
    each = (seconds + warm_s) * ORDERS_PER_S
    orders = workload.orders(each * plan.rounds)
    runs = []
    with full() as path:
        path.renew()
        for stage in ("intake", "screen"):
            path.pipeline.start(stage, OMP_NUM_THREADS="1")
        with watching(path) as decisions:
            path.fill(orders[:1])
            decisions.wait(1, 60)
        for number in range(plan.rounds):
            part = orders[number * each : (number + 1) * each]
            latencies_ms = asyncio.run(sent_to_decided_ms(path, part, random.Random(number)))
            runs.append(Run("amana", number, summary(latencies_ms[warm_s * ORDERS_PER_S :])))
    return Outcome(
        workload=(
            f"Simulated orders at {ORDERS_PER_S} a second for {seconds} s a round (Poisson arrivals), from the moment"
            " an order is due to be sent to the moment a consumer has its decision; both stages, broker, store, sender"
            " and receiver on this machine; every write to the store on disk before it is answered."
        ),
        runs=runs,
        figures={f"latency_{name}": medians_of(runs, name)["amana"] for name in ("p50_ms", "p99_ms")},
        targets={"latency_p50_ms": "<= 20", "latency_p99_ms": "<= 60"},
        columns=["", *(name.replace("_ms", ", ms") for name in SHOWN)],
        rows=ranges(runs, SHOWN),
    )


def summary(latencies_ms: Sequence[float]) -> dict[str, float]:
    cuts = quantiles(latencies_ms, n=100, method="inclusive")
    return {"p50_ms": cuts[49], "p90_ms": cuts[89], "p99_ms": cuts[98], "highest_ms": max(latencies_ms)}


async def sent_to_decided_ms(path: Full, orders: Sequence[workload.Message], rng: random.Random) -> list[float]:
    """Each order's latency, in the order of sending."""
    brokers = path.pipeline.brokers
    producer = AIOKafkaProducer(bootstrap_servers=brokers, acks="all")
    consumer = AIOKafkaConsumer(bootstrap_servers=brokers, group_id=None, enable_auto_commit=False)
    await producer.start()
    await consumer.start()
    try:
        tps = [TopicPartition(topics.DECISIONS, number) for number in range(workload.PARTITIONS)]
        consumer.assign(tps)
        await consumer.seek_to_end(*tps)
        expected = {workload.order_id(order): None for order in orders}
        receiving = asyncio.ensure_future(receive(consumer, set(expected)))
        due = await send(producer, orders, rng)
        received = await asyncio.wait_for(receiving, 60)
    finally:
        await producer.stop()
        await consumer.stop()
    return [1000 * (received[order_id] - due[order_id]) for order_id in expected]


async def send(
    producer: AIOKafkaProducer, orders: Sequence[workload.Message], rng: random.Random
) -> Mapping[bytes, float]:
    """Send each order when it is due, whether or not earlier ones were late; returns when each was due."""
    due: dict[bytes, float] = {}
    sent = []
    at = time.perf_counter()
    for order in orders:
        at += rng.expovariate(ORDERS_PER_S)
        if (wait_s := at - time.perf_counter()) > 0:
            await asyncio.sleep(wait_s)
        due[workload.order_id(order)] = at
        sent.append(await producer.send(topics.ORDERS, order.value, order.key))
    await asyncio.gather(*sent)
    return due


async def receive(consumer: AIOKafkaConsumer, waiting: set[bytes]) -> Mapping[bytes, float]:
    """When each order's first decision was received."""
    received: dict[bytes, float] = {}
    while waiting:
        for records in (await consumer.getmany(timeout_ms=500)).values():
            now = time.perf_counter()
            for record in records:
                if record.key in waiting:
                    waiting.remove(record.key)
                    received[record.key] = now
    return received
