"""echo: an id given back to who issued it, and to nobody else."""

from typing import Any, ClassVar

from events.types import Id
from sharing.fields import Field, Sensitivity, Shape
from sharing.operators.operator import Operator
from sharing.operators.pseudonym import Pseudonym


class Echo(Operator, frozen=True, kw_only=True, tag="echo"):
    serves: ClassVar[tuple[Sensitivity, ...]] = ("linkable",)
    shapes: ClassVar[tuple[Shape, ...]] = ("id",)

    def output(self, _: Field) -> Any:
        return Id

    def apply(self, value: str) -> str:
        return value

    def says(self) -> str:
        return "as the partner issued it"

    def tells_all_of(self, other: Operator) -> bool:
        """An id that is known says more than any name for it."""
        return isinstance(other, Echo | Pseudonym)

    @classmethod
    def takes(cls, field: Field) -> bool:
        """An id that nobody is known to have issued can be given back to nobody."""
        return super().takes(field) and field.issuer is not None
