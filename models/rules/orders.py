"""What rules look at: a chunk's vectors and fields, a column at a time, each made once."""

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from events.facts import KINDS, OrderFact
from models.rules.fields import FIELDS

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Bools = NDArray[np.bool_]
Field = Callable[[str], Sequence[Any]]
NOTHING = -1  # the code of a text that is absent
ABSENT = -1  # the column of a feature that no vector here has


class Orders:
    """`matrix` has the vectors, (orders, features); `field(name)` gives a field's value for each order, None if absent.

    A field's name is one of FIELDS.
    """

    def __init__(self, matrix: Floats, occurred_at_ms: NDArray[np.int64], field: Field) -> None:
        self.occurred_at_ms = occurred_at_ms
        self._matrix = matrix
        self._field = field
        self._columns: dict[int | str, NDArray[Any]] = {}
        self._codes: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._matrix)

    def column(self, index: int) -> Floats:
        """A feature, by its place in the vector."""
        found = self._columns.get(index)
        if found is None:
            column = np.full(len(self), np.nan) if index == ABSENT else self._matrix[:, index]
            found = self._columns[index] = np.ascontiguousarray(column)
        return found

    def value(self, name: str, column: int | None, row: int) -> float | None:
        """What a feature, or a field (no column), is for one order, if it is a number and there."""
        if column is None and FIELDS[name].kind != "number":
            return None
        value = float((self.numbers(name) if column is None else self.column(column))[row])
        return None if math.isnan(value) else value

    def numbers(self, name: str) -> Floats:
        """A field that is a number, or 1 and 0 for true and false; NaN where it is absent."""
        found = self._columns.get(name)
        if found is None:
            found = self._columns[name] = np.array(self._field(name), dtype=np.float64)  # None becomes NaN
        return found

    def texts(self, name: str) -> Codes:
        """A field of texts or pseudonyms: a number for each, the same for the same, negative where it is absent."""
        found = self._columns.get(name)
        if found is None:
            codes = self._codes
            listed = [NOTHING if text is None else codes.setdefault(text, len(codes)) for text in self._field(name)]
            found = self._columns[name] = np.array(listed, dtype=np.int64)
        return found

    def code(self, text: str) -> int:
        """The number of a text; a text that no order has is one of its own."""
        return self._codes.setdefault(text, len(self._codes))

    def members(self, name: str, of: Collection[str]) -> Bools:
        """Whose text in a field is one of some."""
        return np.array([text in of for text in self._field(name)], dtype=np.bool_)

    def several(self, name: str) -> Sequence[Collection[str] | None]:
        """A field of any number of texts."""
        return self._field(name)


def of_facts(facts: Sequence[OrderFact], matrix: Floats) -> Orders:
    times = np.array([fact.occurred_at_ms for fact in facts], dtype=np.int64)
    return Orders(matrix, times, lambda name: field_of(facts, name))


def field_of(facts: Sequence[OrderFact], name: str) -> Sequence[Any]:
    """A field of each fact."""
    attribute = FIELDS[name].attribute
    if name.startswith("entity.") and attribute in KINDS:
        return [getattr(fact.entities, attribute) for fact in facts]
    return [getattr(fact, attribute) for fact in facts]
