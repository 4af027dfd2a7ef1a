"""Time and memory of `amana train` on a large table: made-up numbers of the default vector's width, in one process.

`python -m benchmarks training` takes a million rows; `python -m benchmarks.training --rows 100000` any other number.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import click
import numpy as np
import pyarrow as pa

from benchmarks.report import ROOT, Outcome, Plan, Run, medians_of
from features.definitions import DEFINITIONS
from history.parquet import Writer

PART = 50_000
START_MS, APART_MS = 1_760_000_000_000, 8_000
FRAUD_LOGIT = -4.6  # about one order in a hundred, before what the features say


def measure(plan: Plan) -> Outcome:
    """One round, whatever the plan says: it is long."""
    return outcome(plan.of(1_000_000, 5_000))


def outcome(rows: int) -> Outcome:
    with TemporaryDirectory(prefix="amana-bench-") as folder:
        table = Path(folder) / "vectors.parquet"
        made(table, rows)
        values = trained(table, Path(folder) / "models")
    runs = [Run(f"{rows:,} rows", 0, values)]
    return Outcome(
        workload=(
            f"`amana train --vectors` on {rows:,} orders x {len(DEFINITIONS.names)} made-up numbers (a quarter of them"
            " normal, counts, amounts and flags each; a third of the columns three tenths absent; one order in a"
            " hundred fraud or some more, by a tenth of the columns), from Parquet to a registered version."
        ),
        runs=runs,
        figures={
            "training_s": round(medians_of(runs, "seconds")[runs[0].contender], 1),
            "training_highest_mb": round(medians_of(runs, "highest_mb")[runs[0].contender], 0),
        },
        targets={"training_s": "<= 600", "training_highest_mb": "<= 4000"},
        columns=["rows", "seconds", "processor seconds", "highest resident memory, MB"],
        rows=[[f"{rows:,}", *(f"{values[name]:,.0f}" for name in ("seconds", "processor_s", "highest_mb"))]],
    )


def trained(table: Path, models: Path) -> dict[str, float]:
    """What a process of its own took, to its end, by the kernel's own account of it."""
    command = [sys.executable, "-m", "streams.cli", "train", "--vectors", str(table), "--models", str(models)]
    began = time.monotonic()
    with TemporaryFile("w+") as said:
        process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        if process.returncode:
            said.seek(0)
            raise RuntimeError(f"training ended with {process.returncode}: {said.read()}")
    return {
        "seconds": seconds,
        "processor_s": used.ru_utime + used.ru_stime,
        "highest_mb": used.ru_maxrss * 1024 / 1e6,
    }


def made(path: Path, rows: int) -> None:
    """A table as `amana features backfill` writes it, part by part: it need not fit into memory."""
    names = DEFINITIONS.names
    schema = pa.schema(
        [
            ("decision_id", pa.string()),
            ("occurred_at_ms", pa.int64()),
            ("amount_minor", pa.int64()),
            *((name, pa.float64()) for name in names),
            ("label", pa.int8()),
        ]
    )
    with Writer(path, schema, DEFINITIONS.hash) as out:
        for first, part in parts(rows):
            ids = [f"made:0:{number}" for number in range(first, first + len(part["label"]))]
            times = START_MS + np.arange(first, first + len(ids), dtype=np.int64) * APART_MS
            whole = {"decision_id": ids, "occurred_at_ms": times, "amount_minor": np.full(len(ids), 5_000), **part}
            out.write(pa.table(whole, schema=schema))


def parts(rows: int) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """The first row and the columns of each part; a column is of one kind, and some weigh in the fraud's odds."""
    random = np.random.default_rng(0)
    count = len(DEFINITIONS.names)
    kind, weight = random.integers(0, 4, count), random.normal(0, 0.4, count) * (random.random(count) < 0.1)
    for first in range(0, rows, PART):
        size = min(PART, rows - first)
        odds, columns = np.full(size, FRAUD_LOGIT), {}
        for place, name in enumerate(DEFINITIONS.names):
            drawn = random.standard_normal(size)
            odds += weight[place] * drawn
            shown = (drawn, np.floor(np.exp(drawn)), np.round(np.exp(drawn + 3), 2), (drawn > 1) * 1.0)[kind[place]]
            columns[name] = np.where(random.random(size) < 0.3, np.nan, shown) if place % 3 == 0 else shown
        columns["order.amount_usd"] = np.abs(columns["order.amount_usd"])
        columns["label"] = (random.random(size) < 1 / (1 + np.exp(-odds))).astype(np.int8)
        yield first, columns


@click.command()
@click.option("--rows", default=100_000, show_default=True)
def main(rows: int) -> None:
    """Measure once and print it; nothing is written down."""
    found = outcome(rows)
    print(*(f"{name}: {value:,.1f}" for name, value in found.runs[0].values.items()), sep="\n")
    print(f"cores: {os.cpu_count()}")


if __name__ == "__main__":
    main()
