"""constant: what is the same whichever case is told: the request's reference, or a notice that the contract holds."""

from typing import Annotated, Any, ClassVar

from msgspec import Meta

from events.types import Id
from sharing.fields import Field, Sensitivity, Shape
from sharing.operators.operator import END, Operator, one_of


class Constant(Operator, frozen=True, kw_only=True, tag="constant"):
    serves: ClassVar[tuple[Sensitivity, ...]] = ("safe",)
    shapes: ClassVar[tuple[Shape, ...]] = ("reference", "notice")

    value: Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9 .,:/_-]{0,119}" + END)] | None = None

    def output(self, field: Field) -> Any:
        if (self.value is None) != (field.shape == "reference"):
            expected = "no value: it is the request's own" if field.shape == "reference" else "a value"
            raise ValueError(f"constant of {field.name}: expected {expected}")
        return Id if self.value is None else one_of((self.value,))

    def apply(self, value: str) -> str:
        return value if self.value is None else self.value

    def says(self) -> str:
        return "the request's reference" if self.value is None else f'always "{self.value}"'

    def tells_all_of(self, other: Operator) -> bool:
        """A constant says nothing of the case, whatever it is."""
        return isinstance(other, Constant)
