"""`amana features`: backfill, audit, inspection and migration of the numbers that orders are judged by."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from events import topics
from events.errors import Unreachable
from events.options import TEXT, brokers_option
from streams.options import STORE
from streams.reading import bars, source

if TYPE_CHECKING:
    from streams.audit import Report

Command = Callable[..., Any]

_END_OF_TIME_MS = 2**62
_DAY = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUT = click.Path(dir_okay=False, path_type=Path)
_facts = click.option(
    "--facts", type=_FILE, multiple=True, help="Facts as JSON lines, instead of the topic; may be repeated, in order."
)


def _range(command: Command) -> Command:
    for option in (
        click.option("--until", type=_DAY, required=True, help="Orders before this time (UTC)."),
        click.option("--from", "since", type=_DAY, required=True, help="Orders from this time on (UTC)."),
    ):
        command = option(command)
    return command


@click.group()
def features() -> None:
    """Backfill, audit, inspect and migrate the numbers that orders are judged by.

    \b
    Examples:
      amana features backfill --from 2026-01-01 --until 2026-03-01 --out var/vectors.parquet
      amana features audit --from 2026-02-01 --until 2026-02-02
      amana features show o-1234
      amana features entity card --psp-token -
      amana features migrate --from redis://127.0.0.1:6379/0 --to redis://127.0.0.1:6379/1
    """


@features.command()
@brokers_option
@_facts
@_range
@click.option("--labels-at", type=_DAY, help="Label orders as was known then (UTC); default as known now.")
@click.option("--out", type=_OUT, required=True, help="The Parquet file to write.")
def backfill(
    brokers: str, facts: tuple[Path, ...], since: datetime, until: datetime, labels_at: datetime | None, out: Path
) -> None:
    """Compute training vectors from facts, with the features as they are defined now.

    The facts are replayed in the order in which they happened through the feature engine itself, on a server of its
    own. An order's label is 1 for fraud, 0 for one found genuine, null where nothing was known. The month before --from
    is replayed too, so that the first orders have their past; the log must still hold it.

    \b
    Examples:
      amana features backfill --from 2026-01-01 --until 2026-03-01 --labels-at 2026-04-01 --out var/vectors.parquet
      amana features backfill --facts var/mine/facts.jsonl --from 2026-01-01 --until 2026-03-01 --out var/v.parquet
      amana train --vectors var/vectors.parquet --models var/models
    """
    from streams.backfill import backfill as run
    from streams.replay import Scope

    scope = Scope(_ms(since), _ms(until))
    known_ms = _END_OF_TIME_MS if labels_at is None else _ms(labels_at)

    async def work() -> None:
        async with AsyncExitStack() as stack:
            log = await source(facts, brokers, topics.FACTS, stack)
            with bars() as bar:
                done = await run(log, out, scope, known_ms, bar)
        click.echo(f"{out}: {done.orders:,} orders, {done.labelled:,} labelled, {done.frauds:,} fraud")
        click.echo(f"{done.facts:,} facts read, {done.repeats:,} of them repeats, {done.late:,} late")

    asyncio.run(work())


@features.command()
@brokers_option
@_facts
@click.option("--decisions", type=_FILE, multiple=True, help="Decisions as JSON lines, with --facts.")
@_range
@click.option(
    "--as-applied",
    is_flag=True,
    help="Replay in the log's order instead of the events': of one partition, every vector must be equal.",
)
@click.option("--limit", type=click.IntRange(0), default=20, show_default=True, help="Differing orders to print.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON instead.")
@click.option("--out", type=_OUT, help="Write the figures to this JSON file too.")
@click.option("--metrics-file", type=_OUT, help="Write them for a Prometheus textfile collector too (NAME.prom).")
def audit(
    brokers: str,
    facts: tuple[Path, ...],
    decisions: tuple[Path, ...],
    since: datetime,
    until: datetime,
    as_applied: bool,
    limit: int,
    as_json: bool,
    out: Path | None,
    metrics_file: Path | None,
) -> None:
    """Compare the vectors that orders were judged by with what the facts give, and say why any differ.

    The facts are replayed in the order in which they happened. A vector may differ since a fact came late, or crossed
    an order of another partition, or was sent twice, or since the store was rebuilt after a gap in the log. A cause is
    given where the number, worked out again from the facts that had been applied, is the one that was logged. What has
    no cause is unexplained, and the exit code is 1.

    \b
    Examples:
      amana features audit --from 2026-02-01 --until 2026-02-02 --out var/audit.json
      amana features audit --facts var/mine/facts.jsonl --decisions var/mine/decisions.jsonl \\
        --from 2026-02-01 --until 2026-02-02 --as-applied
    """
    import msgspec

    from streams import audit as audits
    from streams.replay import Scope

    if bool(facts) != bool(decisions):
        raise click.UsageError("expected --facts and --decisions together, or neither")
    scope = Scope(_ms(since), _ms(until), as_applied=as_applied)

    async def work() -> audits.Report:
        async with AsyncExitStack() as stack:
            log = await source(facts, brokers, topics.FACTS, stack)
            made = await source(decisions, brokers, topics.DECISIONS, stack)
            with bars() as bar:
                return await audits.audit(log, made, scope, bar)

    report = asyncio.run(work())
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(msgspec.json.format(msgspec.json.encode(report.figures)) + b"\n")
    if metrics_file is not None:
        audits.write_metrics(report.figures, metrics_file, time.time())
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(report)))
    else:
        _print(report, limit)
    if report.figures.differing.get("unexplained"):
        raise click.exceptions.Exit(1)


@features.command()
@click.argument("order_id", type=TEXT)
@click.option(
    "--database",
    type=TEXT,
    envvar="AMANA_DATABASE",
    default="sqlite:///var/amana.db",
    help="SQLAlchemy address of the index.",
)
@brokers_option
@_facts
@click.option(
    "--feature", "pattern", type=TEXT, default="*", metavar="PATTERN", help="Only features of such names: 'card.*'."
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON instead.")
def show(order_id: str, database: str, brokers: str, facts: tuple[Path, ...], pattern: str, as_json: bool) -> None:
    """Print each number that the order was judged by, what it says, and what it was computed from.

    The facts are read from their log: which the number counts, of which kind, in which window, and where the newest of
    them are (topic:partition:offset of the event). Each number is worked out again from them; where that gives another
    one than was logged, it is said: facts are gone from the log, or those of different partitions crossed.

    \b
    Examples:
      amana features show o-1234 --feature 'card.*.24h'
      amana features show o-1234 --database sqlite:///var/mine/amana.db --facts var/mine/facts.jsonl
    """
    from history.database import existing, upgrade
    from history.index import Index
    from streams import inspection, shown

    engine = existing(database)
    try:
        upgrade(engine)
        found = inspection.logged(Index(engine), order_id)
    finally:
        engine.dispose()

    async def work() -> dict[str, inspection.Facts]:
        async with AsyncExitStack() as stack:
            log = await source(facts, brokers, topics.FACTS, stack)
            with bars() as bar:
                return await inspection.facts_behind(log, found, bar("reading facts", log.total))

    decisions = [inspection.decision(vector, None, pattern) for vector in found]
    try:
        behind = asyncio.run(work())
        decisions = [inspection.decision(vector, behind.get(vector.decision_id), pattern) for vector in found]
    except Unreachable as error:
        click.echo(f"not shown, what the numbers come from: {error}; --facts names a file of them", err=True)
    if as_json:
        click.echo(shown.as_json(decisions))
    else:
        shown.as_tables(decisions)


@features.command()
@click.argument("kind", type=TEXT)
@click.argument("rest", type=TEXT, nargs=-1, metavar="")
@click.option("--customer-id", type=TEXT, help="Of a customer.")
@click.option("--psp-token", type=TEXT, help="Of a card: the gateway's token, never a number.")
@click.option("--device-id", type=TEXT, help="Of a device.")
@click.option("--session-id", type=TEXT, help="Of a session.")
@click.option("--seller-id", type=TEXT, help="Of a seller.")
@click.option("--email", type=TEXT, help="Of an e-mail address.")
@click.option("--phone", type=TEXT, help="Of a phone, with its country's code or --country.")
@click.option("--ip", type=TEXT, help="Of an ip, or of its network.")
@click.option("--address", type=TEXT, help="Of an address, as JSON: lines, city, postal_code, country.")
@click.option("--country", type=TEXT, help="ISO 3166-1, for a phone number without its country's code.")
@click.option(
    "--redis", envvar="AMANA_REDIS", type=STORE, default="redis://127.0.0.1:6379/0", help="The feature store's address."
)
@click.option(
    "--keyring", envvar="AMANA_KEYRING", type=_OUT, default="var/keyring.json", help="The key file that intake uses."
)
def entity(
    kind: str, rest: tuple[str, ...], country: str | None, redis: str, keyring: Path, **values: str | None
) -> None:
    """Print what the feature store knows of an entity now, as the next order would see it.

    KIND is customer, card, device, session, ip, network, email, phone, address or seller. The value is made into a
    pseudonym just as intake does it, and is not printed. Give `-` to have it read from standard input or asked for: a
    shell keeps what it is told.

    \b
    Examples:
      amana features entity card --psp-token tok-1234 --redis redis://127.0.0.1:6379/0 --keyring var/keyring.json
      amana features entity email --email -
    """
    from rich.console import Console
    from rich.table import Table

    from streams import inspection
    from streams.bootstrap import now_ms
    from streams.shown import number
    from vault.keyring import Keyring
    from vault.pseudonyms import Pseudonymiser

    given = {name.replace("_", "-"): value for name, value in values.items() if value is not None}
    # Without click's own checks: they would repeat what was given, and that may be the value.
    if kind not in inspection.NAMED_BY or rest or list(given) != [inspection.NAMED_BY[kind]]:
        pairs = ", ".join(f"{known} --{option}" for known, option in inspection.NAMED_BY.items())
        raise click.UsageError(f"expected a kind and its one option: {pairs}")
    option, value = given.popitem()
    form = inspection.canonical_form(kind, _secret(option, value), country)
    pseudonymise = Pseudonymiser(Keyring.load(keyring))
    found = asyncio.run(inspection.entity(redis, pseudonymise, kind, form, now_ms()))
    table = Table("feature", "value", "what it says", highlight=False)
    for name, text, reading in found:
        table.add_row(name, number(reading), text)
    Console().print(table)


@features.command()
@brokers_option
@click.option(
    "--from", "old", envvar="AMANA_REDIS", type=STORE, required=True, help="The running feature store's address."
)
@click.option(
    "--to", "new", type=STORE, required=True, help="The new one's: an empty database, or what an earlier call began."
)
@click.option("--shards", type=click.IntRange(1, 16), default=1, show_default=True, help="Parts of the new store.")
@click.option("--switch", is_flag=True, help="Put the new store in the old one's place, once it is built.")
@click.option(
    "--models",
    envvar="AMANA_MODELS",
    type=click.Path(path_type=Path),
    default="var/models",
    help="With --switch: the folder of models that the new screening will use.",
)
@click.option(
    "--models-key",
    envvar="AMANA_MODELS_TRUST",
    type=click.Path(path_type=Path),
    help="The public key of those who make models; by default MODELS.pub, beside the folder.",
)
def migrate(
    *, brokers: str, old: str, new: str, shards: int, switch: bool, models: Path, models_key: Path | None
) -> None:
    """Build the feature store anew from facts, with the features as they are defined now, beside the running one.

    Screening goes on with the old store meanwhile; until --switch nothing about it changes, and the new store is
    refused to whoever would screen with it. --switch retires the old store, which ends the processes that screen with
    it, waits until they are gone (some ten seconds), and opens the new one: then start screening, of this version, on
    it. No order is lost, none is decided twice. Interrupted, the same command goes on where it was.

    \b
    Examples:
      amana features migrate --from redis://127.0.0.1:6379/0 --to redis://127.0.0.1:6379/1
      amana features migrate --from redis://127.0.0.1:6379/0 --to redis://127.0.0.1:6379/1 --switch
      amana screen --redis redis://127.0.0.1:6379/1

    \b
    Exit codes:
      0  the new store is built; with --switch: it has taken the old one's place, now or before
      1  it can't be done, and why: stores of something else, a log that begins too late, a model of other features
    """
    from streams import logs
    from streams.bootstrap.migrate import migrate as run

    logs.configure("WARNING")
    with bars() as bar:
        click.echo(asyncio.run(run(brokers, old, new, shards, models if switch else None, bar, models_key)))


def _secret(option: str, value: str) -> str:
    if value != "-":
        return value
    stdin = click.get_text_stream("stdin")
    return str(click.prompt(option, hide_input=True, err=True)) if stdin.isatty() else stdin.readline().strip()


def _print(report: "Report", limit: int) -> None:
    from rich.console import Console
    from rich.table import Table

    from streams.shown import number

    console, figures = Console(), report.figures
    orders = Table("order", "decision", "cause", "numbers (logged, recomputed)", "facts")
    for difference in report.differences[:limit]:
        changed = [f"{each.feature} ({number(each.logged)}, {number(each.recomputed)})" for each in difference.features]
        more = [f"and {len(changed) - 3} more"] if len(changed) > 3 else []
        orders.add_row(
            difference.order_id,
            difference.decision_id,
            difference.cause,
            "\n".join(changed[:3] + more),
            "\n".join(difference.facts),
        )
    if orders.row_count:
        console.print(orders)
    table = Table("", "orders", title="Logged against recomputed vectors", title_justify="left")
    table.add_row("compared", f"{figures.orders:,}")
    table.add_row("equal", f"{figures.equal:,}")
    for cause, count in figures.differing.items():
        table.add_row(cause, f"{count:,}")
    table.add_row("rate of differing", f"{figures.rate:.3%}")
    table.add_row("without a decision", f"{figures.without_decision:,}")
    table.add_row("without a fact", f"{figures.without_fact:,}")
    table.add_row("of other definitions", f"{figures.other_definitions:,}")
    console.print(table)


def _ms(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp() * 1000)
