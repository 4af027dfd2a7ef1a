"""What a contract lets through of one order: every field of the order and the case, and what the partner gets of it."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from sharing.contracts import Contract
from sharing.example import ORDER, example, example_body
from sharing.fields import FIELDS, Field


class Row(msgspec.Struct, frozen=True):
    """One value of the order or the case. `told`: the message's fields that draw on it; none: it stays behind.

    `whole`: whether the value itself leaves, not just something made of it.
    """

    path: str
    value: str
    told: dict[str, Any]

    @property
    def whole(self) -> bool:
        return any(text == self.value for value in self.told.values() for _, text in _flat(value, ""))


def rows(contract: Contract) -> list[Row]:
    """Every value that there is, in the order's own order, the case's after it."""
    body = json.loads(example_body(contract))
    used = {term.name: _sources(FIELDS[term.name]) for term in contract.fields}
    found = [
        Row(path, value, {name: body[name] for name, sources in used.items() if _draws(sources, path) and name in body})
        for path, value in _flat(msgspec.to_builtins(ORDER), "")
    ]
    disclosable = example(contract)
    for field in FIELDS.values():
        value = field.read(disclosable) if field.source is None and field.read is not None else None
        if value not in (None, ""):
            told = {field.name: body[field.name]} if field.name in used and field.name in body else {}
            found.append(Row(f"case: {field.name}", _text(msgspec.to_builtins(value)), told))
    return found


def _sources(field: Field) -> tuple[str, ...]:
    """The paths that a field reads; a place is read for its country too."""
    if field.source is None:
        return ()
    return (field.source, "shipping.country") if field.shape == "place" else (field.source,)


def _draws(sources: tuple[str, ...], path: str) -> bool:
    """Whether a field that reads those paths reads that value: `shipping` takes in `shipping.city`."""
    return any(path == source or path.startswith(f"{source}.") for source in sources)


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else key)
    elif path != "type":
        yield path, _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
