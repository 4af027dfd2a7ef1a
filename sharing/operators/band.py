"""band: an amount as a range, in major units of the order's own currency."""

from bisect import bisect_right
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from events import money
from sharing.fields import Field, Sensitivity, Shape
from sharing.operators.operator import Operator, one_of


class Band(Operator, frozen=True, kw_only=True, tag="band"):
    """Ranges start at the edges, in rising order: edges 100 and 500 give "0-100", "100-500" and "500-"."""

    serves: ClassVar[tuple[Sensitivity, ...]] = ("quasi",)
    shapes: ClassVar[tuple[Shape, ...]] = ("amount",)

    edges: Annotated[tuple[Annotated[int, Meta(gt=0, le=10**12)], ...], Meta(min_length=1, max_length=10)]

    def output(self, _: Field) -> Any:
        if list(self.edges) != sorted(set(self.edges)):
            raise ValueError("edges must rise")
        return one_of(self._labels())

    def apply(self, value: tuple[int, str]) -> str:
        return self._labels()[bisect_right(self.edges, money.major(*value))]

    def says(self) -> str:
        return f"as a range: {', '.join(self._labels())}"

    def tells_all_of(self, other: Operator) -> bool:
        """Ranges say all that wider ones do whose edges they have."""
        return isinstance(other, Band) and set(self.edges) >= set(other.edges)

    def _labels(self) -> tuple[str, ...]:
        starts, ends = (0, *self.edges), (*self.edges, "")
        return tuple(f"{start}-{end}" for start, end in zip(starts, ends, strict=True))
