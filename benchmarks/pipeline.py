"""Orders a second through intake and screening together, beside stock Faust agents and plain Kafka loops."""

import signal
import sys
import time
from statistics import median

from benchmarks import workload
from benchmarks.full import Full, full, watching
from benchmarks.processes import cpu_s
from benchmarks.report import Outcome, Plan, Run, medians_of, ranges, ratios, rotated

CONTENDERS = ("amana", "loop", "stock")
STAGES = ("intake", "screen")
PROCESSES = (*STAGES, "kafka", "redis")


def measure(plan: Plan) -> Outcome:
    count, warm = plan.of(40_000, 300), plan.of(4_000, 100)
    orders = workload.orders(count + warm)
    runs = []
    with full() as path:
        for number in range(plan.rounds):
            for contender in rotated(CONTENDERS, number):  # the broker gets faster as it warms up
                values = run(path, contender, f"{contender}-{number}", orders[:warm], orders[warm:])
                runs.append(Run(contender, number, values))
    rates = medians_of(runs, "orders_per_s")
    processor = {f"{name}_us_per_order": ".0f" for name in PROCESSES}
    return Outcome(
        workload=(
            f"{count:,} simulated orders (no visits) of {median(len(one.value) for one in orders):,.0f} B in"
            f" {workload.PARTITIONS} partitions, to both stages at once after {warm:,} others; one process a stage;"
            " from the first order that can be read to the last decision. Every contender calls the same functions for"
            " guard, facts, features and score."
        ),
        runs=runs,
        figures={
            "pipeline_vs_stock": rates["amana"] / rates["stock"],
            "pipeline_vs_loop": median(ratios(runs, "orders_per_s", "amana", "loop")),
            "pipeline_orders_per_s": rates["amana"],
        },
        targets={"pipeline_vs_stock": ">= 3", "pipeline_vs_loop": ">= .95"},
        columns=["", "orders/s", *(f"{name}: CPU us an order" for name in PROCESSES)],
        rows=ranges(runs, {"orders_per_s": ",.0f"} | processor),
    )


def run(
    path: Full, contender: str, group: str, warm: list[workload.Message], orders: list[workload.Message]
) -> dict[str, float]:
    """One contender's run; the stages are stopped (SIGSTOP) while the topic is filled, so that all is there at once."""
    path.renew()
    start(path, contender, group)
    with watching(path) as decisions:
        path.fill(warm)
        decisions.wait(len(warm), 120)
        signal_all(path, signal.SIGSTOP)
        path.fill(orders)
        pids = path.pids()
        used = {name: cpu_s(pid) for name, pid in pids.items()}
        began_s = time.time()
        signal_all(path, signal.SIGCONT)
        decisions.wait(len(warm) + len(orders), 240)
        used = {name: cpu_s(pid) - used[name] for name, pid in pids.items()}
        rate = len(orders) / (decisions.last_s() - began_s)
    path.renew()
    return {"orders_per_s": rate} | {f"{name}_us_per_order": 1e6 * s / len(orders) for name, s in used.items()}


def start(path: Full, contender: str, group: str) -> None:
    for stage in STAGES:
        if contender == "amana":
            path.pipeline.start(stage, OMP_NUM_THREADS="1")
        else:
            command = [sys.executable, "-m", f"benchmarks.peers.{contender}", stage, f"{group}-{stage}"]
            path.pipeline.launch(f"{stage}-{contender}", command, {"OMP_NUM_THREADS": "1"})


def signal_all(path: Full, number: signal.Signals) -> None:
    for name in path.pipeline.processes:
        path.pipeline.signal(name, number)
