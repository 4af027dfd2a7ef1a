"""Projection: a contract compiled to a closed output type. What does not fit the type does not leave."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sharing.contracts import Contract
from sharing.errors import ContractError, ProjectionError
from sharing.fields import FIELDS, Disclosable
from sharing.operators import AnyOperator, Constant, Count
from sharing.operators.disclose import named as is_named
from sharing.operators.disclose import refusal
from sharing.operators.operator import END, Occasion
from sharing.pseudonyms import Epoch, Pseudonyms, epoch_of
from vault.chain import framed, named

__all__ = ["Disclosable", "Projection", "Rotation", "Withdrawal", "compile_contract", "message_type"]

MessageId = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{22}" + END, description="128 bits, base64url")]
Number = Annotated[int, Meta(ge=1)]
Day = Annotated[str, Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}" + END)]


class Withdrawal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Takes back what `supersedes` told: an analyst cleared the order, or it is to be deleted. No reason is given."""

    jti: MessageId
    supersedes: MessageId
    status: Literal["withdrawn", "deleted"]


class Rotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Says that pseudonyms of orders placed from `since` on (UTC) are made anew, as those of `epoch`."""

    jti: MessageId
    epoch: Number
    since: Day


class Projection:
    """Turns a disclosable order into the bytes that its contract's partner gets. `message_type` is the closed type."""

    def __init__(self, contract: Contract, key: bytes, roots: Sequence[bytes] = ()) -> None:
        if any(epoch.key > len(roots) for epoch in contract.epochs):
            raise ContractError(f"{contract.partner}: an epoch names a version of the partner key that is not held")
        self.contract = contract
        self.partner = contract.partner
        self.message_type = message_type(contract)
        self._key = key
        self._hash = contract.hash()
        self._pseudonyms = Pseudonyms(roots, contract.partner)
        self._decoder = msgspec.json.Decoder(self.message_type)

    def message_id(self, decision_id: str, request: str = "", supersedes: str = "") -> str:
        """The message's `jti`: the same for the same decision, contract and key; it tells nothing of any of them.

        What a request asked for, and what takes a message's place, have ids of their own.
        """
        more = (request, supersedes) if request or supersedes else ()
        return named(self._key, framed("jti", decision_id, self._hash, *more))

    def concerns(self, disclosable: Disclosable) -> bool:
        """Whether there is something to tell this partner: all ids that it gets back are there, and are its own."""
        for term in self.contract.fields:
            field = FIELDS[term.name]
            if field.issuer is None or field.shape != "id" or field.read is None:
                continue
            if field.read(disclosable) is None or not self._issued(term, disclosable):
                return False
        return True

    def project(self, disclosable: Disclosable, supersedes: str | None = None) -> bytes:
        """JSON with `jti` and the contract's fields; a field that the order does not have is left out.

        `supersedes` is the message that a corrected one takes the place of. The bytes are read again with the strict
        type first. Raises ProjectionError, naming the contract and the field.
        """
        request = self._request(disclosable)
        jti = self.message_id(disclosable.decision_id, request, supersedes or "")
        epoch = self._epoch(disclosable)
        head: dict[str, Any] = {"jti": jti, "supersedes": supersedes or UNSET}
        if epoch is not None:
            head["epoch"] = epoch.number
        return self._checked(self.message_type(**head, **self._values(disclosable, epoch)))

    def counted(self, body: bytes, count: int) -> bytes:
        """A projected message of a batch, with the number of cases in its group where the contract has a count."""
        counts = {term.name: count for term in self.contract.fields if isinstance(term, Count)}
        return self._checked(msgspec.structs.replace(self._read(body), **counts))

    def withdrawal(self, decision_id: str, supersedes: str, status: Literal["withdrawn", "deleted"]) -> bytes:
        """JSON that takes back the message `supersedes` about that decision."""
        jti = self.message_id(decision_id, status, supersedes)
        body = msgspec.json.encode(Withdrawal(jti=jti, supersedes=supersedes, status=status))
        try:
            msgspec.json.decode(body, type=Withdrawal)
        except msgspec.ValidationError as error:
            raise ProjectionError(f"{self.partner}: {_field_of(error)} does not fit a withdrawal's type") from None
        return body

    def rotation(self, number: int) -> bytes:
        """JSON that tells of an epoch of the partner's pseudonyms. Raises ProjectionError for one that is not there."""
        epoch = next((each for each in self.contract.epochs if each.number == number), None)
        if epoch is None:
            raise ProjectionError(f"{self.partner}: the contract has no epoch {number}")
        jti = named(self._key, framed("rotation", self.partner, str(number), epoch.since.isoformat()))
        return msgspec.json.encode(Rotation(jti=jti, epoch=number, since=epoch.since.isoformat()))

    def _request(self, disclosable: Disclosable) -> str:
        """The reference of the request that is answered; empty where the contract needs none."""
        if self.contract.trigger != "requested":
            return ""
        problem, request = refusal(disclosable), disclosable.request
        if problem or request is None:
            raise ProjectionError(f"{self.partner}: {problem}")
        if foreign := sorted(set(request.fields) - {term.name for term in self.contract.fields}):
            raise ProjectionError(f"{self.partner}: the request names what the contract does not: {', '.join(foreign)}")
        return request.reference

    def _checked(self, message: Any) -> bytes:
        body = msgspec.json.encode(message)
        if self._read(body) != message:
            raise ProjectionError(f"{self.partner}: the message does not read as it was written")
        return body

    def _read(self, body: bytes) -> Any:
        try:
            return self._decoder.decode(body)
        except msgspec.ValidationError as error:
            raise ProjectionError(f"{self.partner}: {_field_of(error)} does not fit the contract's type") from None

    def _epoch(self, disclosable: Disclosable) -> Epoch | None:
        try:
            return epoch_at(self.contract, disclosable.order.occurred_at)
        except OverflowError:
            raise ProjectionError(f"{self.partner}: occurred_at is no time that UTC can express") from None

    def _values(self, disclosable: Disclosable, epoch: Epoch | None) -> dict[str, Any]:
        pseudonym = _names(self._pseudonyms, epoch)
        return {term.name: self._value(term, disclosable, pseudonym) for term in self.contract.fields}

    def _value(self, term: AnyOperator, disclosable: Disclosable, pseudonym: Callable[[str, str], str]) -> Any:
        field = FIELDS[term.name]
        value = field.read(disclosable) if field.read else None
        if value is None or not self._asked(term, disclosable):
            return UNSET
        if not self._issued(term, disclosable):
            raise ProjectionError(f"{self.partner}: {term.name} was issued by another")
        try:
            leaving = term.told(value, Occasion(field, disclosable, pseudonym))
        except (ValueError, TypeError, AttributeError, OverflowError):
            raise ProjectionError(f"{self.partner}: {term.name} is not of the kind that its operator takes") from None
        return UNSET if leaving is None else leaving

    def _asked(self, term: AnyOperator, disclosable: Disclosable) -> bool:
        """On request, exactly what the request names leaves, under its reference."""
        return self.contract.trigger != "requested" or isinstance(term, Constant) or is_named(disclosable, term.name)

    def _issued(self, term: AnyOperator, disclosable: Disclosable) -> bool:
        issued_by = FIELDS[term.name].issued_by
        return issued_by is None or issued_by(disclosable) in (None, self.partner)

    def __repr__(self) -> str:
        return f"<Projection {self.partner} {self._hash[:12]}>"


