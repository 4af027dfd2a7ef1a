"""disclose: the value itself, for one case alone, to an approved request that names it and has not run out.

What leaves still has a closed type: no markup, no control or direction marks, no run of digits that could be a card's.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from events import canonical, money
from events.cards import fold_digits, holds_card_number
from events.types import Address, Country
from sharing.disclosable import Disclosable
from sharing.fields import Field, Sensitivity, Shape
from sharing.operators.operator import END, Occasion, Operator

APPROVERS = 2
_MARKS = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_PLAIN = r"[^\x00-\x1f\x7f-\x9f<>\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
Line = Annotated[str, Meta(pattern=rf"^(?!.*[0-9]{{9}}){_PLAIN}{{1,256}}" + END)]
_TYPES: dict[Shape, Any] = {
    "name": Annotated[str, Meta(pattern=rf"^(?!.*[0-9]{{4}}){_PLAIN}{{1,256}}" + END)],
    "email": Annotated[str, Meta(pattern=r"^[^@\s<>]{1,64}@[^@\s<>]{1,255}" + END)],
    "phone": Annotated[str, Meta(pattern=r"^[+]?[0-9 ()./-]{4,24}" + END)],
    "amount": Annotated[str, Meta(pattern=r"^[0-9]{1,13}([.][0-9]{2,3})? [A-Z]{3}" + END)],
    "time": Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z" + END)],
    "ip": Annotated[str, Meta(pattern=r"^[0-9a-f:.]{2,39}" + END)],
}


class Place(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A postal address as it leaves."""

    lines: Annotated[tuple[Line, ...], Meta(max_length=5)] = ()
    city: Line | None = None
    region: Line | None = None
    postal_code: Annotated[str, Meta(pattern="^[A-Za-z0-9 -]{1,16}" + END)] | None = None
    country: Country


class Disclose(Operator, frozen=True, kw_only=True, tag="disclose"):
    serves: ClassVar[tuple[Sensitivity, ...]] = ("direct", "quasi")
    shapes: ClassVar[tuple[Shape, ...]] = ("name", "email", "phone", "address", "amount", "time", "ip")

    def output(self, field: Field) -> Any:
        return Place if field.shape == "address" else _TYPES[field.shape]

    def apply(self, value: Any) -> Any:  # noqa: ARG002 - as every operator's
        """Never: who asks is part of whether anything leaves."""
        raise TypeError("a value is disclosed on an occasion")

    def told(self, value: Any, occasion: Occasion) -> Any:
        """Raises ValueError unless the request is for this case and field, approved by two people, and in time."""
        if problem := refusal(occasion.disclosable):
            raise ValueError(problem)
        if not named(occasion.disclosable, occasion.field.name):
            raise ValueError("not named by the request")
        return _written(value, occasion.field.shape)

    def says(self) -> str:
        return "itself, to an approved request that names it"

    def tells_all_of(self, _: Operator) -> bool:
        return True


def refusal(disclosable: Disclosable) -> str | None:
    """Why nothing of the case may be disclosed, or None."""
    request = disclosable.request
    if request is None or disclosable.at_ms is None:
        return "no request"
    if request.decision_id != disclosable.decision_id:
        return "the request is for another case"
    if disclosable.at_ms >= request.expires_at_ms:
        return "the request has expired"
    if len(set(request.approved_by)) < APPROVERS:
        return f"the request is not approved by {APPROVERS} people"
    return None


def named(disclosable: Disclosable, field: str) -> bool:
    """Whether the request names the field."""
    return disclosable.request is not None and field in disclosable.request.fields


def _written(value: Any, shape: Shape) -> Any:
    if isinstance(value, Address):
        return _place(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if shape == "amount":
        return money.text(*value)
    if shape == "ip":
        return canonical.ip(value)
    return _plain(value)


def _place(address: Address) -> Place:
    return Place(
        lines=tuple(map(_plain, address.lines)),
        city=_maybe(address.city),
        region=_maybe(address.region),
        postal_code=_maybe(address.postal_code),
        country=address.country,
    )


def _maybe(text: str | None) -> str | None:
    return _plain(text) if text else None


def _plain(text: str) -> str:
    """Digits of every script as ours, so that none hides a number from the pattern; marks of direction fall away."""
    if holds_card_number(text):
        raise ValueError("holds a card number")
    return fold_digits(text).translate(_MARKS).strip()
