"""`python -m benchmarks`: measure, print, write down."""

import os
import time
from importlib import import_module
from pathlib import Path

import click
from rich.console import Console

from benchmarks.processes import stolen_s
from benchmarks.report import DOCUMENT, RESULTS, ROOT, Plan, document, result_of, tables, write

NAMES = {
    "transport": "records/s of the chunked agent and of a stock one",
    "pipeline": "orders/s of the whole path, beside stock Faust and plain loops",
    "costs": "processor time an order, stage by stage",
    "decide": "processor time of score, rules, policy and reasons",
    "rules": "processor time of rules alone, by what they look at",
    "latency": "produce-to-decision latency at 200 orders/s",
    "memory": "resident memory of screening after a million facts",
    "features": "orders/s of the feature store, beside the usual Redis counters",
    "history": "cost of an order against how much its entities have behind them",
    "entities": "memory of a million active entities",
    "backfill": "a million orders' vectors from their facts",
    "ledger": "cost of an entry, a proof and a verification against the disclosure ledger's size",
    "detection": "fraud found in public data sets, which --orders and --synccfd name",
    "simulated_detection": "fraud's money found in the simulated store, by kind, beside baselines",
    "automation": "how well scripts are told from people, in stores not seen before",
    "training": "time and memory of training on a million rows",
    "guard": "card numbers in disguise that the guard finds, and what it takes for one",
    "contracts": "the contracts' compiler beside an interpreter written apart, case by case",
    "canaries": "salted orders under every contract, every way out watched, and leaks planted",
    "linkage": "two partners' feeds laid side by side by a trained matcher",
    "disclosures": "disclosures a second, from a case to the ledger; receipts; what a kill leaves behind",
    "console": "pages of the analysts' console over a million cases, 20 analysts at once",
    "mutation": "small changes to operators, compiler and guard that the tests notice",
}
QUICK = Path("var/benchmarks")
DETECTION = ROOT / "docs" / "detection.md"
SHARING = ROOT / "docs" / "sharing.md"
PAGES = dict.fromkeys(("simulated_detection", "automation", "training"), DETECTION) | dict.fromkeys(
    ("guard", "contracts", "canaries", "linkage", "disclosures"), SHARING
)
PAGES["mutation"] = ROOT / "docs" / "mutation.md"
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1, type=click.Choice(list(NAMES)))
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Interleaved; medians are taken.")
@click.option("--quick", is_flag=True, help="A smoke test: one small round, whose figures mean nothing.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the JSON goes.  [default: benchmarks/results, which docs/performance.md shows; with --quick "
    "var/benchmarks]",
)
@click.option("--orders", type=_FILE, help="For detection: the Fraud Detection Handbook's payments, as Parquet.")
@click.option("--synccfd", type=_FILE, help="For detection: a table made by synccfd, as Parquet.")
@click.option("--again", type=_FILE, help="For mutation: a result of all mutants; what survived there is tried again.")
def main(
    names: tuple[str, ...],
    rounds: int,
    quick: bool,
    out: Path | None,
    orders: Path | None,
    synccfd: Path | None,
    again: Path | None,
) -> None:
    """Measure speed and memory on real servers of the run's own: all benchmarks, or those named.

    \b
    transport  records/s of the chunked agent and of a stock one
    pipeline   orders/s of the whole path, beside stock Faust and plain loops
    costs      processor time an order, stage by stage
    decide     processor time of score, rules, policy and reasons
    rules      processor time of rules alone, by what they look at
    latency    produce-to-decision latency at 200 orders/s
    memory     resident memory of screening after a million facts
    features   orders/s of the feature store, beside the usual Redis counters
    history    cost of an order against how much its entities have behind them
    entities   memory of a million active entities
    backfill   a million orders' vectors from their facts
    ledger     cost of an entry, a proof and a verification against the disclosure ledger's size
    detection  fraud found in public data sets: left out unless one is named
    simulated_detection  fraud's money found in the simulated store, by kind, beside baselines
    automation  how well scripts are told from people, in stores not seen before
    training   time and memory of training on a million rows
    guard      card numbers in disguise that the guard finds, and what it takes for one
    contracts  the contracts' compiler beside an interpreter written apart, case by case
    canaries   salted orders under every contract, every way out watched, and leaks planted
    linkage    two partners' feeds laid side by side by a trained matcher
    disclosures  disclosures a second, from a case to the ledger; receipts; what a kill leaves behind
    console    pages of the analysts' console over a million cases, 20 analysts at once
    mutation   small changes to operators, compiler and guard that the tests notice

    \b
    Examples:
      python -m benchmarks                        all of them, some 45 minutes
      python -m benchmarks latency --rounds 5
      python -m benchmarks --quick                does everything still run?
      python -m benchmarks detection --orders handbook.parquet --synccfd synccfd.parquet
      python -m benchmarks mutation --again benchmarks/results/mutation.json
      make bench ARGS="pipeline --rounds 5"
    """
    console = Console()
    plan = Plan(1 if quick else rounds, quick)
    folder = out or (QUICK if quick else RESULTS)
    data = {"orders": orders, "synccfd": synccfd}
    there = any(data.values())
    for name in names or [name for name in NAMES if name != "detection" or there]:
        if name == "detection" and not there:
            raise click.UsageError("detection: expected --orders or --synccfd, files that are not part of the project")
        given = {"detection": data, "mutation": {"again": again}}.get(name, {})
        load_before, stolen_before_s, began = os.getloadavg()[0], stolen_s(), time.monotonic()
        with console.status(f"{name}: {NAMES[name]}"):
            outcome = import_module(f"benchmarks.{name}").measure(plan, **given)
        lasted_s = time.monotonic() - began
        stolen = (stolen_s() - stolen_before_s) / lasted_s / (os.cpu_count() or 1)
        result = result_of(name, plan, outcome, load_before, stolen)
        for table in tables(result):
            console.print(table)
        console.print(
            f"{write(result, folder)}, {lasted_s:.0f} s, load average {load_before:.1f} before, {stolen:.0%} stolen\n"
        )
        if folder == RESULTS:
            document([result], page_of(name))


def page_of(name: str) -> Path:
    """The document that has a place for the benchmark's result."""
    return PAGES.get(name, DOCUMENT)


if __name__ == "__main__":
    main()
