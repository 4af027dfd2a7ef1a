"""Features that are formulas over numbers, for a whole chunk at once; NaN where there is nothing to go by."""

from itertools import pairwise
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from features import sources
from features.automation import Automation
from features.numbers import AMOUNT, WINDOWS, Number, Windowed

Floats = NDArray[np.float64]
Indexes = NDArray[np.intp]


class Mean(msgspec.Struct, frozen=True, tag="mean"):
    """The mean amount of what an entity had of a source in a window."""

    kind: str
    source: str
    window: str

    @property
    def name(self) -> str:
        return f"{self.kind}.{self.source}.mean.{self.window}"

    @property
    def text(self) -> str:
        source = sources.SOURCES[self.source]
        return f"The mean ({source.unit}) of the {source.text} of this {self.kind} in the last {self.window}."

    @property
    def inputs(self) -> tuple[Number, ...]:
        return tuple(Windowed(self.kind, self.source, of, self.window) for of in ("sum", "count"))

    @staticmethod
    def formula(total: Floats, count: Floats) -> Floats:
        return total / count


class Deviation(msgspec.Struct, frozen=True, tag="std"):
    """The population's standard deviation, of whole dollars: their squares add up exactly below 2^53."""

    kind: str
    source: str
    window: str

    @property
    def name(self) -> str:
        return f"{self.kind}.{self.source}.std.{self.window}"

    @property
    def text(self) -> str:
        source = sources.SOURCES[self.source].text
        return f"The standard deviation (US dollars) of the {source} of this {self.kind} in the last {self.window}."

    @property
    def inputs(self) -> tuple[Number, ...]:
        return tuple(Windowed(self.kind, self.source, of, self.window) for of in ("squares", "dollars", "count"))

    @staticmethod
    def formula(squares: Floats, dollars: Floats, count: Floats) -> Floats:
        mean = dollars / count
        return np.sqrt(np.maximum(squares / count - mean * mean, 0.0))


class Ratio(msgspec.Struct, frozen=True, tag="ratio"):
    """The order's amount over the mean of the entity's own past."""

    kind: str
    window: str

    @property
    def name(self) -> str:
        return f"{self.kind}.amount.ratio.{self.window}"

    @property
    def text(self) -> str:
        return f"The order's amount over the mean of this {self.kind}'s orders in the last {self.window}."

    @property
    def inputs(self) -> tuple[Number, ...]:
        return (AMOUNT, *Mean(self.kind, "orders", self.window).inputs)

    @staticmethod
    def formula(amount: Floats, total: Floats, count: Floats) -> Floats:
        return amount * 100 * count / total


class Score(msgspec.Struct, frozen=True, tag="z"):
    """How far the order's amount is above the mean of the entity's own past, in standard deviations of at least 1."""

    kind: str
    window: str

    @property
    def name(self) -> str:
        return f"{self.kind}.amount.z.{self.window}"

    @property
    def text(self) -> str:
        return (
            f"The order's amount less the mean of this {self.kind}'s orders in the last {self.window}, in standard "
            "deviations of them (at least 1 dollar)."
        )

    @property
    def inputs(self) -> tuple[Number, ...]:
        return (AMOUNT, *Deviation(self.kind, "orders", self.window).inputs)

    @staticmethod
    def formula(amount: Floats, squares: Floats, dollars: Floats, count: Floats) -> Floats:
        deviation = Deviation.formula(squares, dollars, count)
        return (amount - dollars / count) / np.maximum(deviation, 1.0)


class Share(msgspec.Struct, frozen=True, tag="share"):
    """What part of the facts of two sources together are of the first."""

    kind: str
    source: str
    other: str
    window: str

    @property
    def name(self) -> str:
        return f"{self.kind}.{self.source}.share.{self.window}"

    @property
    def text(self) -> str:
        of, other = sources.SOURCES[self.source].text, sources.SOURCES[self.other].text
        return f"The share of {of} among them and {other} of this {self.kind} in the last {self.window}."

    @property
    def inputs(self) -> tuple[Number, ...]:
        return tuple(Windowed(self.kind, of, "count", self.window) for of in (self.source, self.other))

    @staticmethod
    def formula(count: Floats, other: Floats) -> Floats:
        return count / (count + other)


