"""keep: a safe field's value as it is, one of a closed list."""

from typing import Any, ClassVar

from sharing.fields import Field, Sensitivity, Shape
from sharing.operators.operator import Operator, one_of


class Keep(Operator, frozen=True, kw_only=True, tag="keep"):
    serves: ClassVar[tuple[Sensitivity, ...]] = ("safe",)
    shapes: ClassVar[tuple[Shape, ...]] = ("choice",)

    def output(self, field: Field) -> Any:
        return one_of(field.choices)

    def apply(self, value: str) -> str:
        return value

    def says(self) -> str:
        return "as it is, one of a closed list"
