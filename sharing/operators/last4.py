"""last4: the last four digits of a card, which is all that an order has of them; whatever is longer does not fit."""

from typing import Any, ClassVar

from events import types
from sharing.fields import Field, Sensitivity, Shape
from sharing.operators.operator import Operator


class Last4(Operator, frozen=True, kw_only=True, tag="last4"):
    serves: ClassVar[tuple[Sensitivity, ...]] = ("quasi",)
    shapes: ClassVar[tuple[Shape, ...]] = ("tail",)

    def output(self, _: Field) -> Any:
        return types.Last4

    def apply(self, value: str) -> str:
        return value

    def says(self) -> str:
        return "the last four digits"
