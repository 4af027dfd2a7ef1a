"""Resident memory of a screening process while a million facts pass through it."""

from collections.abc import Iterator
from itertools import islice
from zlib import crc32

from confluent_kafka import Producer

from benchmarks import workload
from benchmarks.full import Full, Watch, full, watching
from benchmarks.processes import resident_mb
from benchmarks.report import Outcome, Plan, Run
from events import topics
from events.facts import AnyFact, OrderFact, encode
from simulator.store import simulate
from streams.log import batched

EVENTS_PER_ORDER = 10  # at the least, visits and activity included
MARKS = 10


def measure(plan: Plan) -> Outcome:
    """One round, whatever the plan says: it is long, and memory is not noisy."""
    count = plan.of(1_000_000, 2_000)
    with full() as path:
        path.renew()
        path.pipeline.start("screen", OMP_NUM_THREADS="1")
        pid = path.pids()["screen"]
        with watching(path) as decisions:
            settle(path, decisions)
            samples = [(0, 1, *resident_mb(pid))]
            for sent, asked in published(path, count):
                decisions.wait(asked, 240)
                samples.append((sent, asked, *resident_mb(pid)))
    runs = [Run(f"{sent} facts", 0, {"resident_mb": now, "highest_mb": high}) for sent, _, now, high in samples]
    return Outcome(
        workload=(
            f"A real `amana screen` reads {count:,} facts (what intake makes of a simulated store's events without its"
            " labels) and decides their orders; resident memory when the last order of each part is decided."
        ),
        runs=runs,
        figures={"screen_rss_mb": samples[-1][2], "screen_highest_rss_mb": samples[-1][3]},
        targets={"screen_rss_mb": "<= 400", "screen_highest_rss_mb": "<= 400"},
        columns=["facts", "decisions", "resident, MB", "highest so far, MB"],
        rows=[[f"{sent:,}", f"{asked:,}", f"{now:.0f}", f"{high:.0f}"] for sent, asked, now, high in samples],
    )


def settle(path: Full, decisions: Watch) -> None:
    """Let the process decide one order before its memory counts from."""
    first = next(fact for fact in facts(path, 1_000) if isinstance(fact, OrderFact))
    send(path, [first])
    decisions.wait(1, 60)


def published(path: Full, count: int) -> Iterator[tuple[int, int]]:
    """Publish facts, a tenth at a time; gives how many there are now, and how many decisions there should be."""
    sent, asked = 0, 1
    for part in batched(facts(path, count, first=1_000), max(1, count // MARKS)):
        send(path, part)
        sent += len(part)
        asked += sum(isinstance(fact, OrderFact) for fact in part)
        yield sent, asked


def facts(path: Full, count: int, first: int = 0) -> Iterator[AnyFact]:
    intake = workload.intake(path.pipeline.keyring)
    told = (one for one in simulate(workload.store(count // EVENTS_PER_ORDER)) if workload.topic(one) != topics.LABELS)
    for part in batched(islice(workload.records(told, first), count), 500):
        yield from intake.take(part).facts


def send(path: Full, made: list[AnyFact]) -> None:
    """By customer, or whoever is known: an entity's facts stay in their order."""
    producer = Producer({"bootstrap.servers": path.pipeline.brokers, "linger.ms": 50})
    for number, fact in enumerate(made):
        who = fact.entities.customer or fact.entities.session or fact.entities.ip or ""
        producer.produce(topics.FACTS, encode(fact), partition=crc32(who.encode()) % workload.PARTITIONS)
        if number % 10_000 == 9_999:
            producer.flush()
    producer.flush()
