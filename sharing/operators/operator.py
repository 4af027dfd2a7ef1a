"""What every operator is: one line of a contract, with the operator's settings in it."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import msgspec
from msgspec import Meta

from sharing.disclosable import Disclosable
from sharing.fields import Field, Sensitivity, Shape

# `$` alone also matches before a last newline in Python, so the look-ahead.
END = r"$(?!\n)"
SHORTEST_REASON = 10  # of what can be seen of it; the type counts all characters


class Occasion(NamedTuple):
    """What an operator may need besides the value: which field it is, of which case, and the partner's own names."""

    field: Field
    disclosable: Disclosable
    pseudonym: Callable[[str, str], str]


def one_of(values: tuple[str, ...]) -> Any:
    """The type that those values alone are of."""
    return Literal.__getitem__(values)


class Operator(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="operator"):
    """`reason` says why the partner needs the field. An operator serves the sensitivities and shapes that it names."""

    serves: ClassVar[tuple[Sensitivity, ...]]
    shapes: ClassVar[tuple[Shape, ...]]

    name: str
    reason: Annotated[str, Meta(min_length=SHORTEST_REASON, max_length=400)]

    def output(self, field: Field) -> Any:
        """The closed type of what leaves. Raises ValueError when the settings do not fit the field."""
        raise NotImplementedError

    def apply(self, value: Any) -> Any:
        """What leaves of a value that is there; None where nothing does. Raises ValueError, TypeError."""
        raise NotImplementedError

    def told(self, value: Any, _: Occasion) -> Any:
        """What leaves of a value on an occasion: for most operators whatever the occasion is."""
        return self.apply(value)

    def says(self) -> str:
        """In words, what leaves: after the field's name and a colon."""
        raise NotImplementedError

    def tells_all_of(self, other: "Operator") -> bool:
        """Whether who gets this of a field knows at least what `other` would have told of the same field."""
        return self.settings() == other.settings()

    def settings(self) -> "Operator":
        """The operator without name and reason, which say nothing of what leaves."""
        return msgspec.structs.replace(self, name="", reason="")

    @classmethod
    def takes(cls, field: Field) -> bool:
        """Whether a field of that class and shape may leave by this operator."""
        return field.sensitivity in cls.serves and field.shape in cls.shapes and field.read is not None