def compile_contract(contract: Contract, key: bytes, roots: Sequence[bytes] = ()) -> Projection:
    """The projection of a contract.

    `key` (the vault's "disclosure" key) makes the message ids; `roots` (its "partner" keys, version 1 first) make
    the pseudonyms.
    """
    return Projection(contract, key, roots)


def message_type(contract: Contract) -> Any:
    """The closed type of a contract's messages: its fields and no others, each of the operator's own closed type."""
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [("jti", MessageId)]
    fields.append(("supersedes", MessageId | UnsetType, UNSET))
    if contract.epochs:
        fields.append(("epoch", Number))
    fields += [(term.name, term.output(FIELDS[term.name]) | UnsetType, UNSET) for term in contract.fields]
    return msgspec.defstruct(
        f"{contract.partner}-{contract.version}", fields, frozen=True, kw_only=True, forbid_unknown_fields=True
    )


def _names(pseudonyms: Pseudonyms, epoch: Epoch | None) -> Callable[[str, str], str]:
    """Names of one epoch, whatever is asked: a message can never hold those of two."""

    def name(kind: str, value: str) -> str:
        if epoch is None:
            raise ValueError("no epoch")
        return pseudonyms.name(kind, value, epoch)

    return name


def _field_of(error: msgspec.ValidationError) -> str:
    return str(error).rpartition("`$.")[2].rstrip("`").partition("[")[0].partition(".")[0]


def epoch_at(contract: Contract, moment: datetime) -> Epoch | None:
    """The epoch of a contract's pseudonyms for an order placed then."""
    return epoch_of(contract.epochs, moment) if contract.epochs else None
