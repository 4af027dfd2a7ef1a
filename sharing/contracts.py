"""Contracts: one YAML file for a partner and purpose, read into a frozen struct; what is not in it does not leave."""

import hashlib
import re
from collections.abc import Iterator
from datetime import date
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from events.legible import length_seen
from sharing import located, pseudonyms
from sharing.errors import ContractError
from sharing.fields import FIELDS, Field, Outcome, PartnerKind
from sharing.opened import opened
from sharing.operators import OPERATORS, AnyOperator, Constant, Count, Disclose, Pseudonym
from sharing.operators.operator import END, SHORTEST_REASON
from sharing.pseudonyms import Epoch

Trigger = Literal["flagged", "blocked", "confirmed", "requested"]
Delivery = Literal["realtime", "batch"]
Onward = Literal["prohibited", "processors", "as_law_requires"]
TRIGGERS: dict[Trigger, frozenset[Outcome]] = {
    "flagged": frozenset({"review", "block"}),
    "blocked": frozenset({"block"}),  # flagged, for a partner that acts on what was refused alone
    "confirmed": frozenset(),
    "requested": frozenset(),
}
FOLDER = Path(__file__).with_name("contracts")

PartnerName = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{0,31}" + END)]
PersonName = Annotated[str, Meta(pattern="^[a-z][a-z0-9._-]{0,63}" + END)]  # none that looks like another's
# The terms of the W3C Data Privacy Vocabulary 2 that telling a partner of a fraud can be for, and rest on.
Purpose = Literal[
    "dpv:CounterMoneyLaundering",
    "dpv:DisputeManagement",
    "dpv:EnforceSecurity",
    "dpv:FraudPreventionAndDetection",
    "dpv:FulfilmentOfObligation",
    "dpv:IdentityVerification",
    "dpv:LegalCompliance",
    "dpv:MaintainFraudDatabase",
    "dpv:MisusePreventionAndDetection",
    "dpv:OrganisationRiskManagement",
]
LegalBasis = Literal[
    "dpv:Consent",
    "dpv:Contract",
    "dpv:LegalObligation",
    "dpv:LegitimateInterest",
    "dpv:LegitimateInterestOfController",
    "dpv:LegitimateInterestOfThirdParty",
    "dpv:OfficialAuthorityOfController",
    "dpv:PublicInterest",
    "dpv:VitalInterest",
]
# https on 443, a name and no number, nothing after the path. Or this machine itself, for a try: production refuses it.
PushUrl = Annotated[
    str,
    Meta(
        pattern=r"^(https://([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?[.]){1,8}[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
        r"|https?://(127[.]0[.]0[.]1|localhost)(:[0-9]{1,5})?)(/[A-Za-z0-9._~-]{1,64}){0,8}/?" + END
    ),
]
_LOOPBACK = re.compile(r"https?://(127[.]0[.]0[.]1|localhost)(?![a-z0-9.-])")


class Signature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One person's, over the contract's hash and the person's name: Ed25519, base64."""

    signer: PersonName
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


class Release(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """When a batch is released (UTC; every day where no day is named), and how many alike it takes at least."""

    hour: Annotated[int, Meta(ge=0, le=23)]
    day: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] | None = None
    group_of: Annotated[int, Meta(ge=20, le=100_000)] = 20


