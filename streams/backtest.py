"""`amana backtest`: a table of orders through the feature store, a model trained and judged on it, a report."""

import asyncio
import csv
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.definitions import DEFINITIONS
from features.server import PATIENCE_S, embedded
from features.store import connect
from models.backtest import Examples, Protocol, Tested, backtest, default_protocol
from models.learner import Plan
from models.measures import Measures, few
from models.page import Page, html
from streams.backtest_facts import vectors_of
from streams.tables import Layout, Orders, read_orders

Ints = NDArray[np.int64]
Bar = Callable[[str, float], Callable[[float], None]]  # what is done, of how much -> what to tell of it

_DAY_MS = 86_400_000
_LARGEST = float(np.finfo(np.float32).max)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a backtest; a window's end that is None is chosen by `default_protocol`.

    `delay_days`: None is a week, or a tenth of a table that is shorter than ten weeks.
    """

    orders: Path
    labels: Path
    layout: Layout
    out: Path
    delay_days: float | None = None
    train_from_ms: int | None = None
    train_until_ms: int | None = None
    test_from_ms: int | None = None
    test_until_ms: int | None = None
    leave_out_known: bool = False
    known_from_ms: int | None = None
    plan: Plan = Plan()
    seed: int = 0


class Summary(Measures, frozen=True, kw_only=True):
    """What is printed, and written as JSON. `seconds` is the whole run; `orders_per_s` that of facts to vectors."""

    orders: int
    frauds: int
    learned_orders: int
    learned_frauds: int
    train_from: str
    train_until: str
    test_from: str
    test_until: str
    delay_days: float
    columns: int
    seed: int
    plan: Plan
    definitions: str
    fingerprint: str
    notes: tuple[str, ...]
    seconds: float
    orders_per_s: float


def run(asked: Asked, bar: Bar, told: Callable[[str], None]) -> Summary:
    """Writes `backtest.json`, `report.html` and `scores.csv` into `asked.out`.

    Raises BadTable for files that cannot be used, UntrainableTable where there is nothing to learn from or to judge.
    """
    began = time.perf_counter()
    told("reading the table")
    delay_ms = None if asked.delay_days is None else round(asked.delay_days * _DAY_MS)
    orders = read_orders(asked.orders, asked.labels, asked.layout, delay_ms)
    delay_ms = orders.delay_ms
    protocol = protocol_of(asked, orders, delay_ms)
    asked.out.mkdir(parents=True, exist_ok=True)  # if that can't be, it is said before the work
    replaying = time.perf_counter()
    examples = asyncio.run(examples_of(orders, bar))
    replayed_s = time.perf_counter() - replaying
    tested = backtest(examples, protocol, asked.plan, asked.seed, told)
    summary = Summary(
        **found(tested, protocol, delay_ms, asked.seed, orders.notes),
        seconds=round(time.perf_counter() - began, 1),
        orders_per_s=round(len(orders) / replayed_s, 1),
    )
    judged = Judged(orders.order_id, orders.occurred_at_ms, orders.label)
    write(asked.out, _page(asked, tested, summary), summary, judged, tested)
    return summary


async def examples_of(orders: Orders, bar: Bar) -> Examples:
    """The orders' vectors, made by the executor itself on a server of its own, and the columns passed on."""
    with embedded() as url:
        async with connect(url, timeout_s=PATIENCE_S) as client:
            names, matrix = await vectors_of(client, orders, bar("facts to vectors", len(orders)))
    if orders.numbers:
        more = single(np.stack(list(orders.numbers.values()), axis=1))
        names, matrix = (*names, *orders.numbers), np.concatenate([matrix, more], axis=1)
    return Examples(
        names=names,
        matrix=matrix,
        categories=orders.categories,
        occurred_at_ms=orders.occurred_at_ms,
        label=np.maximum(orders.label, 0),
        labelled_at_ms=orders.labelled_at_ms,
        amount=orders.amount / 100 if orders.in_minor_units else orders.amount,
        customer=_numbered(orders.fields.get("customer_id")),
    )


def single(numbers: NDArray[np.float64]) -> NDArray[np.float32]:
    """In single precision; what is beyond it is the largest that it has."""
    return np.clip(numbers, -_LARGEST, _LARGEST).astype(np.float32)


