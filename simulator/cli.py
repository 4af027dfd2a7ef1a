"""`amana simulate`: the simulated store written to a file, or published to a broker at a rate."""

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from events.errors import AmanaError
from events.options import BROKERS, TEXT
from events.types import OrderPlaced
from simulator.journal import Simulated
from simulator.pacing import paced
from simulator.settings import BadSettings, Mix, Settings
from simulator.store import simulate as simulated

DEFAULT = Settings()
EXAMPLES = """
\b
Examples:
  amana simulate --out var/store.jsonl
  amana simulate --seed 7 --days 28 --orders-per-day 400 --out var/store.jsonl
  amana simulate --difficulty 0.8 --refusing-cookies 1 --out var/hard.jsonl
  amana simulate --mix refund_abuse=2 --mix friendly_fraud=1 --out var/abuse.jsonl
  amana simulate --days 1 --brokers 127.0.0.1:9092 --rate 200 --truth var/truth.jsonl
"""


class Truth(msgspec.Struct, frozen=True):
    """A line of the truth file: what an order really was; `kind` is null for a customer's."""

    order_id: str
    is_fraud: bool
    kind: str | None


@click.command(epilog=EXAMPLES)
@click.option("--seed", default=DEFAULT.seed, show_default=True, help="The same seed gives the same events.")
@click.option(
    "--start",
    type=click.DateTime(["%Y-%m-%d"]),
    default=f"{DEFAULT.start:%Y-%m-%d}",
    show_default=True,
    help="The first day.",
)
@click.option("--days", default=DEFAULT.days, show_default=True, help="How long to tell of.")
@click.option("--customers", default=DEFAULT.customers, show_default=True, help="How many there are.")
@click.option("--orders-per-day", default=DEFAULT.orders_per_day, show_default=True, help="Frauds included.")
@click.option("--browsing", default=DEFAULT.browsing, show_default=True, help="Visits without an order, per order.")
@click.option("--refusing-cookies", default=DEFAULT.refusing_cookies, show_default=True, help="Share, 0 to 1.")
@click.option("--fraud-share", default=DEFAULT.fraud_share, show_default=True, help="Of orders, 0 to 0.5.")
@click.option(
    "--mix",
    type=TEXT,
    callback=lambda _, __, given: _mix(given),
    multiple=True,
    metavar="KIND=SHARE",
    help="Kinds of fraud and their shares, none but those.  [default: all eight]",
)
@click.option("--difficulty", default=DEFAULT.difficulty, show_default=True, help="0: careless frauds, 1: careful.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write JSONL here, truth beside it.")
@click.option("--truth", type=click.Path(dir_okay=False, path_type=Path), help="[default: OUT with .truth.jsonl]")
@click.option("--brokers", envvar="AMANA_BROKERS", type=BROKERS, help="Publish to these where --out is not given.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Events a second when publishing.")
def simulate(
    out: Path | None,
    truth: Path | None,
    brokers: str | None,
    rate: float | None,
    start: datetime,
    mix: Mix,
    **settings: float,
) -> None:
    """Invent a store: visits, orders, activity and labels in event-time order, some of them frauds."""
    if out is None and brokers is None:
        raise click.UsageError("where to? give --out FILE or --brokers HOST:PORT")
    if out is not None and rate is not None:
        raise click.UsageError("--rate is for publishing; --out writes as fast as it can")
    try:
        chosen = msgspec.convert(settings | {"start": start.replace(tzinfo=UTC), "mix": mix}, Settings)
    except BadSettings as error:
        raise click.UsageError(str(error)) from error
    try:
        with ExitStack() as files:
            truth = truth or (out.with_suffix(".truth.jsonl") if out else None)
            told = _with_truth(_with_progress(chosen), files.enter_context(_open(truth)) if truth else None)
            count = _write(told, files.enter_context(_open(out))) if out else _publish(told, str(brokers), rate)
    except (AmanaError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{count} events{f' in {out}' if out else ''}", err=True)


def _mix(given: tuple[str, ...]) -> Mix:
    """The kinds named have their shares, the others none."""
    kinds = Mix.__struct_fields__
    shares = dict.fromkeys(kinds, 0.0)
    for text in given:
        kind, _, share = text.partition("=")
        if kind not in shares:
            raise click.BadParameter(f"no kind of fraud is called so; there are {', '.join(kinds)}")
        try:
            shares[kind] = float(share)
        except ValueError:
            raise click.BadParameter(f"expected a number after {kind}=") from None
    try:
        return Mix(**shares) if given else Mix()
    except BadSettings as error:
        raise click.BadParameter(str(error)) from None


def _open(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("wb")


def _with_progress(settings: Settings) -> Iterator[Simulated]:
    """The store's events; on a terminal, a bar of the days told."""
    console = Console(stderr=True)
    columns = TextColumn("simulating"), BarColumn(), MofNCompleteColumn(), TextColumn("days"), TimeElapsedColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=settings.days)
        for told in simulated(settings):
            days = (told.occurred_at - settings.start).days
            if days > progress.tasks[task].completed:
                progress.update(task, completed=days)
            yield told
        progress.update(task, completed=settings.days)


def _with_truth(events: Iterable[Simulated], out: IO[bytes] | None) -> Iterator[Simulated]:
    encode = msgspec.json.Encoder().encode
    for told in events:
        if out and isinstance(told.event, OrderPlaced):
            out.write(encode(Truth(told.event.order_id, told.fraud is not None, told.fraud)) + b"\n")
        yield told


def _write(events: Iterable[Simulated], out: IO[bytes]) -> int:
    count = 0
    for told in events:
        out.write(told.body + b"\n")
        count += 1
    return count


def _publish(events: Iterable[Simulated], brokers: str, rate: float | None) -> int:
    from events.publisher import Publisher  # noqa: PLC0415 - writing a file needs no Kafka client

    count = 0
    with Publisher(brokers) as publisher:
        for batch in paced(events, rate, time.monotonic, time.sleep):
            publisher.publish_many([told.event for told in batch])
            count += len(batch)
    return count
