"""pseudonym: an id under a name that is this partner's alone, and changes from epoch to epoch."""

from typing import Annotated, Any, ClassVar

from msgspec import Meta

from sharing.fields import Field, Sensitivity, Shape
from sharing.operators.operator import END, Occasion, Operator

Name = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{22}" + END, description="128 bits, base64url")]


class Pseudonym(Operator, frozen=True, kw_only=True, tag="pseudonym"):
    serves: ClassVar[tuple[Sensitivity, ...]] = ("linkable",)
    shapes: ClassVar[tuple[Shape, ...]] = ("id",)

    def output(self, _: Field) -> Any:
        return Name

    def apply(self, value: str) -> str:  # noqa: ARG002 - as every operator's
        """Never: without the partner's key there is no name, and the id itself must not stand in for it."""
        raise TypeError("a pseudonym is made on an occasion")

    def told(self, value: str, occasion: Occasion) -> str:
        return occasion.pseudonym(occasion.field.name, value)

    def says(self) -> str:
        return "under a name that is this partner's alone"
