"""From an order sent to its decision received, at a steady rate through the whole path."""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from statistics import median, quantiles
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks import workload
from benchmarks.full import Full, full, watching
from benchmarks.processes import cpu_s
from benchmarks.report import Outcome, Plan, Run, medians_of, ranges
from events import topics
from events.facts import OrderFact, decode
from streams.bootstrap import started

ORDERS_PER_S = 200
SHOWN = dict.fromkeys(("p50_ms", "p90_ms", "p99_ms", "highest_ms", "intake_p50_ms", "screen_p50_ms"), ".1f") | {
    f"{name}_cores": ".2f" for name in ("intake", "screen", "kafka", "redis")
}


class Received(NamedTuple):
    at: float
    appended_ms: int


class Fact(NamedTuple):
    appended_ms: int
    recorded_ms: int


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
            used_s, began = total_cpu_s(path), time.monotonic()
            latencies_ms, hops_ms = asyncio.run(decided_ms(path, part, random.Random(number)))
            lasted_s = time.monotonic() - began
            busy = {f"{name}_cores": (now - used_s[name]) / lasted_s for name, now in total_cpu_s(path).items()}
            runs.append(Run("amana", number, summary(latencies_ms[warm_s * ORDERS_PER_S :]) | hops_ms | busy))
    return Outcome(
        workload=(
            f"Simulated orders at {ORDERS_PER_S} a second for {seconds} s a round (Poisson arrivals), from the moment"
            " an order is due to be sent to the moment a consumer has its decision; both stages, broker, store, sender"
            " and receiver on this machine; every write to the store on disk before it is answered. Of it, intake and"
            " screen are between the broker's times of a stage's record and of what came of it (whole milliseconds);"
            " cores are how busy each process was."
        ),
        runs=runs,
        figures={f"latency_{name}": medians_of(runs, name)["amana"] for name in ("p50_ms", "p99_ms")},
        targets={"latency_p50_ms": "<= 20", "latency_p99_ms": "<= 60"},
        columns=["", "median (lowest-highest) of the rounds"],
        rows=[[name.replace("_", " "), ranges(runs, {name: style})[0][1]] for name, style in SHOWN.items()],
    )


def summary(latencies_ms: Sequence[float]) -> dict[str, float]:
    cuts = quantiles(latencies_ms, n=100, method="inclusive")
    return {"p50_ms": cuts[49], "p90_ms": cuts[89], "p99_ms": cuts[98], "highest_ms": max(latencies_ms)}


def total_cpu_s(path: Full) -> dict[str, float]:
    return {name: cpu_s(pid) for name, pid in path.pids().items()}


async def decided_ms(
    path: Full, orders: Sequence[workload.Message], rng: random.Random
) -> tuple[list[float], dict[str, float]]:
    """Each order's latency, in the order of sending; the medians of its parts."""
    brokers = path.pipeline.brokers
    async with AsyncExitStack() as stack:
        producer = AIOKafkaProducer(bootstrap_servers=brokers, acks="all")
        await started(stack, producer)
        consumers = [await at_end(stack, brokers, topic) for topic in (topics.DECISIONS, topics.FACTS)]
        expected = [workload.order_id(order) for order in orders]
        receiving = asyncio.ensure_future(receive(consumers[0], set(expected)))
        due = await send(producer, orders, rng)
        received = await asyncio.wait_for(receiving, 60)
        facts = await facts_of(consumers[1], set(expected))
    latencies_ms = [1000 * (received[order_id].at - due[order_id]) for order_id in expected]
    intake_ms = [facts[order_id].appended_ms - facts[order_id].recorded_ms for order_id in expected]
    screen_ms = [received[order_id].appended_ms - facts[order_id].appended_ms for order_id in expected]
    return latencies_ms, {"intake_p50_ms": median(intake_ms), "screen_p50_ms": median(screen_ms)}


async def at_end(stack: AsyncExitStack, brokers: str, topic: str) -> AIOKafkaConsumer:
    """A consumer of what will be in a topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=brokers, group_id=None, enable_auto_commit=False)
    await started(stack, consumer)
    tps = [TopicPartition(topic, number) for number in range(workload.PARTITIONS)]
    consumer.assign(tps)
    await consumer.seek_to_end(*tps)
    for tp in tps:
        await consumer.position(tp)
    return consumer


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


async def receive(consumer: AIOKafkaConsumer, waiting: set[bytes]) -> Mapping[bytes, Received]:
    """When each order's first decision was received, and when it was written."""
    received: dict[bytes, Received] = {}
    while waiting:
        for records in (await consumer.getmany(timeout_ms=500)).values():
            now = time.perf_counter()
            for record in records:
                if record.key in waiting:
                    waiting.remove(record.key)
                    received[record.key] = Received(now, record.timestamp)
    return received


async def facts_of(consumer: AIOKafkaConsumer, waiting: set[bytes]) -> Mapping[bytes, Fact]:
    """When each order's fact was written, and when its order was."""
    found: dict[bytes, Fact] = {}
    while waiting:
        for records in (await consumer.getmany(timeout_ms=500)).values():
            for record in records:
                fact = decode(record.value)
                assert isinstance(fact, OrderFact)
                waiting.discard(fact.order_id.encode())
                found[fact.order_id.encode()] = Fact(record.timestamp, fact.recorded_at_ms)
    return found