def protocol_of(asked: Asked, orders: Orders, delay_ms: int) -> Protocol:
    chosen = default_protocol(orders.occurred_at_ms, delay_ms)
    given = {
        name: getattr(asked, name) for name in ("train_from_ms", "train_until_ms", "test_from_ms", "test_until_ms")
    }
    if given["test_from_ms"] is not None and given["train_until_ms"] is None:
        given["train_until_ms"] = given["test_from_ms"] - delay_ms
    windows = {name: getattr(chosen, name) if value is None else value for name, value in given.items()}
    return Protocol(**windows, leave_out_known=asked.leave_out_known, known_from_ms=asked.known_from_ms)


class Judged(NamedTuple):
    """What stands beside the scores, of all that the table has: names, times and labels, and what the first two are."""

    names: Sequence[str]
    at_ms: Ints
    label: Ints
    heads: tuple[str, str] = ("order_id", "occurred_at_ms")


def write(out: Path, page: Page, summary: Summary, judged: Judged, tested: Tested) -> None:
    """The three files."""
    (out / "backtest.json").write_bytes(msgspec.json.format(msgspec.json.encode(summary)) + b"\n")
    (out / "report.html").write_text(html(page), encoding="utf-8")
    with (out / "scores.csv").open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow((*judged.heads, "label", "score"))
        for row, score in zip(tested.rows.tolist(), tested.scores.tolist(), strict=True):
            lines.writerow((judged.names[row], judged.at_ms[row], max(judged.label[row], 0), repr(score)))


def found(tested: Tested, protocol: Protocol, delay_ms: int, seed: int, notes: tuple[str, ...]) -> dict[str, Any]:
    """Of a summary what comes of the test itself."""
    if tested.constant:
        notes = (*notes, f"{len(tested.constant)} columns were constant in the training window and left out")
    if doubt := few(tested.frauds, tested.learned_frauds):
        notes = (*notes, doubt)
    return dict(
        **msgspec.structs.asdict(tested.measures),
        orders=tested.orders,
        frauds=tested.frauds,
        learned_orders=tested.learned_orders,
        learned_frauds=tested.learned_frauds,
        train_from=_text(protocol.train_from_ms),
        train_until=_text(protocol.train_until_ms),
        test_from=_text(protocol.test_from_ms),
        test_until=_text(protocol.test_until_ms),
        delay_days=round(delay_ms / _DAY_MS, 3),
        columns=tested.columns,
        seed=seed,
        plan=tested.plan,
        definitions=DEFINITIONS.hash,
        fingerprint=tested.fingerprint,
        notes=notes,
    )


def _page(asked: Asked, tested: Tested, summary: Summary) -> Page:
    facts = [
        ("orders", asked.orders.name),
        ("labels", f"{asked.labels.name}, known {summary.delay_days:g} days late unless they say when"),
        ("learned from", f"{summary.learned_orders:,} orders, {summary.learned_frauds:,} fraud as far as was known"),
        ("training", f"{_shown(summary.train_from)} until {_shown(summary.train_until)} (UTC)"),
        ("test", f"{_shown(summary.test_from)} until {_shown(summary.test_until)} (UTC)"),
        ("columns", f"{summary.columns}; definitions {summary.definitions}"),
        ("seed, fingerprint of the scores", f"{summary.seed}, {summary.fingerprint[:16]}"),
    ]
    measured: Measures = tested.measures
    return Page(
        title=f"{asked.orders.name}: {_shown(summary.test_from)} – {_shown(summary.test_until)}",
        facts=facts,
        measures=measured,
        orders=tested.orders,
        frauds=tested.frauds,
        curves=tested.curves,
        groups=tested.groups,
        notes=summary.notes,
        weights=tested.weights,
    )


def _numbered(texts: list[str | None] | None) -> NDArray[np.int64] | None:
    """A number for each text, -1 for none."""
    if texts is None:
        return None
    numbers: dict[str, int] = {}
    return np.array([-1 if text is None else numbers.setdefault(text, len(numbers)) for text in texts], dtype=np.int64)


def _text(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _shown(moment: str) -> str:
    """To the minute, and to the day alone at midnight."""
    day, time_of_day = moment[:10], moment[11:16]
    return day if moment.endswith("T00:00:00") else f"{day} {time_of_day}"
