"""Records a second through the chunked transport and through a stock Faust agent, of the same topic."""

import random
import subprocess
import sys
from collections.abc import Iterator

from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from benchmarks import workload
from benchmarks.report import ROOT, Outcome, Plan, Run, medians_of, ranges
from tests.harness import Kafka

TOPIC = "bench"
RECORD_BYTES = 340
CONTENDERS = ("chunked", "stock")


def measure(plan: Plan) -> Outcome:
    records = plan.of(200_000, 5_000)
    runs = []
    with Kafka() as kafka:
        admin = KafkaAdminClient(bootstrap_servers=kafka.brokers)
        admin.create_topics([NewTopic(TOPIC, workload.PARTITIONS, 1)])
        admin.close()
        workload.fill(kafka.brokers, TOPIC, messages(records))
        for number in range(plan.rounds):
            for contender in CONTENDERS:
                rate = counted(contender, kafka.brokers, records, f"{contender}-{number}")
                runs.append(Run(contender, number, {"records_per_s": rate}))
    rates = medians_of(runs, "records_per_s")
    return Outcome(
        workload=f"One process counts {records:,} records of {RECORD_BYTES} B in {workload.PARTITIONS} partitions.",
        runs=runs,
        figures={"chunked_vs_stock": rates["chunked"] / rates["stock"]},
        targets={"chunked_vs_stock": ">= 15"},
        columns=["agent", "records/s, median (lowest-highest)"],
        rows=ranges(runs, {"records_per_s": ",.0f"}),
    )


def messages(count: int) -> Iterator[workload.Message]:
    rng = random.Random(7)
    for number in range(count):
        yield workload.Message(str(number).encode(), rng.randbytes(RECORD_BYTES))


def counted(contender: str, brokers: str, records: int, group: str) -> float:
    command = [sys.executable, "-m", "benchmarks.peers.counting", contender, brokers, TOPIC, str(records), group]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise RuntimeError(f"{contender} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return float(done.stdout.splitlines()[-1])
