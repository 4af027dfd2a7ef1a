"""From an order sent to its decision received, at a steady rate through the whole path."""

import random
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from statistics import median, quantiles
from typing import NamedTuple

from confluent_kafka import Consumer, Message, Producer, TopicPartition

from benchmarks import workload
from benchmarks.full import Full, full, watching
from benchmarks.processes import cpu_s
from benchmarks.report import Outcome, Plan, Run, medians_of, ranges
from events import topics
from events.facts import OrderFact, decode

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
    first, *orders = workload.orders(1 + each * (1 + plan.rounds))
    runs = []
    with full() as path:
        path.renew()
        for stage in ("intake", "screen"):
            path.pipeline.start(stage, OMP_NUM_THREADS="1")
        with watching(path) as decisions:
            path.fill([first])
            decisions.wait(1, 60)
        for number in range(1 + plan.rounds):
            part = orders[number * each : (number + 1) * each]
            used_s, began = total_cpu_s(path), time.monotonic()
            latencies_ms, hops_ms = decided_ms(path, part, random.Random(number))
            lasted_s = time.monotonic() - began
            busy = {f"{name}_cores": (now - used_s[name]) / lasted_s for name, now in total_cpu_s(path).items()}
            runs.append(Run("amana", number, summary(latencies_ms[warm_s * ORDERS_PER_S :]) | hops_ms | busy))
    del runs[0]  # the broker's compiler was at work
    return Outcome(
        workload=(
            f"Simulated orders at {ORDERS_PER_S} a second for {seconds} s a round (Poisson arrivals), from the moment"
            " an order is due to be sent to the moment a consumer has its decision; both stages, broker, store, sender"
            " and receiver on this machine; every write to the store on disk before it is answered. One round before"
            " them does not count. Of it, intake and screen are between the broker's times of a stage's record and of"
            " what came of it (whole milliseconds); cores are how busy each process was."
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


def decided_ms(
    path: Full, orders: Sequence[workload.Message], rng: random.Random
) -> tuple[list[float], dict[str, float]]:
    """Each order's latency, in the order of sending; the medians of its parts."""
    brokers = path.pipeline.brokers
    expected = [workload.order_id(order) for order in orders]
    with at_end(brokers, topics.DECISIONS) as decisions, at_end(brokers, topics.FACTS) as facts_read_later:
        with ThreadPoolExecutor(1) as threads:
            receiving = threads.submit(receive, decisions, set(expected))
            due = send(brokers, orders, rng)
            received = receiving.result()
        facts = facts_of(facts_read_later, set(expected))
    latencies_ms = [1000 * (received[order_id].at - due[order_id]) for order_id in expected]
    intake_ms = [facts[order_id].appended_ms - facts[order_id].recorded_ms for order_id in expected]
    screen_ms = [received[order_id].appended_ms - facts[order_id].appended_ms for order_id in expected]
    return latencies_ms, {"intake_p50_ms": median(intake_ms), "screen_p50_ms": median(screen_ms)}


class Reading:
    """What will be in a topic from now on; nothing is fetched before the first `read`."""

    def __init__(self, brokers: str, topic: str) -> None:
        self._consumer = Consumer(
            {"bootstrap.servers": brokers, "group.id": "bench", "enable.auto.commit": False, "fetch.wait.max.ms": 100}
        )
        tps = [TopicPartition(topic, number) for number in range(workload.PARTITIONS)]
        self._from = [TopicPartition(tp.topic, tp.partition, self._consumer.get_watermark_offsets(tp)[1]) for tp in tps]
        self._reading = False

    def read(self) -> Message:
        if not self._reading:
            self._consumer.assign(self._from)
            self._reading = True
        message = self._consumer.poll(60)
        if message is None or message.error():
            raise RuntimeError(f"expected another record of {self._from[0].topic}: {message and message.error()}")
        return message

    def close(self) -> None:
        self._consumer.close()


def at_end(brokers: str, topic: str) -> closing[Reading]:
    return closing(Reading(brokers, topic))


def send(brokers: str, orders: Sequence[workload.Message], rng: random.Random) -> Mapping[bytes, float]:
    """Send each order when it is due, whether or not earlier ones were late; returns when each was due."""
    producer = Producer({"bootstrap.servers": brokers, "partitioner": "murmur2_random", "linger.ms": 0})
    due: dict[bytes, float] = {}
    at = time.perf_counter()
    for order in orders:
        at += rng.expovariate(ORDERS_PER_S)
        if (wait_s := at - time.perf_counter()) > 0:
            time.sleep(wait_s)
        due[workload.order_id(order)] = at
        producer.produce(topics.ORDERS, order.value, order.key)
        producer.poll(0)
    producer.flush()
    return due


def receive(decisions: Reading, waiting: set[bytes]) -> Mapping[bytes, Received]:
    """When each order's first decision was received, and when it was written."""
    received: dict[bytes, Received] = {}
    while waiting:
        message = decisions.read()
        if (order_id := message.key()) in waiting:
            waiting.remove(order_id)
            received[order_id] = Received(time.perf_counter(), message.timestamp()[1])
    return received


def facts_of(facts: Reading, waiting: set[bytes]) -> Mapping[bytes, Fact]:
    """When each order's fact was written, and when its order was."""
    found: dict[bytes, Fact] = {}
    while waiting:
        message = facts.read()
        fact = decode(message.value() or b"")
        assert isinstance(fact, OrderFact)
        waiting.discard(fact.order_id.encode())
        found[fact.order_id.encode()] = Fact(message.timestamp()[1], fact.recorded_at_ms)
    return found
