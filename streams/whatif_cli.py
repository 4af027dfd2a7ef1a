"""`amana whatif`: a range of traffic under other rules or another model, without side effects."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from events import topics
from events.options import TEXT, brokers_option
from models.cli import models_key_option

if TYPE_CHECKING:
    from models.rules import Ruleset
    from streams.replay import Scope
    from streams.whatif import Asked, Report

Command = Callable[..., Any]

_DAY = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUT = click.Path(dir_okay=False, path_type=Path)
DAY_MS = 86_400_000
AHEAD_MS = 3_600_000  # a record is in its log at most five minutes before its own time; and clocks differ


def traffic_options(command: Command) -> Command:
    """What range to look at, and where it is."""
    for option in (
        click.option("--labels-at", type=_DAY, help="Labels as they were known then (UTC); default as known now."),
        click.option("--until", type=_DAY, help="Orders before this time (UTC).  [default: now]"),
        click.option("--from", "since", type=_DAY, help="Orders from this time on (UTC).  [default: a day before]"),
        click.option("--decisions", type=_FILE, multiple=True, help="Decisions as JSON lines, with --facts."),
        click.option("--facts", type=_FILE, multiple=True, help="Facts as JSON lines, instead of the topics."),
        brokers_option,
    ):
        command = option(command)
    return command


@click.command("whatif")
@click.option("--rules", type=_FILE, help="Judge by this rules file.")
@click.option("--model", type=TEXT, metavar="VERSION", help="Score by this model version.")
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Of orders, by a hash of their customer, that --model decides, as a challenger would; the others stay.",
)
@click.option("--costs", type=_FILE, help="Decide by this cost table, in YAML: docs/policy.md.")
@click.option("--reviews-per-day", type=click.FloatRange(0), help="Orders that analysts have time for.")
@click.option("--review-at", type=click.FloatRange(0, 1), help="Review scores from here on.")
@click.option("--block-at", type=click.FloatRange(0, 1), help="Block scores from here on.")
@click.option("--rules-then", type=_FILE, multiple=True, help="A rules file that was in force; may be repeated.")
@click.option(
    "--models",
    envvar="AMANA_MODELS",
    type=click.Path(path_type=Path, file_okay=False),
    default="var/models",
    help="The folder of model versions.",
)
@models_key_option
@traffic_options
@click.option("--limit", type=click.IntRange(0), default=10, show_default=True, help="Changed orders to list.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON instead.")
@click.option("--html", type=_OUT, help="Write a page for people, in one file.")
def whatif_command(
    *,
    brokers: str,
    models: Path,
    public: Path | None,
    rules: Path | None,
    model: str | None,
    share: float,
    costs: Path | None,
    reviews_per_day: float | None,
    review_at: float | None,
    block_at: float | None,
    rules_then: tuple[Path, ...],
    facts: tuple[Path, ...],
    decisions: tuple[Path, ...],
    since: datetime | None,
    until: datetime | None,
    labels_at: datetime | None,
    limit: int,
    as_json: bool,
    html: Path | None,
) -> None:
    """Decide a range of orders again, under other rules, another model or other costs, and say what would have changed.

    The orders' own vectors and facts are read from the topics, or from files, and concluded on by the code that
    screening runs; what is not given stays as it was for each order. Nothing is written but what --html names: no
    topic, no consumer group, no store, no database.

    Told are the changed outcomes, the analysts' queue by hour, the money (of orders with a label what the outcomes
    cost; of those with a score what they were expected to), and the messages that each partner would have got.

    \b
    Examples:
      amana whatif --rules my-rules.yaml --from 2026-03-01 --until 2026-03-02
      amana whatif --model 20260301-0f1e2d3c4b --reviews-per-day 40 --html var/whatif.html
      amana whatif --model 20260401-5a69788796 --share 0.1
      amana whatif --rules my-rules.yaml --facts var/mine/facts.jsonl --decisions var/mine/decisions.jsonl \\
        --from 2026-01-01 --until 2026-02-01
    """
    import msgspec

    from features.definitions import DEFINITIONS
    from models.policy import costs_from
    from models.rules import loaded
    from streams.replay import Scope
    from streams.whatif import Asked

    if all(each is None for each in (rules, model, costs, reviews_per_day, review_at, block_at)):
        raise click.UsageError("expected --rules or --model, or what the policy is to be: --costs, --reviews-per-day")
    if model is None and share < 1.0:
        raise click.UsageError("--share: expected the --model that decides it")
    scope = Scope(*range_of(since, until, facts, decisions))
    asked = Asked(
        ruleset=None if rules is None else loaded(rules, DEFINITIONS.names),
        model=model,
        share=share,
        costs=None if costs is None else costs_from(costs.read_bytes(), str(costs)),
        reviews_per_day=reviews_per_day,
        review_at=review_at,
        block_at=block_at,
        limit=limit,
    )
    report = asyncio.run(
        _run(asked, scope, models, public, rules_then, brokers, facts, decisions, ms_of(labels_at, 2**62))
    )
    if html is not None:
        from streams.whatif_page import page

        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(page(report))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(report)))
    else:
        from streams.whatif_shown import show

        show(report)


async def _run(
    asked: "Asked",
    scope: "Scope",
    models: Path,
    public: Path | None,
    rules_then: tuple[Path, ...],
    brokers: str,
    facts: tuple[Path, ...],
    decisions: tuple[Path, ...],
    labels_at_ms: int,
) -> "Report":
    from features.definitions import DEFINITIONS
    from streams import reading
    from streams.bootstrap.projector import told_on_blocks
    from streams.traffic import gather, on_disk
    from streams.whatif import Past, Sides, rules_of_then, whatif

    known = rules_of_then(DEFINITIONS.names, rules_then)
    sides = Sides(asked, Past(models, known, public), DEFINITIONS)
    async with AsyncExitStack() as stack:
        since_ms = max(0, scope.from_ms - AHEAD_MS)
        log = await reading.source(facts, brokers, topics.FACTS, stack, since_ms)
        made = await reading.source(decisions, brokers, topics.DECISIONS, stack, since_ms)
        with on_disk(DEFINITIONS, labels_at_ms) as traffic:
            with reading.bars() as bar:
                await gather(log, made, scope, DEFINITIONS, traffic, bar)
            if not facts and asked.ruleset is None:
                known.update(await _promoted(brokers))
            return whatif(traffic, scope, sides, told_on_blocks(), asked.limit)


async def _promoted(brokers: str) -> dict[str, "Ruleset"]:
    """Every set of rules that was ever promoted and that these definitions can read, by hash."""
    from features.definitions import DEFINITIONS
    from models.errors import BadPromotion
    from models.rules.promotion import opened
    from streams.promotions import entries

    found = {}
    for entry in await entries(brokers):
        if entry.promotion is not None:
            try:
                ruleset = opened(entry.promotion, entry.rules_set.encode(), DEFINITIONS.names)
            except BadPromotion:
                continue  # no worker took it either
            found[ruleset.hash] = ruleset
    return found


def range_of(
    since: datetime | None, until: datetime | None, facts: tuple[Path, ...], decisions: tuple[Path, ...]
) -> tuple[int, int]:
    """[from, until) in milliseconds, by default the last day; wrong usage for one kind of file without the other."""
    if bool(facts) != bool(decisions):
        raise click.UsageError("expected --facts and --decisions together, or neither")
    until_ms = ms_of(until, round(time.time() * 1000))
    return ms_of(since, until_ms - DAY_MS), until_ms


def ms_of(moment: datetime | None, default: int) -> int:
    return default if moment is None else int(moment.replace(tzinfo=UTC).timestamp() * 1000)
