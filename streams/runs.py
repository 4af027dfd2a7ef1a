"""`amana run`: a user's own events, from files to decisions, cases and partner messages, in one process."""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy import URL

from features.server import embedded as store_server
from streams.bootstrap.embedded import embedded as embedded_runner
from streams.embedded import Embedded, Tally
from streams.files import merged
from streams.folders import claimed
from streams.settings import Settings
from vault.keyring import Keyring

CHUNK = 500
SUMMARY = "summary.json"


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a run, as summary.json has them."""

    events: int
    orders: int
    decisions: int
    flagged: int
    outcomes: dict[str, int]
    judged_by: dict[str, int]  # `model` and its version, `rules`, `refused`
    refused: int
    refused_by_reason: dict[str, int]
    partners: dict[str, int]
    latency_ms: dict[str, float]


def settings_for(folder: Path, models: Path, rules: Path | None = None) -> Settings:
    """All that a run keeps is in its folder; a keyring is made where there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    # A URL of its parts: a folder's name may hold what a URL's text gives a meaning to.
    database = URL.create("sqlite", database=str(folder / "amana.db")).render_as_string()
    keyring = folder / "keyring.json"
    if not keyring.exists():
        Keyring.create(keyring, os.urandom)
    return Settings(database=database, keyring=keyring, models=models, rules=rules)


async def opened(settings: Settings, folder: Path, now: Callable[[], int], stack: AsyncExitStack) -> Embedded:
    """The embedded runner with a feature store of its own, both closed with the stack."""
    return await embedded_runner(settings, stack.enter_context(store_server()), folder, now, stack)


def run_files(
    paths: Sequence[Path], folder: Path, models: Path, now_ms: int, console: Console, rules: Path | None = None
) -> Summary:
    """Screen the files' events, merged by time; write everything into the folder."""

    async def run() -> Tally:
        async with AsyncExitStack() as stack:
            stack.enter_context(claimed(folder))
            settings = settings_for(folder, models, rules)
            runner = await opened(settings, folder, lambda: now_ms, stack)
            with progress(console, "screening", sum(path.stat().st_size for path in paths)) as advance:
                await runner.feed(merged(paths, advance, now_ms), now_ms, CHUNK)
            runner.telling.sign()
        return runner.tally

    summary = summarise(asyncio.run(run()))
    write_summary(folder, summary)
    return summary


def summarise(tally: Tally) -> Summary:
    return Summary(
        events=tally.events,
        orders=tally.orders,
        decisions=tally.decisions,
        flagged=sum(count for outcome, count in tally.outcomes.items() if outcome != "approve"),
        outcomes=tally.outcomes,
        judged_by=tally.judged_by,
        refused=sum(tally.refused.values()),
        refused_by_reason=tally.refused,
        partners=tally.partners,
        latency_ms=latency(tally.decide_ms),
    )


def latency(times_ms: Sequence[float]) -> dict[str, float]:
    """Median and 99th percentile, rounded to microseconds; empty for no times."""
    if not len(times_ms):
        return {}
    median, p99 = np.percentile(times_ms, [50, 99])
    return {"p50": round(float(median), 3), "p99": round(float(p99), 3)}


def write_summary(folder: Path, summary: msgspec.Struct) -> None:
    (folder / SUMMARY).write_bytes(msgspec.json.format(msgspec.json.encode(summary)) + b"\n")


def table_of(summary: Summary, folder: Path, title: str) -> Table:
    table = Table(title=title, show_header=False, title_justify="left")
    for name, value in figures(summary):
        table.add_row(name, value)
    table.add_row("judged by", listed(summary.judged_by) or "nothing")
    table.add_row("files", str(folder))
    return table


def figures(summary: Summary) -> Iterator[tuple[str, str]]:
    yield "events", f"{summary.events:,}"
    yield "orders", f"{summary.orders:,}"
    yield "decisions", listed(summary.outcomes)
    yield "refused events", listed(summary.refused_by_reason) or "none"
    yield "partner messages", listed(summary.partners) or "none"
    if summary.latency_ms:
        yield "time to decide", f"median {summary.latency_ms['p50']:.1f} ms, p99 {summary.latency_ms['p99']:.1f} ms"


def listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))


@contextmanager
def progress(console: Console, what: str, total: float) -> Iterator[Callable[[float], None]]:
    """A bar on the terminal; where there is none, one line at the beginning."""
    if not console.is_terminal:
        console.print(f"{what} ...")
    columns = (TextColumn("{task.description:<24}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda amount: bar.advance(task, amount)
