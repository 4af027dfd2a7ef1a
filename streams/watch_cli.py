"""`amana models watch`: drift, alerts and precision, by segment."""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from events import topics
from models.cli import models_key_option
from streams.whatif_cli import AHEAD_MS, DAY_MS, ms_of, range_of, traffic_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.watch import Drift
    from streams.replay import Scope
    from streams.watching import Report

_OUT = click.Path(dir_okay=False, path_type=Path)


@click.command("watch")
@traffic_options
@click.option(
    "--models",
    envvar="AMANA_MODELS",
    type=click.Path(path_type=Path, file_okay=False),
    default="var/models",
    help="The folder of model versions: what they were trained on is compared too, where it is there.",
)
@models_key_option
@click.option(
    "--reference-days",
    type=click.FloatRange(min=0, min_open=True),
    default=7.0,
    show_default=True,
    help="The days before --from that the orders are compared with.",
)
@click.option("--features", "most", type=click.IntRange(0), default=10, show_default=True, help="Features to list.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON instead.")
@click.option("--html", type=_OUT, help="Write a page for people, in one file.")
@click.option("--metrics-file", type=_OUT, help="Write them for a Prometheus textfile collector too (NAME.prom).")
def watch(
    *,
    brokers: str,
    facts: tuple[Path, ...],
    decisions: tuple[Path, ...],
    since: datetime | None,
    until: datetime | None,
    labels_at: datetime | None,
    models: Path,
    public: Path | None,
    reference_days: float,
    most: int,
    as_json: bool,
    html: Path | None,
    metrics_file: Path | None,
) -> None:
    """Compare a day's orders with the week before: scores, features, alerts, and what of the alerts was fraud.

    Drift is the population stability index: below .1 the same population, from .25 on another. By country, payment
    method and cookies; a segment with fewer than 200 orders on either side has no index, and says so. Precision is
    over the alerts whose label is known by now, day by day too, since labels take their time.

    \b
    Examples:
      amana models watch
      amana models watch --from 2026-03-01 --until 2026-03-08 --reference-days 28 --json
      amana models watch --metrics-file /var/lib/node_exporter/amana_watch.prom
    """
    import msgspec

    from streams.replay import Scope
    from streams.watching import write_metrics

    from_ms, until_ms = range_of(since, until, facts, decisions)
    Scope(from_ms, until_ms)  # refuses an empty range
    scope = Scope(round(from_ms - reference_days * DAY_MS), until_ms)
    report = asyncio.run(_run(scope, from_ms, brokers, facts, decisions, ms_of(labels_at, 2**62), models, public))
    if metrics_file is not None:
        write_metrics(report, metrics_file, time.time())
    if html is not None:
        from streams.watch_page import page

        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(page(report))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(report)))
    else:
        _show(report, most)


async def _run(
    scope: "Scope",
    from_ms: int,
    brokers: str,
    facts: tuple[Path, ...],
    decisions: tuple[Path, ...],
    labels_at_ms: int,
    models: Path,
    public: Path | None,
) -> "Report":
    from features.definitions import DEFINITIONS
    from streams import reading
    from streams.traffic import gather, on_disk
    from streams.watching import watched

    async with AsyncExitStack() as stack:
        since_ms = max(0, scope.from_ms - AHEAD_MS)
        log = await reading.source(facts, brokers, topics.FACTS, stack, since_ms)
        made = await reading.source(decisions, brokers, topics.DECISIONS, stack, since_ms)
        with on_disk(DEFINITIONS, labels_at_ms) as traffic:
            with reading.bars() as bar:
                await gather(log, made, scope, DEFINITIONS, traffic, bar)
            return watched(traffic, scope, from_ms, DEFINITIONS, lambda version: _trained_on(models, version, public))


def _trained_on(models: Path, version: str, public: Path | None) -> Any:
    """None where the folder has no such version; what is there and is not as it was signed is refused."""
    from models import artifact
    from models.errors import NoModel

    try:
        return artifact.trained_on(models, version, public)
    except NoModel:
        return None


def _show(report: "Report", most: int) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    console = Console(highlight=False)
    spans = [_moment(at) for at in (report.from_ms, report.until_ms, report.reference_from_ms)]
    console.print(f"window {spans[0]} to {spans[1]} UTC, reference {spans[2]} to {spans[0]}")
    scored = "no model scored: no drift of scores" if report.model is None else f"scores of model {report.model}"
    console.print(f"{scored}; {report.refused:,} refused orders left out")
    names = ("orders, before", "alerts, before", "known", "fraud", "missed", "score PSI")
    title = "Segments (known: alerts with a label; fraud: of these)"
    table = Table(Column("segment", no_wrap=True), *names, title=title, title_justify="left")
    for kind, group in groupby(report.segments, key=lambda each: each.kind):
        parts = list(group)
        for each in parts:
            table.add_row(
                each.value if kind in {"all", "method"} else f"{kind} {each.value}",
                f"{each.orders:,}, {each.reference_orders:,}",
                f"{_rate(each.alert_rate)}, {_rate(each.reference_alert_rate)}",
                f"{each.known:,} of {each.alerts:,}",
                _rate(each.precision),
                f"{each.missed:,}",
                _psi(each.score_psi, each.level),
                end_section=each is parts[-1],
            )
    console.print(table)
    days = Table(
        Column("day (UTC)", no_wrap=True), "orders", "alerts", "labelled", "fraud", "precision",
        title="Alerts by day, as their labels mature", title_justify="left",
    )  # fmt: skip
    for day in report.cohorts:
        days.add_row(
            _moment(day.from_ms)[:10], f"{day.orders:,}", f"{day.alerts:,}", _rate(day.labelled), f"{day.frauds:,}",
            _rate(day.precision),
        )  # fmt: skip
    console.print(days)
    console.print(_drifts("Features", report.features, most))
    if report.trained is not None:
        trained = report.trained
        title = f"Against the training of {trained.model} (score: {_psi(trained.score.psi, trained.score.level)})"
        console.print(_drifts(title, trained.features, most))


def _drifts(title: str, drifts: "Sequence[Drift]", most: int) -> Any:
    from rich.table import Table

    moved = sum(each.level in {"moved", "another"} for each in drifts)
    table = Table("feature", "PSI", title=f"{title}: {moved:,} of {len(drifts):,} have moved", title_justify="left")
    for drift in drifts[:most]:
        table.add_row(drift.feature, _psi(drift.psi, drift.level))
    return table


def _rate(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _psi(psi: float | None, level: str) -> str:
    return "few orders" if psi is None else f"{psi:.3f}, {level}"


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
