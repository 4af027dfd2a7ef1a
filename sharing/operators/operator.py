"""What every operator is: one line of a contract, with the operator's settings in it."""

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from sharing.fields import Field, Sensitivity, Shape


def one_of(values: tuple[str, ...]) -> Any:
    """The type that those values alone are of."""
    return Literal.__getitem__(values)


class Operator(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="operator"):
    """`reason` says why the partner needs the field. An operator serves one sensitivity and the shapes it names."""

    serves: ClassVar[Sensitivity]
    shapes: ClassVar[tuple[Shape, ...]]

    name: str
    reason: Annotated[str, Meta(min_length=10, max_length=400)]

    def output(self, field: Field) -> Any:
        """The closed type of what leaves. Raises ValueError when the settings do not fit the field."""
        raise NotImplementedError

    def apply(self, value: Any) -> Any:
        """What leaves of a value that is there."""
        raise NotImplementedError

    @classmethod
    def takes(cls, field: Field) -> bool:
        """Whether a field of that class and shape may leave by this operator."""
        return field.sensitivity == cls.serves and field.shape in cls.shapes and field.read is not None
