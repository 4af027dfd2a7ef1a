"""Vectors of a million orders from their facts: `amana features backfill`, from the command's start to its end."""

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

from benchmarks import workload
from benchmarks.copies import copies
from benchmarks.report import ROOT, Outcome, Plan, Run
from benchmarks.velocity import facts_of
from events.facts import AnyFact, encode
from events.types import OrderPlaced
from features.definitions import DEFINITIONS
from simulator.settings import Settings
from simulator.store import simulate

STORES = 10  # side by side, with no entity in common


def measure(plan: Plan) -> Outcome:
    """One round, whatever the plan says: it is long."""
    wanted = plan.of(1_000_000, 1_000)
    settings = workload.store(wanted // STORES, browsing=0.0)
    with TemporaryDirectory(prefix="amana-bench-") as folder:
        facts, out = Path(folder) / "facts.jsonl", Path(folder) / "vectors.parquet"
        with facts.open("wb") as lines:
            lines.writelines(encode(fact) + b"\n" for fact in copies(orders(settings, wanted // STORES), STORES))
        megabytes = facts.stat().st_size / 1e6
        seconds = backfilled(facts, settings, out)
        rows, written = pq.read_metadata(out).num_rows, out.stat().st_size / 1e6
    if rows != wanted:
        raise RuntimeError(f"expected {wanted:,} vectors, found {rows:,}")
    highest_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
    return Outcome(
        workload=(
            f"{wanted:,} facts of orders ({megabytes:,.0f} MB of JSON lines; {STORES} simulated stores side by side, 28"
            f" days) into {rows:,} vectors of {len(DEFINITIONS.names)} numbers in a Parquet file of {written:,.0f} MB;"
            " one process and its embedded server. The highest resident memory is the larger of the two's."
        ),
        runs=[Run("amana", 0, {"s": seconds, "orders_per_s": wanted / seconds, "highest_mb": highest_mb})],
        figures={"backfill_million_orders_s": seconds},
        targets={"backfill_million_orders_s": "<= 300"},
        columns=["", "s", "orders/s", "highest resident memory, MB"],
        rows=[["amana features backfill", f"{seconds:,.0f}", f"{wanted / seconds:,.0f}", f"{highest_mb:,.0f}"]],
    )


def orders(settings: Settings, count: int) -> Iterator[AnyFact]:
    return facts_of(islice((one for one in simulate(settings) if isinstance(one.event, OrderPlaced)), count))


def backfilled(facts: Path, settings: Settings, out: Path) -> float:
    until = settings.start + timedelta(days=settings.days + 1)
    command = [sys.executable, "-m", "streams.cli", "features", "backfill", "--facts", str(facts), "--out", str(out)]
    days = ["--from", f"{settings.start:%Y-%m-%d}", "--until", f"{until:%Y-%m-%d}"]
    began = time.perf_counter()
    done = subprocess.run([*command, *days], cwd=ROOT, capture_output=True, text=True, timeout=3_600, check=False)
    if done.returncode:
        raise RuntimeError(f"the backfill ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return time.perf_counter() - began
