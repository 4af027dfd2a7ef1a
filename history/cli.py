"""`amana train` and `amana history`: models and tables from the vectors that were logged with the decisions."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
import pandas as pd
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from events.errors import AmanaError
from events.options import TEXT
from features.definitions import DEFINITIONS
from history import parquet
from history.database import existing, upgrade
from history.index import Index
from models import artifact, signing
from models.cli import models_key_option, models_option, signing_key_option
from models.measures import few
from models.policy import costs_from
from models.training import DEFAULTS, Metrics, Settings, train

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_DAY = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])
_END_OF_TIME_MS = 2**62

database_option = click.option(
    "--database",
    type=TEXT,
    envvar="AMANA_DATABASE",
    required=True,
    help="SQLAlchemy address, e.g. sqlite:///var/amana.db.",
)


def _window_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--labels-until", type=_DAY, help="Use labels known by then (UTC); default all."),
        click.option("--until", type=_DAY, help="Orders before this time (UTC); default all."),
        click.option("--from", "since", type=_DAY, help="Orders from this time on (UTC); default all."),
    ):
        command = option(command)
    return command


@click.command("train")
@click.option("--database", type=TEXT, envvar="AMANA_DATABASE", help="SQLAlchemy address, e.g. sqlite:///var/amana.db.")
@click.option(
    "--vectors",
    "vectors",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Learn from a file of `amana features backfill` instead; an order without a label counts as genuine.",
)
@models_option
@signing_key_option
@models_key_option
@_window_options
@click.option("--costs", type=_FILE, help="What outcomes cost, in YAML: docs/policy.md.")
@click.option("--reviews-per-day", type=click.FloatRange(0), help="Orders that analysts have time for.")
@click.option(
    "--review-share",
    default=DEFAULTS.review_share,
    show_default=True,
    help="Share of orders that they have time for, where --reviews-per-day does not say.",
)
@click.option(
    "--delay-days",
    type=click.FloatRange(0),
    default=7.0,
    show_default=True,
    help="How long until a label is known: the gap between what is learned from and what is judged on.",
)
@click.option(
    "--amount-power",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Orders weigh their amount to this power: 0 all alike, 1 by amount.",
)
@click.option(
    "--trials", type=click.IntRange(0), default=0, show_default=True, help="Other settings to try, at random."
)
@click.option("--seconds", type=click.FloatRange(0), default=300.0, show_default=True, help="For so long at most.")
@click.option("--seed", default=0, show_default=True, help="The same seed and history, the same model.")
def train_command(
    *,
    database: str | None,
    vectors: Path | None,
    folder: Path,
    signing_key: Path | None,
    public: Path | None,
    since: datetime | None,
    until: datetime | None,
    labels_until: datetime | None,
    costs: Path | None,
    reviews_per_day: float | None,
    review_share: float,
    delay_days: float,
    amount_power: float,
    trials: int,
    seconds: float,
    seed: int,
) -> None:
    """Train a model on logged or backfilled vectors and register it: the first of a folder is in use from then on.

    A later one is for `amana models promote`. Its manifest is signed.

    Learns from the earlier orders; the later quarter says what a review must save to be worth the analysts' time.
    Between the two is a gap of --delay-days, at most a fifth of the time; a label counts only if it was known when the
    later orders began. Orders or labels from after --labels-until (by default, from the future), and features that
    give the label away, are refused.

    \b
    Examples:
      amana train --database sqlite:///var/amana.db --models var/models
      amana train --from 2026-01-01 --until 2026-03-01 --reviews-per-day 40 --costs costs.yaml
      amana train --vectors var/backfilled.parquet --models var/models
    """
    if vectors and labels_until:
        raise click.UsageError("--labels-until: a file's labels were settled by `amana features backfill --labels-at`")
    if not vectors and not database:
        raise click.UsageError("expected --database or --vectors")
    _check_window(since, until)
    console = Console(stderr=True)
    try:
        signer = signing.signer(signing_key) if signing_key else None
        if signer is not None:  # before the work, not after it
            artifact.refuse_stranger(folder, signer, public)
        settings = Settings(
            costs=DEFAULTS.costs if costs is None else costs_from(costs.read_bytes(), str(costs)),
            reviews_per_day=reviews_per_day,
            review_share=review_share,
            delay_days=delay_days,
            amount_power=amount_power,
            trials=trials,
            seconds=seconds,
        )
        until = until or labels_until
        with console.status("reading vectors") as status:
            trained = train(  # which alone holds the table, and lets it go: of a million orders it is gigabytes
                _within(parquet.read(vectors, DEFINITIONS.hash, DEFINITIONS.names), since, until)
                if vectors
                else _read(str(database), since, until, labels_until),
                DEFINITIONS.names,
                definitions=DEFINITIONS.hash,
                seed=seed,
                settings=settings,
                known_at_ms=_milliseconds(labels_until, round(time.time() * 1000)),
                told=status.update,
            )
        version = artifact.save(folder, trained, signer, public)
        used = artifact.current(folder)
    except AmanaError as error:
        raise click.ClickException(str(error)) from None
    Console().print(_metrics_table(version, trained.metrics))
    if doubt := few(trained.metrics.frauds, trained.learned_frauds):
        console.print(f"note: {doubt}", soft_wrap=True)
    if used != version:
        console.print(f"{used} stays in use: `amana models promote {version}` puts this one in its place")


@click.group()
def history() -> None:
    """Use the index of orders and decisions.

    \b
    Example:
      amana history export --database sqlite:///var/amana.db --out var/training.parquet
    """


@history.command()
@database_option
@_window_options
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The Parquet file to write."
)
def export(
    database: str, since: datetime | None, until: datetime | None, labels_until: datetime | None, out: Path
) -> None:
    """Write the training table as Parquet: a row an order, pseudonymous, with its vector and label.

    \b
    Example:
      amana history export --database sqlite:///var/amana.db --from 2026-01-01 --out var/training.parquet
    """
    _check_window(since, until)
    try:
        with Console(stderr=True).status("reading history"):
            table = _read(database, since, until, labels_until)
        parquet.write(table, out, DEFINITIONS.hash)
    except AmanaError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{out}: {len(table):,} orders, {int(table['label'].sum()):,} fraud, {len(DEFINITIONS.names)} features")


def _read(database: str, since: datetime | None, until: datetime | None, labels_until: datetime | None) -> pd.DataFrame:
    engine = existing(database)
    try:
        upgrade(engine)
        return Index(engine).training_table(
            DEFINITIONS.hash,
            DEFINITIONS.names,
            from_ms=_milliseconds(since, 0),
            until_ms=_milliseconds(until, _END_OF_TIME_MS),
            labels_known_at_ms=_milliseconds(labels_until, _END_OF_TIME_MS),
        )
    except SQLAlchemyError as error:
        raise click.ClickException(f"the database failed: {type(error).__name__}") from None
    finally:
        engine.dispose()


def _check_window(since: datetime | None, until: datetime | None) -> None:
    if since is not None and until is not None and since >= until:
        raise click.UsageError(f"--from {since} is not before --until {until}: expected orders between them")


def _within(table: pd.DataFrame, since: datetime | None, until: datetime | None) -> pd.DataFrame:
    if since is None and until is None:
        return table
    times = table["occurred_at_ms"]
    return table[(times >= _milliseconds(since, 0)) & (times < _milliseconds(until, _END_OF_TIME_MS))]


def _milliseconds(moment: datetime | None, default: int) -> int:
    return default if moment is None else int(moment.replace(tzinfo=UTC).timestamp() * 1000)


def _metrics_table(version: str, metrics: Metrics) -> Table:
    table = Table("measure", "value", title=f"model {version}, on the orders it was judged on")
    for name, value in msgspec.structs.asdict(metrics).items():
        shown = "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
        table.add_row(name.replace("_", " "), shown)
    return table
