"""Contracts: one YAML file for a partner and purpose, read into a frozen struct; what is not in it does not leave."""

import hashlib
import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sharing import located
from sharing.errors import ContractError
from sharing.fields import FIELDS, Field, Outcome, PartnerKind
from sharing.operators import OPERATORS, AnyOperator

Trigger = Literal["blocked"]
TRIGGERS: dict[Trigger, frozenset[Outcome]] = {"blocked": frozenset({"block"})}
FOLDER = Path(__file__).with_name("contracts")

# `$` alone also matches before a last newline in Python, so the look-ahead.
PartnerName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,31}$(?!\n)")]
Term = Annotated[str, Meta(pattern=r"^dpv:[A-Z][A-Za-z]{2,63}$(?!\n)", description="a term of the W3C DPV")]


class Contract(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told what, when, for which purpose and on which legal basis; each field with the reason for it."""

    partner: PartnerName
    kind: PartnerKind
    version: Annotated[int, Meta(ge=1)]
    purpose: Term
    legal_basis: Term
    trigger: Trigger
    fields: Annotated[tuple[AnyOperator, ...], Meta(min_length=1)]

    def hash(self) -> str:
        """SHA-256 over the contract's canonical JSON, in hex: changes with anything that the contract says."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()

    def triggered_by(self, outcome: Outcome) -> bool:
        """Whether an order with that outcome is told."""
        return outcome in TRIGGERS[self.trigger]


def load(path: Path) -> Contract:
    """Read a contract's file. Raises ContractError with file, line and what was expected."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ContractError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ContractError(f"{path}: not UTF-8") from None
    return parse(text, str(path))


def parse(text: str, name: str) -> Contract:
    """Read a contract from text; `name` stands for the file in errors. Raises ContractError."""
    source = located.read(text, name)
    try:
        contract = msgspec.convert(source.plain, Contract)
    except msgspec.ValidationError as error:
        raise ContractError(_told(str(error), source, name)) from None
    seen: set[str] = set()
    for place, term in enumerate(contract.fields):
        problem = f"{term.name!r} stands here twice" if term.name in seen else _problem(contract, term)
        if problem:
            raise ContractError(f"{name}:{source.line(f'$.fields[{place}]')}: {problem}")
        seen.add(term.name)
    return contract


def _told(message: str, source: located.Located, name: str) -> str:
    text, _, path = message.partition(" - at ")
    path = re.sub("`", "", path) or "$"
    expected = f"; expected one of: {', '.join(OPERATORS)}" if path.endswith(".operator") else ""
    return f"{name}:{source.line(path)}: {path}: {text}{expected}"


def _problem(contract: Contract, term: AnyOperator) -> str | None:
    """Why a field may not leave by that operator, or None."""
    field = FIELDS.get(term.name)
    if field is None:
        return f"unknown field {term.name!r}; expected one of: {', '.join(sorted(FIELDS))}"
    if not term.takes(field):
        operator = term.__struct_config__.tag
        return f"{operator} may not be used on {field.sensitivity} field {field.name!r}; {_allowed(field)}"
    if field.issuer not in (None, contract.kind):
        return f"{field.name!r} is given back only to who issued it: {field.issuer}, not {contract.kind}"
    try:
        term.output(field)
    except ValueError as error:
        return str(error)
    return None


def _allowed(field: Field) -> str:
    allowed = [name for name, operator in OPERATORS.items() if operator.takes(field)]
    return f"expected: {', '.join(allowed)}" if allowed else "no operator may be used on it"
