"""How much fraud is found in two public simulations, by protocols that others have published figures for.

The data are not ours to copy: `--orders` names the Fraud Detection Handbook's payments, `--synccfd` a table that
synccfd has made (docs/detection.md has the call). What is not given is not measured.
"""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.report import ROOT, Outcome, Plan, Run, by_contender
from models.backtest import DAY_MS, Examples, Protocol, Tested, backtest, default_protocol
from models.learner import DEFAULT
from streams.backtest import examples_of
from streams.tables import read_layout, read_orders

MAPPINGS = ROOT / "docs" / "mappings"
DELAY_MS = 7 * DAY_MS
TARGETS = {
    "handbook_week_auc": ">= .870", "handbook_week_ap": ">= .680", "handbook_week_cp100": ">= .299",
    "handbook_auc": ">= .885", "handbook_ap": ">= .705", "handbook_cp100": ">= .303",
    "synccfd_auc": ">= .92", "synccfd_ap": ">= .80",
}  # fmt: skip

WORKLOAD = (
    "Facts through the feature store in the order of their times, frauds known seven days late; default features and"
    " settings. handbook_week: trained on 25 to 31 July 2018; handbook: on 11 to 31 July. Both are"
    " tested on 8 to 14 August without the customers known by then. synccfd: the last 30 % of the time. A round is a"
    " seed."
)


def measure(plan: Plan, orders: Path | None = None, synccfd: Path | None = None) -> Outcome:
    """A round is a seed; the features are computed once."""
    runs = [*handbook_runs(orders, plan.rounds), *synccfd_runs(synccfd, plan.rounds)]
    figures = figures_of(runs)
    return Outcome(
        workload=WORKLOAD,
        runs=runs,
        figures=figures,
        targets={name: target for name, target in TARGETS.items() if name in figures},
        columns=["", "AUC", "average precision", "card precision@100", "calibration error"],
        rows=[
            [who, *(f"{median(v):.4f} ({min(v):.4f}-{max(v):.4f})" for v in values.values())]
            for who, values in by_contender(runs).items()
        ],
    )


def handbook_runs(path: Path | None, seeds: int) -> Iterator[Run]:
    if path is not None:
        examples = examples_from(path, "handbook")
        for seed in range(seeds):
            yield run("handbook_week", backtest(examples, week(8), DEFAULT, seed, _silent), seed)
            yield run("handbook", backtest(examples, longer(8), DEFAULT, seed, _silent), seed)


def synccfd_runs(path: Path | None, seeds: int) -> Iterator[Run]:
    if path is not None:
        examples = examples_from(path, "synccfd")
        protocol = default_protocol(examples.occurred_at_ms, DELAY_MS)
        for seed in range(seeds):
            yield run("synccfd", backtest(examples, protocol, DEFAULT, seed, _silent), seed)


def _silent(_: str) -> None:
    pass


def examples_from(path: Path, mapping: str) -> Examples:
    orders = read_orders(path, path, read_layout(MAPPINGS / f"{mapping}.yaml"), DELAY_MS)
    return asyncio.run(examples_of(orders, lambda *_: lambda _: None))


def week(day: int) -> Protocol:
    """The published protocol, its test week beginning that day of August 2018 (of July if below 1)."""
    begin = at(8, 1) + (day - 1) * DAY_MS
    return Protocol(
        train_from_ms=begin - 14 * DAY_MS,
        train_until_ms=begin - 7 * DAY_MS,
        test_from_ms=begin,
        test_until_ms=begin + 7 * DAY_MS,
        leave_out_known=True,
    )


def longer(day: int) -> Protocol:
    """The same test, learning from the last three weeks whose labels are known: docs/detection.md says why three."""
    one = week(day)
    return msgspec.structs.replace(one, train_from_ms=one.train_until_ms - 21 * DAY_MS, known_from_ms=one.train_from_ms)


def at(month: int, day: int) -> int:
    return int(datetime(2018, month, day, tzinfo=UTC).timestamp() * 1000)


def run(name: str, tested: Tested, seed: int) -> Run:
    found = tested.measures
    values = {"auc": found.auc, "ap": found.average_precision, "cp100": found.card_precision_at_100 or 0.0}
    return Run(name, seed, values | {"calibration_error": found.calibration_error})


def figures_of(runs: Sequence[Run]) -> dict[str, float]:
    return {
        f"{who}_{what}": round(median(values), 4)
        for who, named in by_contender(runs).items()
        for what, values in named.items()
        if f"{who}_{what}" in TARGETS
    }
