"""`amana rules`: check, test, backtest and promote rules; make the pseudonyms that their lists hold."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from events.options import TEXT, brokers_option

if TYPE_CHECKING:
    from models.policy import Policy
    from models.rules.backtest import Backtest, Hits

Command = Callable[..., Any]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _policy_options(command: Command) -> Command:
    """How scores, and what rules add to them, become outcomes."""
    for option in (
        click.option("--costs", type=_FILE, help="Decide by this cost table, in YAML: docs/policy.md."),
        click.option("--block-at", type=click.FloatRange(0, 1), help="Block scores from here on.  [default: 0.9]"),
        click.option("--review-at", type=click.FloatRange(0, 1), help="Review scores from here on.  [default: 0.5]"),
    ):
        command = option(command)
    return command


def _policy(review_at: float | None, block_at: float | None, costs: Path | None) -> "Policy":
    """By costs and amounts where a cost table is given, thresholds in its place where these are. Raises BadPolicy."""
    from models.policy import Policy, costs_from

    if costs is not None:
        return Policy(review_at, block_at, costs_from(costs.read_bytes(), str(costs)))
    return Policy(0.5 if review_at is None else review_at, 0.9 if block_at is None else block_at)


@click.group()
def rules() -> None:
    """Check, test, backtest and promote the rules that orders are judged by.

    \b
    Examples:
      amana rules check my-rules.yaml
      amana rules test my-rules.yaml my-cases.yaml
      amana rules backtest my-rules.yaml --vectors var/vectors.parquet
      amana rules promote my-rules.yaml --actor noor
    """


@rules.command()
@click.argument("file", type=_FILE)
def check(file: Path) -> None:
    """Read a rules FILE as screening would, and name every mistake by file, line and column.

    \b
    Example:
      amana rules check my-rules.yaml
    """
    from features.definitions import DEFINITIONS
    from models.rules import loaded
    from streams.bootstrap import now_ms

    found = loaded(file, DEFINITIONS.names)
    live = sum(not rule.shadow for rule in found.rules)
    click.echo(f"{file}: set {found.name}, {live} rules, {len(found.rules) - live} shadow rules, hash {found.hash}")
    for rule in found.rules:
        if rule.expires_ms <= now_ms():
            click.echo(f"{file}: rule {rule.name} has expired: no order of today sets it off", err=True)


@rules.command()
@click.argument("file", type=_FILE)
@click.argument("cases", type=_FILE)
@_policy_options
def test(file: Path, cases: Path, review_at: float | None, block_at: float | None, costs: Path | None) -> None:
    """Judge made-up orders, the CASES, by a rules FILE and compare the outcomes with those expected.

    Exits with 1 if any differs. --review-at, --block-at and --costs are for cases with a score and for rules that add
    to it; by costs an order's `order.amount_usd` counts too.

    \b
    Example:
      amana rules test my-rules.yaml my-cases.yaml
    """
    from features.definitions import DEFINITIONS
    from models.rules import cases as files
    from models.rules import loaded

    found = files.loaded(cases, DEFINITIONS.names)
    policy = _policy(review_at, block_at, costs)
    failures = files.failures(found, loaded(file, DEFINITIONS.names), DEFINITIONS.names, policy)
    for each in failures:
        place = f"{cases}:{each.case.line}: {each.case.name}"
        click.echo(f"{place}: {each.what}: expected {each.expected}, found {each.found}")
    failed = len({each.case.line for each in failures})
    click.echo(f"{len(found)} cases, {failed} otherwise than expected")
    if failed:
        raise click.exceptions.Exit(1)


@rules.command()
@click.argument("file", type=_FILE)
@click.option("--vectors", type=_FILE, required=True, help="Of `amana features backfill` or `amana history export`.")
@click.option("--facts", type=_FILE, multiple=True, help="The orders' facts as JSON lines; may be repeated.")
@_policy_options
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON instead.")
def backtest(
    *,
    file: Path,
    vectors: Path,
    facts: tuple[Path, ...],
    review_at: float | None,
    block_at: float | None,
    costs: Path | None,
    as_json: bool,
) -> None:
    """Judge past orders by a rules FILE: how often each rule would have fired, and how much of that was fraud.

    Of the fields a file of vectors has amount and currency alone; a rule that looks at others is judged only with
    --facts, and is named otherwise. Precision is over orders whose label is known.

    \b
    Examples:
      amana rules backtest my-rules.yaml --vectors var/vectors.parquet
      amana rules backtest my-rules.yaml --vectors var/vectors.parquet --facts var/mine/facts.jsonl --json
    """
    import msgspec
    from rich.console import Console

    from features.definitions import DEFINITIONS
    from models.rules import backtest as backtests
    from models.rules import loaded
    from streams.backtests import past

    found = loaded(file, DEFINITIONS.names)
    policy = _policy(review_at, block_at, costs)
    result = backtests.backtest(found, past(vectors, facts, DEFINITIONS.hash, DEFINITIONS.names), policy)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(result)))
        return
    for table in _tables(result):
        Console().print(table)
    for rule in result.by_rule:
        if rule.unknown_fields:
            click.echo(f"rule {rule.name} was not judged in full: no {', '.join(rule.unknown_fields)}", err=True)


@rules.command()
@click.argument("file", type=_FILE)
@click.option("--actor", type=TEXT, required=True, help="Who does it; stays in the topic with the rules.")
@brokers_option
def promote(file: Path, actor: str, brokers: str) -> None:
    """Check a rules FILE and put it in force on every screening worker, within seconds and without a restart.

    The workers whose own rules (--rules, else those that come with Amana) are a set of the same name follow it. If
    somebody promotes the same set at the same time, the later is in force, on all workers alike; this command then says
    so, and exits with 1 where it was the earlier.

    \b
    Example:
      amana rules promote my-rules.yaml --actor noor --brokers 127.0.0.1:9092
    """
    import asyncio

    from features.definitions import DEFINITIONS
    from models.rules import loaded
    from models.rules.promotion import ACTOR
    from streams import promotions

    if not ACTOR.fullmatch(actor):
        raise click.BadParameter("expected up to 64 letters, digits, spaces and . _ @ -", param_hint="--actor")
    found = loaded(file, DEFINITIONS.names)
    done = asyncio.run(_on_topic(brokers, lambda: promotions.promote(brokers, found, actor)))
    said, replaced = promotions.told(found, done)
    for line in said:
        click.echo(line)
    if replaced:
        raise click.ClickException(replaced)


@rules.command()
@brokers_option
def log(brokers: str) -> None:
    """List who promoted which rules, and when.

    \b
    Example:
      amana rules log --brokers 127.0.0.1:9092
    """
    import asyncio
    from datetime import UTC, datetime

    from rich.console import Console
    from rich.table import Table

    from streams import promotions

    table = Table("offset", "time (UTC)", "set", "rules", "actor")
    for each in asyncio.run(_on_topic(brokers, lambda: promotions.entries(brokers))):
        moment = datetime.fromtimestamp(each.at_ms / 1000, UTC).isoformat(" ", "seconds").removesuffix("+00:00")
        said = (each.promotion.hash, each.promotion.actor) if each.promotion else (f"refused: {each.why}", "")
        table.add_row(str(each.offset), moment, each.rules_set, *said)
    Console().print(table)


async def _on_topic(brokers: str, work: Callable[[], Any]) -> Any:
    """Raises Stopped where the topic is missing, Unreachable where no broker answers."""
    import asyncio

    from aiokafka.errors import KafkaError

    from events import topics
    from events.errors import Unreachable
    from streams.bootstrap import known_topics

    await asyncio.to_thread(known_topics, brokers, [topics.RULES])
    try:
        return await work()
    except KafkaError as error:
        raise Unreachable(f"the broker at {brokers} did not do it: {type(error).__name__}") from None


@rules.command()
@click.argument("kind", type=TEXT)
@click.option(
    "--keyring",
    envvar="AMANA_KEYRING",
    type=click.Path(path_type=Path),
    default="var/keyring.json",
    help="The key file.",
)
@click.option("--country", type=TEXT, help="For telephone numbers without a country's code (ISO 3166-1).")
@click.option(
    "--from-version",
    type=click.IntRange(1),
    help="Read pseudonyms instead, made when the keyring's newest was this version, and bring them up to date.",
)
def pseudonym(kind: str, keyring: Path, country: str | None, from_version: int | None) -> None:
    """Make the pseudonyms that a rules file's lists hold, of values on standard input, one a line.

    KIND is customer, card, device, session, ip, network, email, phone, address, seller or promo. A value is taken just
    as intake takes it, and is not printed. A value that intake would not take ends the command with its line's number.

    \b
    Examples:
      amana rules pseudonym customer --keyring var/keyring.json < trusted-customers.txt
      amana rules pseudonym card --from-version 1 < members.txt
    """
    from models.rules.fields import LISTED, PSEUDONYM
    from streams.errors import Unusable
    from streams.inspection import canonical_form
    from vault.keyring import Keyring
    from vault.pseudonyms import Pseudonymiser

    if kind not in LISTED:  # without repeating it: it may be the value
        raise click.UsageError(f"expected a kind: {', '.join(LISTED)}")
    pseudonymise = Pseudonymiser(Keyring.load(keyring))
    for number, line in enumerate(sys.stdin, 1):
        value = line.strip()
        if not value:
            continue
        if from_version is None:
            try:
                click.echo(pseudonymise(kind, canonical_form(kind, value, country)))
            except Unusable as error:
                raise click.ClickException(f"line {number}: {error}") from None
        elif PSEUDONYM.fullmatch(value):
            click.echo(_rotated(pseudonymise, value, from_version))
        else:
            raise click.ClickException(f"line {number}: expected a pseudonym")


def _rotated(pseudonymise: Any, name: str, version: int) -> str:
    try:
        return str(pseudonymise.rotate(name, version))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--from-version") from None


def _tables(result: "Backtest") -> list[Any]:
    from rich.table import Column, Table

    columns = ("orders", "known", "fraud", "precision", "USD", "USD fraud", "USD genuine")
    outcomes = Table("outcome", *columns, title="By the rules alone", title_justify="left")
    for outcome, hits in result.outcomes.items():
        outcomes.add_row(outcome, *_row(hits))
    outcomes.add_row("all", *_row(result.all))
    each = Table(Column("rule", no_wrap=True), "action", *columns, "alone", title="Rule by rule", title_justify="left")
    for rule in result.by_rule:
        action = f"{rule.action} (shadow)" if rule.shadow else rule.action
        each.add_row(rule.name, action, *_row(rule.fired), f"{rule.alone:,}")
    return [outcomes, each]


def _row(hits: "Hits") -> list[str]:
    precision = "-" if hits.precision is None else f"{hits.precision:.1%}"
    money = [f"{usd:,.0f}" for usd in (hits.usd, hits.fraud_usd, hits.genuine_usd)]
    return [f"{hits.orders:,}", f"{hits.known:,}", f"{hits.frauds:,}", precision, *money]
