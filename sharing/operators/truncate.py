"""truncate: a time to hour, day or ISO week (UTC), an address of the net to /24 or /48, a postal code to its area."""

import ipaddress
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from events import canonical
from events.cards import fold_digits
from sharing.fields import Field, Sensitivity, Shape
from sharing.operators.operator import END, Operator

To = Literal["hour", "day", "week", "network", "area"]
_TIMES = {
    "hour": ("%Y-%m-%dT%HZ", "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}Z" + END),
    "day": ("%Y-%m-%d", "^[0-9]{4}-[0-9]{2}-[0-9]{2}" + END),
    "week": ("%G-W%V", "^[0-9]{4}-W[0-9]{2}" + END),
}
_COARSENESS: tuple[To, ...] = ("hour", "day", "week")
_NETWORK = r"^([0-9]{1,3}(\.[0-9]{1,3}){2}\.0/24|[0-9a-f:]{2,16}::/48|::/48)" + END
_AREA = "^[A-Z0-9]{1,2}" + END
_FITTING: dict[Shape, tuple[To, ...]] = {"time": _COARSENESS, "ip": ("network",), "postal": ("area",)}
_SAID = {
    "hour": "to the hour",
    "day": "to the day",
    "week": "to the week",
    "network": "to its network (/24 or /48)",
    "area": "to its area, two characters at most",
}


class Truncate(Operator, frozen=True, kw_only=True, tag="truncate"):
    serves: ClassVar[tuple[Sensitivity, ...]] = ("quasi",)
    shapes: ClassVar[tuple[Shape, ...]] = ("time", "ip", "postal")

    to: To

    def output(self, field: Field) -> Any:
        if self.to not in _FITTING[field.shape]:
            raise ValueError(
                f"{field.name} cannot be truncated to {self.to}; expected: {', '.join(_FITTING[field.shape])}"
            )
        patterns = {"network": _NETWORK, "area": _AREA}
        return Annotated[str, Meta(pattern=patterns.get(self.to) or _TIMES[self.to][1])]

    def apply(self, value: datetime | str) -> str | None:
        if isinstance(value, datetime):
            return value.astimezone(UTC).strftime(_TIMES[self.to][0])
        return _area(value) if self.to == "area" else _network(value)

    def says(self) -> str:
        return _SAID[self.to]

    def tells_all_of(self, other: Operator) -> bool:
        """An hour says its day, a day its week; networks and areas have one size."""
        if not isinstance(other, Truncate):
            return False
        if self.to in _COARSENESS and other.to in _COARSENESS:
            return _COARSENESS.index(self.to) <= _COARSENESS.index(other.to)
        return self.to == other.to


def _network(value: str) -> str:
    address = ipaddress.ip_address(canonical.ip(value) or value)  # one of version 4 is so however it is written
    return str(ipaddress.ip_network((int(address), 24 if address.version == 4 else 48), strict=False))


def _area(value: str) -> str | None:
    """The first two characters, fewer where fewer than two would stay behind; None for a code without an area."""
    code = "".join(filter(str.isalnum, fold_digits(value))).upper()
    return code[: min(2, len(code) - 2)] if len(code) > 2 else None
