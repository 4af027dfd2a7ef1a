"""The projector: what each partner is told when something becomes of a case. Plain functions, no database, no clock.

    flagged    contracts that fire on the outcome tell it
    confirmed  contracts that fire on a verdict tell it, or have it wait for a batch; what was told is put right
    corrected  what was told is put right, or withdrawn where its contract would not tell it any more
    cleared    what was told is withdrawn
    erased     what was told is to be deleted; no reason is given
    requested  one request's contract tells the one case that it names

The same trigger gives the same ids (`jti`): of the decision and the contract for what is told first, of the message
that it supersedes for what follows. Told already is not told again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from sharing.contracts import Contract
from sharing.disclosable import Disclosable, Request
from sharing.errors import SharingError
from sharing.ledger import leaves
from vault.chain import framed, named

TriggerKind = Literal["flagged", "confirmed", "cleared", "corrected", "erased", "requested"]
Kind = Literal["disclosure", "correction", "withdrawal", "deletion"]  # sharing.delivery.lifecycle
State = Literal["pending", "delivered", "acknowledged", "refused", "overdue", "corrected", "withdrawn", "deleted"]
Random = Callable[[int], bytes]

CHANGES: Mapping[Kind, leaves.Change] = {"correction": "corrected", "withdrawal": "withdrawn", "deletion": "deleted"}
_LIVE = frozenset({"pending", "delivered", "acknowledged", "refused", "overdue"})


class Trigger(Protocol):
    """What review leaves for us (review.triggers)."""

    @property
    def case_id(self) -> str: ...
    @property
    def kind(self) -> TriggerKind: ...


class Projects(Protocol):
    """A compiled contract (sharing.projection)."""

    @property
    def contract(self) -> Contract: ...
    def message_id(self, decision_id: str) -> str: ...
    def project(self, disclosable: Disclosable) -> bytes: ...


class Seals(Protocol):
    """sharing.tokens.Sealer."""

    def seal(
        self, partner: str, jti: str, sub_id: str, event_uri: str, payload: bytes, issued_at_ms: int
    ) -> bytes: ...


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A message with content that a partner has of the case. `place` is its leaf's on the ledger."""

    jti: str
    partner: str
    contract: bytes
    kind: Kind
    state: State
    place: int


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message, ready to be recorded. `case_id` is None for one about a group."""

    jti: str
    partner: str
    contract: bytes
    case_id: str | None
    kind: Kind
    supersedes: str | None = None
    sealed: bytes
    salt: bytes
    leaf: leaves.Disclosed | leaves.Superseding


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A confirmed case's projected values, until a group of them may leave."""

    jti: str
    partner: str
    contract: bytes
    case_id: str
    person: str
    payload: bytes


