"""Features that join a visit to its order: by the order's session, else by its device, else by its ip.

Who refuses cookies has neither session nor device. The entity is the first that the order names, whether or not it has
any page in the window: all numbers of a feature are of the same one.
"""

from typing import Literal

import msgspec
import numpy as np

from features import sources
from features.formulas import Floats
from features.numbers import Aggregate, Number, Windowed


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
        return _of_visit(self.source, self.aggregate, self.window)

    @staticmethod
    def formula(session: Floats, device: Floats, ip: Floats) -> Floats:
        return np.where(np.isnan(session), np.where(np.isnan(device), ip, device), session)


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """How long before the order its visit began; a visit is what `Joined` counts, within the window."""

    window: str

    @property
    def name(self) -> str:
        return f"visit.visits.begun_s.{self.window}"

    @property
    def text(self) -> str:
        return (
            f"Seconds from the first page visited in the last {self.window} to the order, by the order's session, else "
            "by its device, else by its ip; absent without a page."
        )

    @property
    def inputs(self) -> tuple[Number, ...]:
        return (*_of_visit("visits", "count", self.window), *_of_visit("visits", "earliest", self.window))

    @staticmethod
    def formula(*numbers: Floats) -> Floats:
        return _visit(*numbers[:3], *numbers[3:])


class Reached(msgspec.Struct, frozen=True, tag="reached"):
    """How long it took the visit to reach the check-out: 0 where it began there."""

    window: str

    @property
    def name(self) -> str:
        return f"visit.checkouts.reached_s.{self.window}"

    @property
    def text(self) -> str:
        return (
            "Seconds from the first page visited to the first of the basket or the check-out, both in the last "
            f"{self.window}, by the order's session, else by its device, else by its ip; absent without such a page."
        )

    @property
    def inputs(self) -> tuple[Number, ...]:
        return (*Begun(self.window).inputs, *_of_visit("checkouts", "earliest", self.window))

    @staticmethod
    def formula(*numbers: Floats) -> Floats:
        counts, begun, reached = numbers[:3], numbers[3:6], numbers[6:]
        return _visit(*counts, *begun) - _visit(*counts, *reached)


class Straight(msgspec.Struct, frozen=True, tag="straight"):
    """Whether the visit began at the check-out, with an address that somebody, or some script, had at hand."""

    window: str

    @property
    def name(self) -> str:
        return f"visit.checkouts.straight.{self.window}"

    @property
    def text(self) -> str:
        return (
            f"1 if the first page visited in the last {self.window} was of the basket or the check-out, else 0, by the "
            "order's session, else by its device, else by its ip; absent without a page."
        )

    @property
    def inputs(self) -> tuple[Number, ...]:
        return Reached(self.window).inputs

    @staticmethod
    def formula(*numbers: Floats) -> Floats:
        begun = Begun.formula(*numbers[:6])
        return np.where(np.isnan(begun), np.nan, (Reached.formula(*numbers) == 0).astype(np.float64))


class Pace(msgspec.Struct, frozen=True, tag="pace"):
    """The time a page took until the order: below a second or two nobody has read it."""

    window: str

    @property
    def name(self) -> str:
        return f"visit.visits.pace_s.{self.window}"

    @property
    def text(self) -> str:
        return (
            f"Seconds from the first page visited in the last {self.window} to the order, over the pages visited, not "
            "counting scripts, styles and images, by the order's session, else by its device, else by its ip; absent "
            "without a page."
        )

    @property
    def inputs(self) -> tuple[Number, ...]:
        return (*Begun(self.window).inputs, *_of_visit("assets", "count", self.window))

    @staticmethod
    def formula(*numbers: Floats) -> Floats:
        counts, begun, assets = numbers[:3], numbers[3:6], numbers[6:]
        return _visit(*counts, *begun) / (_visit(*counts, *counts) - _visit(*counts, *assets))


def _of_visit(source: str, aggregate: Aggregate, window: str) -> tuple[Number, ...]:
    return tuple(Windowed(kind, source, aggregate, window) for kind in ("session", "device", "ip"))


def _visit(*numbers: Floats) -> Floats:
    """Of three counts and three numbers the one of the entity that joins the visit: the first whose count is there."""
    session, device, _, of_session, of_device, of_ip = numbers
    return np.where(np.isnan(session), np.where(np.isnan(device), of_ip, of_device), of_session)


Visit = Joined | Begun | Reached | Straight | Pace
