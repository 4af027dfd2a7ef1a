"""`amana topics`, `amana publish` and `amana schemas`."""

import codecs
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import click
import msgspec
from kafka.errors import KafkaError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from events import acls, admin
from events import schemas as json_schemas
from events.errors import AmanaError, NotAccepted, Unreachable
from events.guard import Refusal, admit
from events.options import TEXT, brokers_option
from events.principals import kafka_passwords, principals
from events.publisher import Publisher
from events.topics import SPECS, share_specs, topic_of
from events.types import AnyEvent

P = ParamSpec("P")
T = TypeVar("T")

BATCH = 1000


class _Head(msgspec.Struct, frozen=True):
    type: str


_decode_head = msgspec.json.Decoder(_Head).decode


class Line(msgspec.Struct, frozen=True):
    """A line that was read: its event, or why there is none."""

    number: int
    size_bytes: int
    found: AnyEvent | Refusal


def _stated(command: Callable[P, T]) -> Callable[P, T]:
    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except AmanaError as error:
            raise click.ClickException(str(error)) from None
        except KafkaError as error:
            said = f"the broker at {kwargs.get('brokers')} did not do it: {type(error).__name__}"
            raise click.ClickException(str(Unreachable(said))) from None

    return run


@click.group()
def topics() -> None:
    """Create and list Kafka's topics.

    \b
    Examples:
      amana topics create --partitions 8 --replication 3 --min-isr 2
      amana topics list
    """


@topics.command()
@brokers_option
@click.option(
    "--partitions",
    envvar="AMANA_PARTITIONS",
    default=4,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Of every topic; cannot be changed later.",
)
@click.option(
    "--replication",
    envvar="AMANA_REPLICATION",
    default=1,
    show_default=True,
    type=click.IntRange(1, 10),
    help="Copies of each partition.",
)
@click.option(
    "--min-isr",
    envvar="AMANA_MIN_ISR",
    default=1,
    show_default=True,
    type=click.IntRange(1, 10),
    help="Copies that must have a record before it counts as written.",
)
@click.option(
    "--partner", "partners", type=TEXT, multiple=True, help="Also the topics of this partner; may be repeated."
)
@_stated
def create(brokers: str, partitions: int, replication: int, min_isr: int, partners: Sequence[str]) -> None:
    """Create the topics that are missing and correct the settings of the others. Safe to run again.

    \b
    Examples:
      amana topics create
      amana topics create --brokers kafka:9092 --partitions 8 --partner acquirer
    """
    try:
        specs = [*SPECS, *(spec for partner in partners for spec in share_specs(partner))]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--partner") from None
    with admin.connect(brokers) as client:
        changes = admin.create_topics(client, partitions, replication, min_isr, specs)
    for name in changes.created:
        click.echo(f"created {name}")
    for name, settings in changes.updated.items():
        click.echo(f"updated {name}: {', '.join(settings)}")
    click.echo(f"{len(specs)} topics as they should be")


@topics.command()
@brokers_option
@click.option("--partner", "partners", type=TEXT, multiple=True, help="A partner that has topics; may be repeated.")
@click.option(
    "--secrets",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Set the passwords that are in this folder, as PRINCIPAL/kafka.password.",
)
@click.option("--remove-strangers", is_flag=True, help="Also take everything from whoever is not named here.")
@_stated
def secure(brokers: str, partners: Sequence[str], secrets: Path | None, remove_strangers: bool) -> None:
    """Make Kafka's access lists what docs/security.md says, and set passwords. Safe to run again.

    What a process or a named partner may do beyond that is taken away; whoever is neither is shown.

    \b
    Examples:
      amana topics secure --partner acquirer --secrets var/secrets
      amana topics secure --partner acquirer --partner agency --remove-strangers
    """
    try:
        table = principals(partners)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--partner") from None
    passwords = kafka_passwords(secrets) if secrets is not None else {}
    with admin.connect(brokers) as client:
        done = acls.secure(client, table, passwords, remove_strangers=remove_strangers)
    click.echo(f"{done.granted} entries granted, {done.revoked} taken away, {len(done.passwords)} passwords set")
    for name in done.without:
        click.echo(f"{name} has no password")
    for name in done.strangers:
        click.echo(f"{name} is not known here and was {'removed' if remove_strangers else 'left alone'}")


@topics.command("list")
@brokers_option
@_stated
def list_topics(brokers: str) -> None:
    """List the broker's topics with their partitions, copies and ids.

    \b
    Example:
      amana topics list --brokers kafka:9092
    """
    with admin.connect(brokers) as client:
        states = admin.describe(client)
    table = Table("topic", "partitions", "copies", "id")
    for state in states:
        table.add_row(state.name, str(state.partitions), str(state.replication), state.topic_id)
    Console().print(table)


@click.command()
@brokers_option
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Events a second at most; default no limit.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@_stated
def publish(brokers: str, rate: float | None, files: Sequence[Path]) -> None:
    """Publish events from FILES: one event a line, as JSON with its `type`; the topic follows from the type.

    A line that is refused is reported by its number and reason, and the others are published. Exits with 1 if any line
    was refused or any event not accepted.

    \b
    Examples:
      amana publish var/store.jsonl
      amana publish --rate 200 orders.jsonl visits.jsonl
    """
    published = refused = 0
    with Publisher(brokers) as publisher, _progress() as progress:
        for path in files:
            bar = progress.add_task(path.name, total=path.stat().st_size)
            for batch in _paced(_batches(_lines(path), _batch_size(rate)), rate):
                for line in batch:
                    if isinstance(line.found, Refusal):
                        refused += 1
                        where = f" in {line.found.field}" if line.found.field else ""
                        click.echo(f"{path}:{line.number}: {line.found.reason}{where}", err=True)
                events = [line.found for line in batch if not isinstance(line.found, Refusal)]
                try:
                    published += len(publisher.publish_many(events))
                except NotAccepted as error:
                    lines = f"{path}:{batch[0].number} to {batch[-1].number}"
                    raise AmanaError(f"{published} events published; then, of {lines}, {error}") from None
                progress.advance(bar, sum(line.size_bytes for line in batch))
    click.echo(f"{published} events published, {refused} lines refused")
    if refused:
        raise click.exceptions.Exit(1)


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="The folder to write them to."
)
def schemas(out: Path) -> None:
    """Write the JSON Schemas of all events and facts.

    \b
    Example:
      amana schemas --out schemas
    """
    json_schemas.write(out)
    for name in json_schemas.schemas():
        click.echo(str(out / name))


def _lines(path: Path) -> Iterator[Line]:
    with path.open("rb") as file:
        for number, text in enumerate(file, 1):
            if body := text.removeprefix(codecs.BOM_UTF8).strip():
                yield Line(number, len(text), _read(body))


def _read(body: bytes) -> AnyEvent | Refusal:
    try:
        topic = topic_of(_decode_head(body).type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
        topic = ""  # of which the guard says why
    return admit(topic, body, time.time_ns() // 1_000_000)


def _batch_size(rate: float | None) -> int:
    return BATCH if rate is None else max(1, min(BATCH, round(rate / 10)))


def _batches(lines: Iterator[Line], size: int) -> Iterator[list[Line]]:
    batch: list[Line] = []
    for line in lines:
        batch.append(line)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _paced(batches: Iterator[list[Line]], rate: float | None) -> Iterator[list[Line]]:
    """The batches, none earlier than the events before it allow."""
    started, passed = time.monotonic(), 0
    for batch in batches:
        if rate is not None:
            time.sleep(max(0.0, started + passed / rate - time.monotonic()))
        passed += len(batch)
        yield batch


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
