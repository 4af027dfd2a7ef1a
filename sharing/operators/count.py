"""count: how many cases share the message's values; fewer than the least that may be counted do not leave."""

from typing import Annotated, Any, ClassVar

from msgspec import Meta

from sharing.fields import Field, Sensitivity, Shape
from sharing.operators.operator import Operator

LEAST = 20


class Count(Operator, frozen=True, kw_only=True, tag="count"):
    serves: ClassVar[tuple[Sensitivity, ...]] = ("safe",)
    shapes: ClassVar[tuple[Shape, ...]] = ("count",)

    at_least: Annotated[int, Meta(ge=LEAST, le=1_000_000)] = LEAST

    def output(self, _: Field) -> Any:
        return Annotated[int, Meta(ge=self.at_least, le=1_000_000)]

    def apply(self, value: int) -> int:
        return value

    def says(self) -> str:
        return f"a number, {self.at_least} or more"

    def tells_all_of(self, other: Operator) -> bool:
        return isinstance(other, Count) and self.at_least <= other.at_least
