"""generalise: a city to its region (ISO 3166-2) or country (ISO 3166-1), a country to nothing narrower than itself."""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from events import canonical
from events.types import Address, Country
from sharing.fields import Field, Sensitivity, Shape
from sharing.operators.operator import END, Operator

_TABLE = Path(__file__).with_name("regions.json")


class Generalise(Operator, frozen=True, kw_only=True, tag="generalise"):
    """A city that the table does not have tells its country alone: free text never leaves."""

    serves: ClassVar[tuple[Sensitivity, ...]] = ("quasi",)
    shapes: ClassVar[tuple[Shape, ...]] = ("place", "country")

    to: Literal["region", "country"]

    def output(self, field: Field) -> Any:
        if field.shape == "country" and self.to == "region":
            raise ValueError(f"{field.name} cannot be generalised to region; expected: country")
        if self.to == "country":
            return Country
        return Annotated[str, Meta(pattern="^[A-Z]{2}(-[A-Z0-9]{1,3})?" + END, description="ISO 3166-2, or 3166-1")]

    def apply(self, value: Address | str) -> str:
        if isinstance(value, str):
            return value
        return value.country if self.to == "country" else _region(value) or value.country

    def says(self) -> str:
        return "to its region" if self.to == "region" else "to its country"

    def tells_all_of(self, other: Operator) -> bool:
        return isinstance(other, Generalise) and (self.to == "region" or other.to == "country")


def _region(place: Address) -> str | None:
    known = _regions().get(place.country, {})
    names = (canonical.name(text) for text in (place.city, place.region) if text)
    return next((known[name] for name in names if name in known), None)


@lru_cache(1)
def _regions() -> Mapping[str, Mapping[str | None, str]]:
    """Country to the canonical name of a city or region to the region's code."""
    table = json.loads(_TABLE.read_text(encoding="utf-8"))
    return {
        country: {canonical.name(name): f"{country}-{code}" for code, names in regions.items() for name in names}
        for country, regions in table.items()
    }
