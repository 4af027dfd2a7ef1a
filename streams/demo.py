"""`amana demo`: a made-up store, from its events to cases and partner messages, on one machine with Python alone.

The first weeks are screened by rules alone, so that their vectors are logged; a model is trained on them with the
labels known by then; the later weeks are screened with it, in small chunks, as they would come live.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from itertools import chain
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from events.types import AnyEvent, OrderPlaced
from features.definitions import DEFINITIONS
from features.rates import RATES
from models import artifact
from models.errors import UntrainableTable
from models.measures import few
from models.training import train
from simulator.journal import Simulated
from simulator.settings import Settings as StoreSettings
from simulator.store import simulate
from streams.bootstrap.screen import concluder
from streams.demo_sharing import Shown, decided, shown, verified
from streams.embedded import Embedded
from streams.files import Line, place
from streams.folders import claimed, clear_demo
from streams.runs import CHUNK, Summary, figures, opened, progress, settings_for, summarise, write_summary
from streams.settings import Settings

LIVE_CHUNK = 20
TRAINING_SHARE = 0.75
CARELESS = 700  # live orders to one whose customer writes a card number into a gift note


class Caught(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of fraud in the live weeks: orders and value (US cents), all and flagged."""

    orders: int
    flagged: int
    value_cents: int
    flagged_cents: int


class DemoSummary(Summary, frozen=True, kw_only=True):
    """`precision` is the share of fraud among the flagged orders; all figures are of the live weeks. `doubt` is what is
    to be said of the model where frauds were few.
    """

    fraud: dict[str, Caught]
    precision: float | None
    model: str
    trained_on_orders: int
    doubt: str = ""


def demo(folder: Path, store: StoreSettings, console: Console) -> tuple[DemoSummary, Shown | None]:
    """Run it, write everything into the folder (what an earlier demo left there is removed).

    Returns the figures, and what partners got of one order.
    """
    clear_demo(folder)
    split_ms = milliseconds(store, round(store.days * TRAINING_SHARE))
    end_ms = milliseconds(store, store.days)

    truth: list[Simulated] = []

    async def run() -> tuple[DemoSummary, Shown | None]:
        async with AsyncExitStack() as stack:
            stack.enter_context(claimed(folder))
            settings = settings_for(folder, folder / "models")
            runner = await opened(settings, folder, lambda: end_ms, stack)
            early, late = split(verified(kept(simulate(store), truth)), split_ms)
            with progress(console, "first weeks, by rules", split_ms - milliseconds(store, 0)) as advance:
                await runner.feed(lines(early, advance), end_ms, CHUNK)
            with console.status("training on the first weeks"):
                trained_on = learn(runner, settings.models, split_ms)
            runner.begin(concluder(settings))
            with progress(console, "later weeks, live", end_ms - split_ms) as advance:
                await runner.feed(lines(careless(late), advance), end_ms, LIVE_CHUNK)
            with console.status("verdicts, a batch, a request of the law"):
                what = told(runner, settings, folder, truth, end_ms)
        live = [each for each in truth if ms_of(each.event) >= split_ms]
        return judged(runner, live, settings.models, trained_on), what

    summary, what = asyncio.run(run())
    write_summary(folder, summary)
    return summary, what


def told(runner: Embedded, settings: Settings, folder: Path, truth: Sequence[Simulated], now_ms: int) -> Shown | None:
    """Decide the flagged cases and have partners told; what they got of one order."""
    placed = {each.event.order_id: each for each in truth if isinstance(each.event, OrderPlaced)}
    decided(runner, settings.keyring, {order: each.fraud is not None for order, each in placed.items()}, now_ms)
    orders = {order: each.event for order, each in placed.items() if isinstance(each.event, OrderPlaced)}
    what = shown(runner, folder, orders, now_ms)
    runner.telling.sign()
    return what


def learn(runner: Embedded, models: Path, known_at_ms: int) -> int:
    """Train on what was logged before a moment, with the labels known by then; how many orders there were."""
    table = runner.index.training_table(
        DEFINITIONS.hash, DEFINITIONS.names, from_ms=0, until_ms=known_at_ms, labels_known_at_ms=known_at_ms
    )
    try:
        made = train(table, DEFINITIONS.names, definitions=DEFINITIONS.hash, seed=0)
    except UntrainableTable:
        raise UntrainableTable(
            f"of the first weeks' {len(table)} orders too few frauds are known by their end for a model to learn from; "
            "give more --orders-per-day or --days (400 and 28 are enough)"
        ) from None
    artifact.save(models, made)
    return len(table)


