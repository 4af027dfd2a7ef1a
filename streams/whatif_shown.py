"""A what-if as text tables."""

from datetime import UTC, datetime
from itertools import groupby
from typing import NamedTuple

from rich.console import Console
from rich.table import Column, Table

from models.policy import ORDERED
from models.whatif import HOUR_MS, Cell, Comparison, Hour, Side
from streams.shown import number
from streams.whatif import Report

HOURS = 48  # shown at most; a longer range is shown by day
BY = {
    "label": "by the labels known",
    "score_then": "expected, by the scores of then",
    "score_now": "expected, by the scores of now",
}


def show(report: Report) -> None:
    console = Console(highlight=False)
    for line in about(report):
        console.print(line)
    compared = report.compared
    console.print(_outcomes(compared))
    console.print(_money(report))
    console.print(_partners(report))
    console.print(_queue(compared))
    console.print(_reasons(compared))
    if compared.examples:
        console.print(_changed(compared))


def about(report: Report) -> list[str]:
    """What was compared, in sentences."""
    compared, read = report.compared, report.read
    decided = (
        f"{moment(report.from_ms)} to {moment(report.until_ms)} UTC: {compared.orders:,} orders decided, "
        f"{compared.refused:,} of them refused; {compared.changed:,} would have another outcome"
    )
    lines = [
        decided,
        f"model: {named(report.models_then)} -> {named(report.models_now)}",
        f"rules: {named(report.rules_then)} -> {named(report.rules_now)}",
    ]
    left = [
        (read.without_fact, "decisions without a fact"),
        (read.without_decision, "facts without a decision"),
        (read.other_definitions, "decisions on other definitions"),
    ]
    if any(count for count, _ in left):
        lines.append("left out: " + ", ".join(f"{count:,} {what}" for count, what in left if count))
    return lines


def named(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in sorted(counts.items(), key=lambda one: -one[1]))


def moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


class Load(NamedTuple):
    """What comes to the analysts in an hour, or in a day; `full` is the day's fullest hour of reviews, then and now."""

    from_ms: int
    reviews: tuple[int, int]
    blocks: tuple[int, int]
    full: tuple[int, int]


def loads(compared: Comparison) -> tuple[str, list[Load]]:
    """By hour, or, of a range that is longer than two days, by day (UTC)."""
    unit, width = ("hour", HOUR_MS) if len(compared.hours) <= HOURS else ("day", 24 * HOUR_MS)
    grouped = groupby(compared.hours, key=lambda hour: hour.from_ms // width * width)
    return unit, [_load(from_ms, list(hours)) for from_ms, hours in grouped]


def _load(from_ms: int, hours: list[Hour]) -> Load:
    then, now = [hour.reviews_then for hour in hours], [hour.reviews_now for hour in hours]
    blocks = sum(hour.blocks_then for hour in hours), sum(hour.blocks_now for hour in hours)
    return Load(from_ms, (sum(then), sum(now)), blocks, (max(then), max(now)))


def _outcomes(compared: Comparison) -> Table:
    cells = {(cell.then, cell.now): cell for cell in compared.cells}
    table = Table("then", *(f"now {outcome}" for outcome in ORDERED), "all", title="Outcomes", title_justify="left")
    for then in ORDERED:
        row = [cells[then, now] for now in ORDERED]
        table.add_row(then, *map(_cell, row), f"{sum(each.orders for each in row):,}", end_section=True)
    sums = [sum(cells[then, now].orders for then in ORDERED) for now in ORDERED]
    table.add_row("all", *(f"{each:,}" for each in sums), f"{compared.orders:,}")
    return table


def _cell(cell: Cell) -> str:
    more = f"\n{cell.usd:,.0f} USD\nfraud {cell.frauds:,} of {cell.known:,} known"
    return f"{cell.orders:,}{more if cell.orders else ''}"


def _money(report: Report) -> Table:
    table = Table("costs, USD", "orders", "then", "now", "difference", title="Money", title_justify="left")
    for each in report.compared.money:
        amounts = (each.then_usd, each.now_usd)
        shown = [f"{usd:,.0f}" for usd in amounts] + [f"{each.now_usd - each.then_usd:+,.0f}"]
        table.add_row(BY[each.by], f"{each.orders:,}", *(shown if each.orders else ["-"] * 3))
    return table


def _partners(report: Report) -> Table:
    columns = ("then", "now", "more", "fewer", "otherwise")
    table = Table("partner", "contract", *columns, title="Messages to partners", title_justify="left")
    for each in report.partners:
        table.add_row(each.partner, f"v{each.version}", *(f"{getattr(each, name):,}" for name in columns))
    return table


def _queue(compared: Comparison) -> Table:
    unit, shown = loads(compared)
    title = f"Queue: {compared.review_hours_then:,.1f} hours of reviews then, {compared.review_hours_now:,.1f} now"
    columns = ["reviews then", "reviews now", "blocks then", "blocks now"]
    columns += ["fullest hour then", "now"] if unit == "day" else []
    table = Table(Column(f"{unit} from (UTC)", no_wrap=True), *columns, title=title, title_justify="left")
    for each in shown:
        counts = (*each.reviews, *each.blocks, *(each.full if unit == "day" else ()))
        table.add_row(moment(each.from_ms), *(f"{count:,}" for count in counts))
    return table


def _reasons(compared: Comparison) -> Table:
    table = Table("reason of flagged orders", "then", "now", title="Reasons", title_justify="left")
    for each in compared.codes:
        table.add_row(each.code, f"{each.then:,}", f"{each.now:,}")
    return table


def _changed(compared: Comparison) -> Table:
    table = Table(
        Column("order", no_wrap=True), Column("time (UTC)", no_wrap=True), "USD", "then", "now", "reasons now", "label",
        title=f"Dearest of {compared.changed:,} changed orders", title_justify="left",
    )  # fmt: skip
    for each in compared.examples:
        label = {None: "", 0: "genuine", 1: "fraud"}[each.label]
        reasons = "\n".join(dict.fromkeys(reason.code for reason in each.now.reasons))
        usd = number(each.usd) if each.usd is None else f"{each.usd:,.0f}"
        table.add_row(each.order_id, moment(each.occurred_at_ms), usd, side(each.then), side(each.now), reasons, label)
    return table


def side(one: Side) -> str:
    score = "" if one.score is None else f" {one.score:.3f}"
    return f"{one.outcome} ({one.mode}{score})"
