"""Projection: a contract compiled to a closed output type. What does not fit the type does not leave."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sharing.contracts import Contract
from sharing.errors import ProjectionError
from sharing.fields import FIELDS, Disclosable
from vault.chain import framed, named

__all__ = ["Disclosable", "Projection", "compile_contract"]

# `$` alone also matches before a last newline in Python, so the look-ahead.
MessageId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{22}$(?!\n)", description="128 bits, base64url")]


class Projection:
    """Turns a disclosable order into the bytes that its contract's partner gets. `message_type` is the closed type."""

    def __init__(self, contract: Contract, key: bytes) -> None:
        self.contract = contract
        self.partner = contract.partner
        self.message_type = _message_type(contract)
        self._key = key
        self._hash = contract.hash()
        self._readers = [(term.name, _reader(term.name), term.apply) for term in contract.fields]
        self._decoder = msgspec.json.Decoder(self.message_type)

    def message_id(self, decision_id: str) -> str:
        """The message's `jti`: the same for the same decision, contract and key; it tells nothing of any of them."""
        return named(self._key, framed("jti", decision_id, self._hash))

    def project(self, disclosable: Disclosable) -> bytes:
        """JSON with `jti` and the contract's fields; a field that the order does not have is left out.

        The bytes are read again with the strict type first. Raises ProjectionError, naming the contract and the field.
        """
        message = self.message_type(jti=self.message_id(disclosable.decision_id), **self._values(disclosable))
        body = msgspec.json.encode(message)
        try:
            again = self._decoder.decode(body)
        except msgspec.ValidationError as error:
            where = str(error).rpartition("`$.")[2].rstrip("`").partition("[")[0]
            raise ProjectionError(f"{self.partner}: {where} does not fit the contract's type") from None
        if again != message:
            raise ProjectionError(f"{self.partner}: the message does not read as it was written")
        return body

    def _values(self, disclosable: Disclosable) -> dict[str, Any]:
        values = {}
        for name, read, apply in self._readers:
            value = read(disclosable)
            try:
                values[name] = UNSET if value is None else apply(value)
            except (ValueError, TypeError):
                raise ProjectionError(f"{self.partner}: {name} is not of the kind that its operator takes") from None
        return values

    def __repr__(self) -> str:
        return f"<Projection {self.partner} {self._hash[:12]}>"


def compile_contract(contract: Contract, key: bytes) -> Projection:
    """The projection of a contract; `key` (the vault's "disclosure" key) makes the message ids."""
    return Projection(contract, key)


def _message_type(contract: Contract) -> Any:
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [("jti", MessageId)]
    fields += [(term.name, term.output(FIELDS[term.name]) | UnsetType, UNSET) for term in contract.fields]
    return msgspec.defstruct(
        f"{contract.partner}-{contract.version}", fields, frozen=True, kw_only=True, forbid_unknown_fields=True
    )


def _reader(name: str) -> Any:
    return FIELDS[name].read
