"""`amana backtest`: from a table of orders to a report, with one mapping file and no code."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from streams.backtest import Summary

_MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("backtest")
@click.option("--orders", type=_FILE, help="The orders: CSV with a header, or Parquet.")
@click.option("--visits", type=_FILE, help="In their place page views, a web log: scripts among their sessions.")
@click.option("--labels", type=_FILE, help="The labels, if they are in a file of their own.")
@click.option("--mapping", type=_FILE, required=True, help="YAML: which column is which event field.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folder to write to.")
@click.option("--train-from", type=_MOMENT, help="Learn from orders from here on (UTC).  [default: the first]")
@click.option("--train-until", type=_MOMENT, help="And before this.  [default: the test's begin less the delay]")
@click.option("--test-from", type=_MOMENT, help="Test on orders from here on.  [default: the last 30 % of the time]")
@click.option("--test-until", type=_MOMENT, help="And before this.  [default: the last]")
@click.option(
    "--delay-days", type=click.FloatRange(0),
    help="How long after its order a label becomes known, if they don't say.  [default: 7, or a tenth of the time]",
)  # fmt: skip
@click.option("--leave-out-known", is_flag=True, help="Don't test customers whose fraud is known by the day.")
@click.option("--known-from", type=_MOMENT, help="Frauds that count for that, from here on.  [default: --train-from]")
@click.option("--trials", type=click.IntRange(0), default=0, show_default=True, help="Other settings to try.")
@click.option("--seconds", type=click.FloatRange(0), default=600.0, show_default=True, help="And for how long at most.")
@click.option("--members", type=click.IntRange(1), help="Forests that are averaged.  [default: the plan's]")
@click.option("--seed", default=0, show_default=True, help="The same seed, the same numbers to the last digit.")
def backtest_command(
    *,
    orders: Path | None,
    visits: Path | None,
    labels: Path | None,
    mapping: Path,
    out: Path,
    train_from: datetime | None,
    train_until: datetime | None,
    test_from: datetime | None,
    test_until: datetime | None,
    delay_days: float | None,
    leave_out_known: bool,
    known_from: datetime | None,
    trials: int,
    seconds: float,
    members: int | None,
    seed: int,
) -> None:
    """Measure what the features and the model would have found in a table of past orders.

    The rows become facts and go through the feature store itself, in the order of their times, each label at the time
    when it became known. A model is trained on the training window and judged on the test window. --out gets
    backtest.json, report.html (figures and curves, one file) and scores.csv.

    The mapping names columns for event fields: occurred_at and amount, and any of order_id, customer_id, psp_token,
    device_id, ip, email, seller_id, ... Other columns may be passed on, as `numbers` or `categories`:

    \b
      columns: {occurred_at: time, amount: price, customer_id: buyer}
      values: {currency: SAR}
      numbers: [basket_size]
      categories: [channel]
      labels: {label: is_fraud}

    Of visits it names occurred_at, and session_id or ip and user_agent; path, status, method, referrer, duration_ms or
    request (as web servers log it):

    \b
      columns: {occurred_at: time, ip: client, user_agent: agent, path: url, status: code}
      labels: {label: is_bot}

    \b
    Examples:
      amana backtest --orders orders.csv --mapping mapping.yaml --out var/backtest
      amana backtest --orders orders.parquet --labels labels.csv --mapping mapping.yaml --out var/backtest \\
        --train-until 2026-03-01 --test-from 2026-03-08 --delay-days 7
      amana backtest --visits log.csv --labels bots.csv --mapping mapping.yaml --out var/visits
    """
    import msgspec
    from rich.console import Console

    from models.learner import DEFAULT
    from streams import visits_backtest
    from streams.backtest import Asked, run
    from streams.runs import progress
    from streams.tables import read_layout
    from streams.visits import read_visit_layout

    if (orders is None) == (visits is None):
        raise click.UsageError("expected one of --orders and --visits")
    if visits is not None and (leave_out_known or known_from is not None):
        raise click.UsageError("--leave-out-known and --known-from are for --orders: a visit names no customer")
    plan = msgspec.structs.replace(DEFAULT, trials=trials, seconds=seconds, members=members or DEFAULT.members)
    common: dict[str, Any] = {
        "out": out,
        "delay_days": delay_days,
        "train_from_ms": _ms(train_from),
        "train_until_ms": _ms(train_until),
        "test_from_ms": _ms(test_from),
        "test_until_ms": _ms(test_until),
        "plan": plan,
        "seed": seed,
    }
    console = Console(stderr=True)
    with ExitStack() as bars:

        def bar(what: str, total: float) -> Callable[[float], None]:
            return bars.enter_context(progress(console, what, total))

        summary: Summary
        if visits is not None:
            of_visits = visits_backtest.Asked(
                visits=visits, labels=labels or visits, layout=read_visit_layout(mapping), **common
            )
            summary = visits_backtest.run(of_visits, bar, console.print)
        elif orders is not None:
            asked = Asked(
                orders=orders,
                labels=labels or orders,
                layout=read_layout(mapping),
                leave_out_known=leave_out_known,
                known_from_ms=_ms(known_from),
                **common,
            )
            summary = run(asked, bar, console.print)
    _print(summary, out)


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.replace(tzinfo=UTC).timestamp() * 1000)


def _print(summary: "Summary", out: Path) -> None:
    import msgspec
    from rich.console import Console
    from rich.table import Table

    table = Table("figure", "value", title=f"test from {summary.test_from} until {summary.test_until} (UTC)")
    for name, value in msgspec.structs.asdict(summary).items():
        if isinstance(value, int | float) or value is None:
            table.add_row(name, "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:,.4f}")
    Console().print(table)
    for note in summary.notes:
        click.echo(f"note: {note}")
    click.echo(f"{out / 'backtest.json'}, {out / 'report.html'}, {out / 'scores.csv'}")