class Granted(msgspec.Struct, frozen=True, kw_only=True):
    """A request that is approved and in force, and the partner who asked."""

    partner: str
    request: Request


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What comes of one trigger. `leaves_groups`: the case counts no longer in groups that wait or were released.

    `failures` name a partner and what could not be told, never a value.
    """

    messages: tuple[Message, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    leaves_groups: bool = False
    failures: tuple[str, ...] = ()


class Projector:
    """Holds the compiled contracts and the seal. `key`: the vault's "disclosure" key."""

    def __init__(self, projections: Sequence[Projects], sealer: Seals, key: bytes, random: Random) -> None:
        self._projections = projections
        self._by_hash = {contract_hash(each.contract): each for each in projections}
        self._by_partner = {each.contract.partner: each for each in reversed(projections)}
        self._sealer = sealer
        self._key = key
        self._random = random

    def answer(
        self,
        trigger: Trigger,
        disclosable: Disclosable | None,
        told: Sequence[Told],
        now_ms: int,
        granted: Granted | None = None,
    ) -> Answer:
        """`disclosable` is None where nothing may be told of the case (any more); `told` what its partners have.

        A contract that fails keeps no other from telling.
        """
        if trigger.kind in ("cleared", "erased"):
            kind: Kind = "withdrawal" if trigger.kind == "cleared" else "deletion"
            return self._gathered(self._taken_back(trigger.case_id, told, kind, now_ms), leaves_groups=True)
        if disclosable is None:
            return Answer()
        if trigger.kind == "requested":
            return self._gathered(self._requested(disclosable, granted, now_ms))
        steps = list(self._first(trigger.kind, disclosable, told, now_ms))
        if trigger.kind != "flagged":
            steps += self._put_right(trigger.kind, disclosable, told, now_ms)
        return self._gathered(iter(steps))

    def follow_up(
        self, kind: Kind, told: Told, case_id: str | None, now_ms: int, sub_id: str, content: bytes | None = None
    ) -> Message:
        """A message that supersedes one: with `content`, the values as they are now; without, only what becomes of it.

        Raises SharingError where it cannot be sealed.
        """
        jti = self.follow_up_id(kind, told.jti)
        payload = following(jti, kind, told.jti, content)
        return self._sealed(kind, jti, told.partner, told.contract, case_id, sub_id, payload, now_ms, told)

    def disclosed(
        self, jti: str, partner: str, contract: bytes, case_id: str | None, sub_id: str, payload: bytes, now_ms: int
    ) -> Message:
        """A first message. Raises SharingError where it cannot be sealed."""
        return self._sealed("disclosure", jti, partner, contract, case_id, sub_id, payload, now_ms, None)

    def follow_up_id(self, kind: Kind, supersedes: str) -> str:
        return named(self._key, framed("follow-up", kind, supersedes))

    def sub_id(self, partner: str, case_id: str) -> str:
        """What a partner knows a case by over its messages: no other partner has the same, and it opens nothing."""
        return named(self._key, framed("sub_id", partner, case_id))

    def person(self, partner: str, disclosable: Disclosable) -> str:
        """Tells the people of a batch apart; the case stands for a customer who is not known."""
        customer = disclosable.order.customer_id
        kind, who = ("customer", customer) if customer else ("case", disclosable.decision_id)
        return named(self._key, framed("person", partner, kind, who))

    def projection(self, contract: bytes) -> Projects | None:
        """The compiled contract of that hash, if it is still in force."""
        return self._by_hash.get(contract)

    @staticmethod
    def _gathered(steps: "Iterator[Message | Waiting | str]", *, leaves_groups: bool = False) -> Answer:
        made = list(steps)
        return Answer(
            messages=tuple(each for each in made if isinstance(each, Message)),
            waiting=tuple(each for each in made if isinstance(each, Waiting)),
            failures=tuple(each for each in made if isinstance(each, str)),
            leaves_groups=leaves_groups,
        )

    def _first(
        self, kind: TriggerKind, disclosable: Disclosable, told: Sequence[Told], now_ms: int
    ) -> "Iterator[Message | Waiting | str]":
        have = {each.contract for each in told}
        for projection in self._projections:
            contract = projection.contract
            if not fires(contract, kind, disclosable) or contract_hash(contract) in have:
                continue
            yield self._attempt(contract.partner, lambda p=projection: self._told_or_waits(p, disclosable, now_ms))

    def _told_or_waits(self, projection: Projects, disclosable: Disclosable, now_ms: int) -> "Message | Waiting":
        contract, case_id = projection.contract, disclosable.decision_id
        hashed, jti, payload = contract_hash(contract), projection.message_id(case_id), projection.project(disclosable)
        if contract.delivery == "batch":
            person = self.person(contract.partner, disclosable)
            return Waiting(
                jti=jti, partner=contract.partner, contract=hashed, case_id=case_id, person=person, payload=payload
            )
        sub_id = self.sub_id(contract.partner, case_id)
        return self.disclosed(jti, contract.partner, hashed, case_id, sub_id, payload, now_ms)

    def _put_right(
        self, kind: TriggerKind, disclosable: Disclosable, told: Sequence[Told], now_ms: int
    ) -> "Iterator[Message | str]":
        for each in told:
            projection = self._by_hash.get(each.contract)
            if each.state not in _LIVE or (projection is None and kind == "confirmed"):
                continue
            yield from self._righted(kind, projection, each, disclosable, now_ms)

    def _righted(
        self, kind: TriggerKind, projection: Projects | None, told: Told, disclosable: Disclosable, now_ms: int
    ) -> "Iterator[Message | str]":
        case_id, sub_id = disclosable.decision_id, self.sub_id(told.partner, disclosable.decision_id)
        if kind == "corrected" and (projection is None or not still_told(projection.contract, disclosable)):
            yield self._attempt(told.partner, lambda: self.follow_up("withdrawal", told, case_id, now_ms, sub_id))
        elif projection is not None and (kind == "corrected" or self._tells_verdicts(projection, disclosable)):
            yield self._attempt(
                told.partner,
                lambda: self.follow_up("correction", told, case_id, now_ms, sub_id, projection.project(disclosable)),
            )

    @staticmethod
    def _tells_verdicts(projection: Projects, disclosable: Disclosable) -> bool:
        """Whether the verdict changed anything of what this contract tells."""
        before = msgspec.structs.replace(disclosable, verdict="suspected")
        try:
            return projection.project(before) != projection.project(disclosable)
        except SharingError:
            return False  # it could not have been told before either

    def _taken_back(
        self, case_id: str, told: Sequence[Told], kind: Kind, now_ms: int
    ) -> "Iterator[Message | str]":
        held = _LIVE | {"withdrawn"} if kind == "deletion" else _LIVE
        for each in told:
            if each.state in held:
                sub_id = self.sub_id(each.partner, case_id)
                yield self._attempt(
                    each.partner, lambda e=each, s=sub_id: self.follow_up(kind, e, case_id, now_ms, s)
                )

    def _requested(
        self, disclosable: Disclosable, granted: Granted | None, now_ms: int
    ) -> "Iterator[Message | str]":
        """One request's answer: by the contract of the partner who asked, under the request's own id."""
        if granted is None:
            yield "no request that is approved and has not expired"
            return
        answered = msgspec.structs.replace(disclosable, request=granted.request, at_ms=now_ms)
        for projection in self._projections:
            contract = projection.contract
            if contract.trigger == "requested" and contract.partner == granted.partner:
                yield self._attempt(contract.partner, lambda p=projection: self._answered(p, answered, now_ms))
                return
        yield f"{granted.partner}: no contract that answers requests is in force"

    def _answered(self, projection: Projects, disclosable: Disclosable, now_ms: int) -> Message:
        contract, case_id = projection.contract, disclosable.decision_id
        payload = projection.project(disclosable)
        sub_id = self.sub_id(contract.partner, case_id)
        return self.disclosed(
            jti_of(payload), contract.partner, contract_hash(contract), case_id, sub_id, payload, now_ms
        )

    def _sealed(
        self,
        kind: Kind,
        jti: str,
        partner: str,
        contract: bytes,
        case_id: str | None,
        sub_id: str,
        payload: bytes,
        now_ms: int,
        supersedes: Told | None,
    ) -> Message:
        known = self._by_hash.get(contract) or self._by_partner.get(partner)
        if known is None:
            raise SharingError("no contract of this partner is in force")
        sealed = self._sealer.seal(partner, jti, sub_id, known.contract.event_uri, payload, now_ms)
        salt = self._random(leaves.SALT_BYTES)
        written = {
            "at_ms": now_ms,
            "partner": partner,
            "contract": contract,
            "sealed": leaves.hash_of(sealed),
            "commitment": leaves.commitment(salt, case_id or "", jti, payload),
        }
        leaf: leaves.Disclosed | leaves.Superseding = (
            leaves.Disclosed(**written)
            if supersedes is None
            else leaves.Superseding(**written, supersedes=supersedes.place, change=CHANGES[kind])
        )
        return Message(
            jti=jti,
            partner=partner,
            contract=contract,
            case_id=case_id,
            kind=kind,
            supersedes=supersedes and supersedes.jti,
            sealed=sealed,
            salt=salt,
            leaf=leaf,
        )

    @staticmethod
    def _attempt(partner: str, make: "Callable[[], Message | Waiting]") -> "Message | Waiting | str":
        try:
            return make()
        except SharingError as error:
            words = str(error)
            return words if words.startswith(f"{partner}:") else f"{partner}: {words}"


