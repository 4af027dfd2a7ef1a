"""The fields of an order that rules may name: what an event said that is a number, a closed category or a pseudonym."""

import re
from collections.abc import Mapping
from typing import Literal, get_args, get_type_hints

import msgspec

from events.canonical import BROWSERS, SYSTEMS
from events.facts import KINDS
from events.types import Payment
from events.words import WORDS

Kind = Literal["number", "text", "truth", "texts", "pseudonym", "list"]
TEXT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ -]{0,63}", re.ASCII)
PSEUDONYM = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)


class Field(msgspec.Struct, frozen=True):
    """`attribute` is the fact's; `of` the kind of entity of a pseudonym; `text` says what the field can be."""

    attribute: str
    kind: Kind
    text: str
    of: str = ""
    values: frozenset[str] = frozenset()
    pattern: str = ""

    def may_be(self, value: str) -> bool:
        return value in self.values if self.values else re.fullmatch(self.pattern, value) is not None


def _closed(attribute: str, values: frozenset[str], kind: Kind = "text") -> Field:
    return Field(attribute, kind, f"one of {', '.join(sorted(values))}", values=values)


def _answers(attribute: str) -> Field:
    """Of the payment, as the gateway says it."""
    hint = get_type_hints(Payment)[attribute]
    literals = [hint, *get_args(hint)]
    values = {value for literal in literals for value in get_args(literal) if isinstance(value, str)}
    return _closed(attribute, frozenset(values))


def _families(attribute: str, families: tuple[tuple[str, tuple[str, ...]], ...]) -> Field:
    return _closed(attribute, frozenset({family for family, _ in families} | {"other"}))


_COUNTRY = ("a country of two capital letters (ISO 3166-1)", "[A-Z]{2}")
_CATEGORIES = frozenset(WORDS.categories | {"other"})
_EVENT = (
    *(
        Field(attribute, "number", text)
        for attribute, text in (
            ("amount_minor", "in minor units of `event.currency`"),
            ("max_unit_minor", "the dearest item's unit price, in minor units"),
            ("quantity", "units ordered"),
            ("lines", "different items"),
            ("ip_distance_km", "from the ip's country to the shipping country"),
        )
    ),
    Field("has_account", "truth", "placed with an account"),
    Field("is_gift", "truth", "marked as a gift"),
    Field("currency", "text", "a currency of three capital letters (ISO 4217)", pattern="[A-Z]{3}"),
    *(
        Field(f"{whose}_country", "text", _COUNTRY[0], pattern=_COUNTRY[1])
        for whose in ("billing", "shipping", "issuer", "ip")
    ),
    *map(_answers, ("method", "avs", "cvv_result", "three_ds")),
    _closed("email_provider", frozenset({"free", "disposable", "other"})),
    _closed("main_category", _CATEGORIES),
    _closed("categories", _CATEGORIES, "texts"),
    _families("browser", BROWSERS),
    _families("os", SYSTEMS),
)
_ENTITIES = (
    *(Field(kind, "pseudonym", f"the {kind}'s pseudonym", of=kind) for kind in KINDS),
    Field("billing_address", "pseudonym", "the billing address's pseudonym", of="address"),
    Field("promo", "pseudonym", "the promotion code's pseudonym", of="promo"),
)
FIELDS: Mapping[str, Field] = {
    **{f"event.{field.attribute}": field for field in _EVENT},
    **{f"entity.{field.attribute}": field for field in _ENTITIES},
}
LISTED = (*KINDS, "promo")  # of what there can be lists
