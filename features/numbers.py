"""The numbers that are read of an order: of its entities from their state, of its fact by a function.

Each is declared once; its name, documentation and storage derive from that.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from features import direct, sources


class Window(msgspec.Struct, frozen=True):
    """What begins at a multiple of its hop, between `width_s` and `width_s + hop_s` before an order's minute."""

    name: str
    width_s: int
    hop_s: int


# Each hop divides the next, and each width is a multiple of its hop: the tiles of one window are made of finer ones.
WINDOWS: Mapping[str, Window] = {
    w.name: w
    for w in (
        Window("10m", 600, 60),
        Window("1h", 3_600, 300),
        Window("24h", 86_400, 3_600),
        Window("7d", 604_800, 21_600),
        Window("30d", 2_592_000, 86_400),
    )
}
LATENESS_S = 300
REPEATED_S = 86_400  # an event that comes again within this time of its own, by the facts' time, counts once
DISTINCT = 65  # so many members are kept: 65 means "64+"
# Whole dollars are squared and summed: a million at most of an order keeps the sum exact to 9,007 such orders.
MOST_DOLLARS = 1_000_000
SEMANTICS = 5  # raise it when the same definitions come to give other numbers

Aggregate = Literal["count", "sum", "dollars", "squares", "units", "min", "max", "last", "earliest"]
# Of these a window is the difference of two totals.
SUMMED: tuple[Aggregate, ...] = ("count", "sum", "dollars", "squares", "units")
_TEXTS: Mapping[Aggregate, str] = {
    "count": "The number of {source}",
    "sum": "The total ({unit}) of {source}",
    "dollars": "The total in whole US dollars, a million at most of each, of {source}",
    "squares": "The sum of the squares of whole US dollars, a million at most of each, of {source}",
    "units": "The units ordered in {source}",
    "min": "The smallest amount ({unit}) of {source}",
    "max": "The largest amount ({unit}) of {source}",
    "earliest": "Seconds since the earliest of {source}",
}


class Column(msgspec.Struct, frozen=True):
    """One number of an entity's tiles."""

    source: str
    aggregate: Aggregate


class Roll(msgspec.Struct, frozen=True):
    """A list of the members of one kind that an entity was last seen with: a field of the facts of a source."""

    source: str
    member: str


class Windowed(msgspec.Struct, frozen=True, tag="windowed"):
    """An aggregate of what an entity had of a source in a window; of min and max NaN where there was none."""

    kind: str
    source: str
    aggregate: Aggregate
    window: str

    @property
    def name(self) -> str:
        return f"{self.kind}.{self.source}.{self.aggregate}.{self.window}"

    @property
    def text(self) -> str:
        source = sources.SOURCES[self.source]
        what = _TEXTS[self.aggregate].format(source=source.text, unit=source.unit)
        return f"{what} of this {self.kind} in the last {self.window}."


class Since(msgspec.Struct, frozen=True, tag="since"):
    """Seconds since the latest fact of a source; NaN if the longest window has none."""

    kind: str
    source: str

    @property
    def name(self) -> str:
        return f"{self.kind}.{self.source}.since_s"

    @property
    def text(self) -> str:
        source = sources.SOURCES[self.source].text
        return f"Seconds since the latest of the {source} of this {self.kind} in the longest window; absent if none."


class Earliest(msgspec.Struct, frozen=True, tag="earliest"):
    """Seconds since the earliest fact of a source that the longest window still holds; NaN if it holds none."""

    kind: str
    source: str

    @property
    def name(self) -> str:
        return f"{self.kind}.{self.source}.earliest_s"

    @property
    def text(self) -> str:
        source = sources.SOURCES[self.source].text
        return f"Seconds since the earliest of the {source} of this {self.kind} in the longest window; absent if none."


class Age(msgspec.Struct, frozen=True, tag="age"):
    """Seconds since the earliest fact of an entity that its longest window can still see; 0 for a new one."""

    kind: str

    @property
    def name(self) -> str:
        return f"{self.kind}.age_s"

    @property
    def text(self) -> str:
        return f"Seconds since this {self.kind} was first seen in the longest window; 0 if never before."


class Distinct(msgspec.Struct, frozen=True, tag="distinct"):
    """How many members an entity was seen with in a window; exact to 64, and 65 stands for more."""

    kind: str
    source: str
    member: str
    window: str

    @property
    def name(self) -> str:
        return f"{self.kind}.{_met_in(self.source)}{self.member}.distinct.{self.window}"

    @property
    def text(self) -> str:
        source = sources.SOURCES[self.source].text
        return f"Different {self.member} values in the {source} of this {self.kind} in the last {self.window}; 65: 64+."


class First(msgspec.Struct, frozen=True, tag="first"):
    """1 if an entity was not seen with the order's member in the longest window, else 0; NaN where nobody can know."""

    kind: str
    source: str
    member: str

    @property
    def name(self) -> str:
        return f"{self.kind}.{_met_in(self.source)}{self.member}.first"

    @property
    def text(self) -> str:
        return (
            f"1 if this {self.kind} was not seen with the order's {self.member} in the longest window, else 0; absent "
            "where the order names none, or where there were over 64."
        )


class Direct(msgspec.Struct, frozen=True, tag="direct"):
    """What the order's fact says by itself: a function of `direct.FUNCTIONS`, at a version of it."""

    function: str
    version: int

    @property
    def name(self) -> str:
        return f"order.{self.function}"

    @property
    def text(self) -> str:
        return " ".join((FUNCTIONS[self.function].__doc__ or "").split())


def _met_in(source: str) -> str:
    """Of a name: members are met in orders, routes in visits, unless it is said."""
    return "" if source in {"orders", "visits"} else f"{source}."


Number = Windowed | Since | Earliest | Age | Distinct | First | Direct
FUNCTIONS: Mapping[str, direct.Function] = {function.__name__: function for function, _ in direct.FUNCTIONS}
AMOUNT, QUANTITY = Direct("amount_usd", 1), Direct("quantity", 1)

OF_ENTITY = (Windowed, Since, Earliest, Age, Distinct, First)
NUMBERS = (*OF_ENTITY, Direct)