class Burst(msgspec.Struct, frozen=True, tag="burst"):
    """What part of a long window's facts came in a short one."""

    kind: str
    source: str
    short: str
    long: str

    @property
    def name(self) -> str:
        return f"{self.kind}.{self.source}.burst.{self.short}.{self.long}"

    @property
    def text(self) -> str:
        source = sources.SOURCES[self.source].text
        return (
            f"The share of the {source} of this {self.kind} in the last {self.long} that came in the last {self.short}."
        )

    @property
    def inputs(self) -> tuple[Number, ...]:
        return tuple(Windowed(self.kind, self.source, "count", window) for window in (self.short, self.long))

    @staticmethod
    def formula(short: Floats, long: Floats) -> Floats:
        return short / long


class Evenness(msgspec.Struct, frozen=True, tag="evenness"):
    """The smallest over the largest: near 1 where a script keeps its period, far below for people."""

    kind: str
    source: str
    window: str

    @property
    def name(self) -> str:
        return f"{self.kind}.{self.source}.evenness.{self.window}"

    @property
    def text(self) -> str:
        source = sources.SOURCES[self.source]
        return (
            f"The smallest over the largest amount ({source.unit}) of {source.text} of this {self.kind} in the last "
            f"{self.window}."
        )

    @property
    def inputs(self) -> tuple[Number, ...]:
        return tuple(Windowed(self.kind, self.source, of, self.window) for of in ("min", "max"))

    @staticmethod
    def formula(smallest: Floats, largest: Floats) -> Floats:
        return smallest / largest


class Decayed(msgspec.Struct, frozen=True, tag="decayed"):
    """A count in which what is a day old weighs half; a fact's age is taken as the middle of its ring of windows."""

    kind: str
    source: str

    @property
    def name(self) -> str:
        return f"{self.kind}.{self.source}.decayed"

    @property
    def text(self) -> str:
        source = sources.SOURCES[self.source].text
        return f"The {source} of this {self.kind} in the last 30d, each halved for every day of its age."

    @property
    def inputs(self) -> tuple[Number, ...]:
        return tuple(Windowed(self.kind, self.source, "count", window) for window in WINDOWS)

    @staticmethod
    def formula(*counts: Floats) -> Floats:
        total = counts[0] * _RING_WEIGHTS[0]
        for (inner, outer), weight in zip(pairwise(counts), _RING_WEIGHTS[1:], strict=True):
            total = total + (outer - inner) * weight
        return total


class Joined(msgspec.Struct, frozen=True, tag="joined"):
    """The visit that led to the order: the session's numbers, else the device's, else those of the ip address."""

    source: str
    aggregate: Literal["count", "sum"]
    window: str

    @property
    def name(self) -> str:
        return f"visit.{self.source}.{self.aggregate}.{self.window}"

    @property
    def text(self) -> str:
        source = sources.SOURCES[self.source]
        what = "number" if self.aggregate == "count" else f"total ({source.unit})"
        return (
            f"The {what} of {source.text} in the last {self.window}, by the order's session, else by its device, "
            "else by its ip."
        )

    @property
    def inputs(self) -> tuple[Number, ...]:
        return tuple(Windowed(kind, self.source, self.aggregate, self.window) for kind in ("session", "device", "ip"))

    @staticmethod
    def formula(session: Floats, device: Floats, ip: Floats) -> Floats:
        return np.where(np.isnan(session), np.where(np.isnan(device), ip, device), session)


_DAY_S = 86_400
_EDGES = [0, *(window.width_s for window in WINDOWS.values())]
_RING_WEIGHTS = [2 ** (-(near + far) / 2 / _DAY_S) for near, far in pairwise(_EDGES)]

Derived = Mean | Deviation | Ratio | Score | Share | Burst | Evenness | Decayed | Joined | Automation