def contract_hash(contract: Contract) -> bytes:
    """SHA-256 of the contract, as the ledger's leaves have it."""
    return bytes.fromhex(contract.hash())


def fires(contract: Contract, kind: TriggerKind, disclosable: Disclosable) -> bool:
    """Whether the contract tells a case of which that has become, and that it was not told before."""
    if kind == "confirmed" or (kind == "corrected" and disclosable.verdict == "confirmed"):
        return contract.trigger == "confirmed" or (kind == "corrected" and on_outcome(contract, disclosable))
    return kind in ("flagged", "corrected") and on_outcome(contract, disclosable)


def still_told(contract: Contract, disclosable: Disclosable) -> bool:
    """Whether what the contract told may stand with the case as it is now."""
    return contract.trigger in ("confirmed", "requested") or on_outcome(contract, disclosable)


def on_outcome(contract: Contract, disclosable: Disclosable) -> bool:
    return contract.triggered_by(disclosable.outcome)


def following(jti: str, kind: Kind, supersedes: str, content: bytes | None) -> bytes:
    """The payload of a message that supersedes one: what becomes of it, and the values where it is put right."""
    values = msgspec.json.decode(content) if content is not None else {}
    ours = {"jti": jti, "supersedes": supersedes, "status": CHANGES[kind]}
    return msgspec.json.encode(ours | {name: value for name, value in values.items() if name not in ours})


class _Named(msgspec.Struct):
    jti: str


def jti_of(payload: bytes) -> str:
    return msgspec.json.decode(payload, type=_Named).jti