def judged(runner: Embedded, truth: Sequence[Simulated], models: Path, trained_on: int) -> DemoSummary:
    """Hold the decisions against what the simulator knows."""
    manifest = artifact.read_manifest(models, artifact.current(models))
    flagged = runner.flagged
    frauds = [event for event in truth if event.fraud is not None]
    caught = sum(event.event.order_id in flagged for event in frauds)  # type: ignore[union-attr]
    return DemoSummary(
        **msgspec.structs.asdict(summarise(runner.tally)),
        fraud={kind: caught_of(kind, frauds, flagged) for kind in sorted({str(event.fraud) for event in frauds})},
        precision=caught / len(flagged) if flagged else None,
        model=manifest.version,
        trained_on_orders=trained_on,
        doubt=few(manifest.metrics.frauds, manifest.learned_frauds),
    )


def caught_of(kind: str, frauds: Sequence[Simulated], flagged: set[str]) -> Caught:
    orders = [event.event for event in frauds if event.fraud == kind and isinstance(event.event, OrderPlaced)]
    values = [RATES.cents(order.amount_minor, order.currency, ms_of(order)) or 0 for order in orders]
    hits = [order.order_id in flagged for order in orders]
    return Caught(
        orders=len(orders),
        flagged=sum(hits),
        value_cents=sum(values),
        flagged_cents=sum(value for value, hit in zip(values, hits, strict=True) if hit),
    )


def split(events: Iterator[Simulated], at: int) -> tuple[Iterator[Simulated], Iterator[Simulated]]:
    """Events before a moment, and the others: to be read in that order."""
    first_late: list[Simulated] = []

    def early() -> Iterator[Simulated]:
        for event in events:
            if ms_of(event.event) >= at:
                first_late.append(event)
                return
            yield event

    return early(), chain(first_late, events)


def kept(events: Iterable[Simulated], orders: list[Simulated]) -> Iterator[Simulated]:
    """The same events; orders are also put on the list."""
    for event in events:
        if isinstance(event.event, OrderPlaced):
            orders.append(event)
        yield event


def careless(events: Iterable[Simulated]) -> Iterator[Simulated]:
    """The same events; some orders come with a card number (one of those made for tests), which nobody may keep."""
    orders = 0
    for event in events:
        orders += isinstance(event.event, OrderPlaced)
        if isinstance(event.event, OrderPlaced) and orders % CARELESS == 0:
            note = b',"gift_note":"for you: 4111 1111 1111 1111"}'
            yield msgspec.structs.replace(event, body=event.body.removesuffix(b"}") + note)
        else:
            yield event


def lines(events: Iterable[Simulated], advance: Callable[[float], None]) -> Iterator[Line]:
    """Events as lines of a file; `advance` hears how far time has moved."""
    before: int | None = None
    for event in events:
        moment = ms_of(event.event)
        advance(moment - (before if before is not None else moment))
        before = moment
        yield place(event.body, moment)


def ms_of(event: AnyEvent) -> int:
    return round(event.occurred_at.timestamp() * 1000)


def milliseconds(store: StoreSettings, days: int) -> int:
    """The beginning of a day of the store's."""
    return round((store.start + timedelta(days=days)).timestamp() * 1000)


def tables_of(summary: DemoSummary, folder: Path) -> Iterator[Table]:
    what = Table(title="The later weeks, screened live", show_header=False, title_justify="left")
    for row in figures(summary):
        what.add_row(*row)
    what.add_row("model", f"{summary.model}, trained on {summary.trained_on_orders:,} orders")
    what.add_row(
        "precision", "no order flagged" if summary.precision is None else f"{summary.precision:.0%} of flagged"
    )
    if summary.doubt:
        what.add_row("the model", summary.doubt)
    what.add_row("files", str(folder))
    yield what
    fraud = Table("fraud", "orders", "caught", "value", "caught", title="What was caught", title_justify="left")
    for kind, caught in summary.fraud.items():
        fraud.add_row(
            kind.replace("_", " "),
            f"{caught.orders:,}",
            share(caught.flagged, caught.orders),
            f"{caught.value_cents / 100:,.0f} USD",
            share(caught.flagged_cents, caught.value_cents),
        )
    yield fraud


def share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "-"
