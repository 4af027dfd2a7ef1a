"""Decisions and what their numbers come from, as people and as machines read them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.inspection import Basis, Decided, Line


def as_json(decisions: Sequence[Decided]) -> str:
    """An array, an object a decision."""
    return msgspec.json.format(msgspec.json.encode(decisions)).decode()


def as_tables(decisions: Sequence[Decided]) -> None:
    """On stdout: of each decision a table for each family of features, and whether the facts give its numbers."""
    console = Console(highlight=False)
    for decided in decisions:
        score = "" if decided.score is None else f", score {decided.score:.4f}"
        console.rule(f"[bold]{decided.decision_id}, {_moment(decided.occurred_at_ms)} UTC")
        console.print(f"{decided.outcome}{score}, definitions {decided.definitions}")
        for family, numbers in groupby(decided.numbers, key=lambda line: (line.family, line.fraud)):
            console.print()
            console.print(Text.assemble((family[0], "bold"), ". ", family[1]))
            console.print(_table(list(numbers)))
        console.print()
        console.print(_verdict(decided))


def number(value: float | None) -> str:
    """As it is written everywhere: `absent` where there is none."""
    return "absent" if value is None else f"{value:g}"


def _table(numbers: Sequence[Line]) -> Table:
    table = Table("feature", "value", "what it says", "computed from", show_lines=True)
    for line in numbers:
        value = Text(number(line.value), style="bold" if line.agrees else "bold red")
        if not line.agrees:
            value.append(f"\nfacts give\n{number(line.recomputed)}")
        table.add_row(Text(line.feature), value, Text(line.text), Text(_origin(line)))
    return table


def _origin(line: Line) -> str:
    if not line.inputs:
        return "not known"
    if [basis.number for basis in line.inputs] != [line.feature]:
        return "\n".join(f"{basis.number} = {number(basis.value)}{_of(basis)}" for basis in line.inputs)
    (basis,) = line.inputs
    if basis.from_ms is None or basis.until_ms is None:
        return "the order itself" if line.feature.startswith("order.") else "the order names none"
    facts = [f"{_moment(counted.occurred_at_ms)}  {counted.event}" for counted in basis.newest]
    more = sum(basis.classes.values()) - len(facts)
    counted = _classes(basis) or "no fact"
    window = f"{counted} of {_moment(basis.from_ms, 'minutes')} to {_moment(basis.until_ms, 'minutes')}"
    return "\n".join([window, *facts, *([f"and {more:,} earlier"] if more else [])])


def _of(basis: Basis) -> str:
    return f" ({_classes(basis)})" if basis.classes else ""


def _classes(basis: Basis) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(basis.classes.items()))


def _verdict(decided: Decided) -> Text:
    if not decided.explained:
        return Text("What the numbers come from is not known: the log does not hold the order's fact.", style="yellow")
    wrong = [line.feature for line in decided.numbers if not line.agrees]
    if not wrong:
        return Text(f"The facts of the log give all of these {len(decided.numbers)} numbers.", style="green")
    return Text(
        f"The facts of the log do not give {len(wrong)} of these {len(decided.numbers)} numbers: {', '.join(wrong)}. "
        "Facts are gone from the log, or those of different partitions crossed: see amana features audit.",
        style="red",
    )


def _moment(at_ms: int, timespec: str = "milliseconds") -> str:
    moment = datetime.fromtimestamp(at_ms / 1000, UTC).replace(tzinfo=None)
    return moment.isoformat(sep=" ", timespec=timespec)