class Contract(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who is told what, when, for which purpose and on which legal basis; each field with the reason for it.

    In force from the first day until the last, both included (UTC). `jitter_s`: each first message of a real-time
    contract waits for a time drawn anew, of up to so many seconds; 0: it leaves at once. A default is left out of the
    hash, so that a new optional term of ours does not undo signatures that stand.
    """

    partner: PartnerName
    kind: PartnerKind
    version: Annotated[int, Meta(ge=1, le=1_000_000)]
    purpose: Purpose
    legal_basis: LegalBasis
    trigger: Trigger
    delivery: Delivery
    release: Release | None = None
    jitter_s: Annotated[int, Meta(ge=0, le=86_400)] = 0
    fields: Annotated[tuple[AnyOperator, ...], Meta(min_length=1)]
    epochs: tuple[Epoch, ...] = ()
    retention_days: Annotated[int, Meta(ge=1, le=3660)]
    onward_sharing: Onward
    valid_from: date
    valid_until: date
    policy_version: Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9.-]{0,31}" + END)]
    push_url: PushUrl | None = None
    signatures: tuple[Signature, ...] = ()

    def hash(self) -> str:
        """SHA-256 over the contract's canonical JSON without its signatures, in hex: it is what people sign."""
        unsigned = msgspec.structs.replace(self, signatures=())
        return hashlib.sha256(msgspec.json.encode(unsigned, order="sorted")).hexdigest()

    @property
    def event_uri(self) -> str:
        """The type of the one event of this contract's tokens: it identifies one kind of event (RFC 8417, 2.2).

        A partner has one contract a purpose (`sharing.in_force.load_all` sees to it), so no two share one.
        """
        purpose = self.purpose.removeprefix("dpv:")
        return f"https://schemas.amana.example/event/{self.partner}/{purpose}/v{self.version}"

    @property
    def to_this_machine(self) -> bool:
        """Whether it pushes to the machine that it runs on, as only a demonstration may."""
        return self.push_url is not None and _LOOPBACK.match(self.push_url) is not None

    def triggered_by(self, outcome: Outcome) -> bool:
        """Whether an order with that outcome is told at once."""
        return outcome in TRIGGERS[self.trigger]

    def in_force(self, on: date) -> bool:
        return self.valid_from <= on <= self.valid_until


_EXPECTED = {
    "operator": tuple(OPERATORS),
    "kind": get_args(PartnerKind),
    "purpose": get_args(Purpose),
    "legal_basis": get_args(LegalBasis),
    "trigger": get_args(Trigger),
    "delivery": get_args(Delivery),
    "onward_sharing": get_args(Onward),
}


def load(path: Path) -> Contract:
    """Read a contract's file. Raises ContractError with file, line and what was expected.

    Says nothing of signatures or of whether it is in force: `sharing.in_force.load_all` does.
    """
    return parse(text_of(path), str(path))


def text_of(path: Path) -> str:
    """A file's text; of a longer one only so much that it shows. Raises ContractError."""
    try:
        with TextIOWrapper(opened(path), "utf-8", newline="") as text:
            return text.read(located.MAX_CHARACTERS + 1)
    except OSError as error:
        raise ContractError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ContractError(f"{path}: not UTF-8") from None


def parse(text: str, name: str) -> Contract:
    """Read a contract from text; `name` stands for the file in errors. Raises ContractError."""
    source = located.read(text, name)
    try:
        contract = msgspec.convert(source.plain, Contract)
    except msgspec.ValidationError as error:
        raise ContractError(located.told(str(error), source, name, _EXPECTED)) from None
    for path, problem in _problems(contract):
        raise ContractError(f"{name}:{source.line(path)}: {problem}")
    return contract


def _problems(contract: Contract) -> Iterator[tuple[str, str]]:
    """Path and words of whatever the types alone do not say."""
    seen: set[str] = set()
    for place, term in enumerate(contract.fields):
        problem = f"{term.name!r} stands here twice" if term.name in seen else _of_field(contract, term)
        if problem:
            yield f"$.fields[{place}]", problem
        if length_seen(term.reason) < SHORTEST_REASON:
            reason = f"{SHORTEST_REASON} characters or more that can be seen, saying why the partner needs it"
            yield f"$.fields[{place}].reason", f"reason: expected {reason}"
        seen.add(term.name)
    yield from _of_delivery(contract)
    if contract.valid_until < contract.valid_from:
        yield "$.valid_until", "ends before it begins"
    if problem := pseudonyms.problem(contract.epochs):
        yield "$.epochs", problem
    if bool(contract.epochs) != any(isinstance(term, Pseudonym) for term in contract.fields):
        yield "$.epochs", "epochs and pseudonyms go together: expected both or neither"
    signers = [signature.signer for signature in contract.signatures]
    for place, signer in enumerate(signers):
        if signer in signers[:place]:
            yield f"$.signatures[{place}]", f"{signer} has signed twice; expected another person"


def _of_field(contract: Contract, term: AnyOperator) -> str | None:
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
    return _of_use(contract, term)


def _of_use(contract: Contract, term: AnyOperator) -> str | None:
    """Why an operator does not serve that kind of contract, or None."""
    if isinstance(term, Disclose) and (contract.kind, contract.trigger) != ("law_enforcement", "requested"):
        return "disclose serves requests of law enforcement alone; expected kind: law_enforcement, trigger: requested"
    if isinstance(term, Count) and contract.delivery != "batch":
        return "count serves batches alone; expected delivery: batch"
    if isinstance(term, Count) and contract.release and term.at_least > contract.release.group_of:
        size = contract.release.group_of
        return f"count leaves from {term.at_least} on, groups of {size} are released; expected at_least: {size} at most"
    return None


def _of_delivery(contract: Contract) -> Iterator[tuple[str, str]]:
    if contract.delivery == "batch" and contract.release is None:
        yield "$.delivery", "a batch needs release: its hour, and its day if it is weekly"
    if contract.delivery == "realtime" and contract.release is not None:
        yield "$.release", "only a batch is released; expected delivery: batch, or no release"
    if contract.delivery == "batch" and contract.jitter_s:
        yield "$.jitter_s", "a batch leaves at its hour; expected delivery: realtime, or no jitter_s"
    if contract.delivery == "batch" and contract.trigger != "confirmed":
        yield "$.trigger", f"a batch tells of confirmed cases; expected trigger: confirmed, not {contract.trigger}"
    if contract.trigger == "requested" and not any(
        isinstance(term, Constant) and term.name == "request_ref" for term in contract.fields
    ):
        yield "$.fields", "what is told on request says which request; expected field request_ref, operator constant"


def _allowed(field: Field) -> str:
    allowed = [name for name, operator in OPERATORS.items() if operator.takes(field)]
    return f"expected: {', '.join(allowed)}" if allowed else "no operator may be used on it"
