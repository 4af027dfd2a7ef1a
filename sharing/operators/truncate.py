"""truncate: a time to its hour, day or ISO week (UTC); an address of the net to its /24 or /48."""

import ipaddress
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from sharing.fields import Field, Sensitivity, Shape
from sharing.operators.operator import Operator

# `$` alone also matches before a last newline in Python, so the look-ahead.
_END = r"$(?!\n)"
_TIMES = {
    "hour": ("%Y-%m-%dT%HZ", "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}Z" + _END),
    "day": ("%Y-%m-%d", "^[0-9]{4}-[0-9]{2}-[0-9]{2}" + _END),
    "week": ("%G-W%V", "^[0-9]{4}-W[0-9]{2}" + _END),
}
_NETWORK = r"^([0-9]{1,3}(\.[0-9]{1,3}){2}\.0/24|[0-9a-f:]{2,16}::/48|::/48)" + _END


class Truncate(Operator, frozen=True, kw_only=True, tag="truncate"):
    serves: ClassVar[Sensitivity] = "quasi"
    shapes: ClassVar[tuple[Shape, ...]] = ("time", "ip")

    to: Literal["hour", "day", "week", "network"]

    def output(self, field: Field) -> Any:
        if (self.to == "network") != (field.shape == "ip"):
            raise ValueError(f"{field.name} cannot be truncated to {self.to}")
        return Annotated[str, Meta(pattern=_NETWORK if self.to == "network" else _TIMES[self.to][1])]

    def apply(self, value: datetime | str) -> str:
        if isinstance(value, datetime):
            return value.astimezone(UTC).strftime(_TIMES[self.to][0])
        address = ipaddress.ip_address(value)
        return str(ipaddress.ip_network((int(address), 24 if address.version == 4 else 48), strict=False))
