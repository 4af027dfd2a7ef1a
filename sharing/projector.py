"""The projector: what each partner is told when something becomes of a case. Plain functions, no database, no clock.

    flagged    contracts that fire on the outcome tell it
    confirmed  contracts that fire on a verdict tell it, or have it wait for a batch; what was told is put right
    corrected  what was told is put right, or withdrawn where its contract would not tell it any more, or has ended
    cleared    what was told is withdrawn
    erased     what was told is to be deleted; no reason is given
    requested  one request's contract tells the one case that it names

The same trigger gives the same ids (`jti`): of the decision and the contract for what is told first, of the message
that it supersedes for what follows. Told already is not told again, unless it was withdrawn and is true again: then in
the withdrawn message's place. A contract that is not in force tells nothing new.
"""

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Literal, NamedTuple, Protocol

import msgspec

from sharing.contracts import Contract
from sharing.disclosable import Disclosable, Request
from sharing.errors import SharingError
from sharing.ledger import leaves
from sharing.projection import Projection, Withdrawal
from sharing.standing import day_of
from sharing.telling import TriggerKind, fires, still_told, tells_verdicts
from vault.chain import framed, named

Kind = Literal["disclosure", "correction", "withdrawal", "deletion", "notice"]  # sharing.delivery.lifecycle
State = Literal["pending", "delivered", "acknowledged", "refused", "overdue", "corrected", "withdrawn", "deleted"]
Random = Callable[[int], bytes]
Draw = Callable[[int], int]  # a number from 0 to the one that is given

CHANGES: Mapping[Kind, leaves.Change] = {"correction": "corrected", "withdrawal": "withdrawn", "deletion": "deleted"}
_STATUS: Mapping[Kind, Literal["withdrawn", "deleted"]] = {"withdrawal": "withdrawn", "deletion": "deleted"}
_LIVE = frozenset({"pending", "delivered", "acknowledged", "refused", "overdue"})


class Trigger(Protocol):
    """What review leaves for us (review.triggers)."""

    @property
    def case_id(self) -> str: ...
    @property
    def kind(self) -> TriggerKind: ...


class Seals(Protocol):
    """sharing.tokens.Sealer."""

    def seal(self, partner: str, jti: str, sub_id: str, event_uri: str, payload: bytes, issued_at_ms: int) -> bytes: ...


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A message with content that a partner has of the case. `place` is its leaf's on the ledger."""

    jti: str
    partner: str
    contract: bytes
    kind: Kind
    state: State
    place: int


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message, ready to be recorded. `case_id` is None for one about a group. Before `leaves_ms` it is not sent."""

    jti: str
    partner: str
    contract: bytes
    case_id: str | None
    kind: Kind
    supersedes: str | None = None
    sealed: bytes
    leaves_ms: int
    salt: bytes
    leaf: leaves.Disclosed | leaves.Superseding


class Moment(NamedTuple):
    """When it is, and by partner until when the last of the case's messages waits that was not sent yet.

    What follows that leaves no earlier: a case's messages keep their order, and what puts right or takes back what
    never left shows the moment no more than that would have.
    """

    now_ms: int
    waits: Mapping[str, int] = {}


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A confirmed case's projected values, until a group of them may leave. `person` tells people apart."""

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


Made = Message | Waiting | str  # the last: why it could not be made


class Projector:
    """Holds the compiled contracts and the seal. `key`: the vault's "disclosure" key.

    `draw` gives each first message's wait in milliseconds, of up to its contract's `jitter_s`: messages to two partners
    that are told of one moment do not leave together. Without it none waits. `earlier`: by the hash of a version that
    was replaced that of the one in its place (`sharing.in_force.replaced`).
    """

    def __init__(
        self,
        projections: Sequence[Projection],
        sealer: Seals,
        key: bytes,
        random: Random,
        draw: Draw = lambda _: 0,
        earlier: Mapping[bytes, bytes] | None = None,
    ) -> None:
        self._draw = draw
        self._earlier = earlier or {}
        self._projections = projections
        self._by_hash = {contract_hash(each.contract): each for each in projections}
        self._by_partner = {each.partner: each for each in reversed(projections)}
        self._sealer = sealer
        self._key = key
        self._random = random

    def answer(
        self,
        trigger: Trigger,
        disclosable: Disclosable | None,
        told: Sequence[Told],
        at: Moment,
        granted: Granted | None = None,
    ) -> Answer:
        """`disclosable` is None where nothing may be told of the case (any more); `told` what its partners have.
        A contract that fails keeps no other from telling.
        """
        if trigger.kind == "cleared" and disclosable is not None and disclosable.verdict == "confirmed":
            return Answer()  # a clearing that was set aside and comes late
        if trigger.kind in ("cleared", "erased"):
            kind: Kind = "withdrawal" if trigger.kind == "cleared" else "deletion"
            return _gathered(self._taken_back(trigger.case_id, told, kind, at), leaves_groups=True)
        if disclosable is None:
            return Answer()
        if trigger.kind == "requested":
            return _gathered(self._requested(disclosable, granted, told, at))
        made = list(self._first(trigger.kind, disclosable, told, at))
        if trigger.kind != "flagged":
            made += self._put_right(trigger.kind, disclosable, told, at)
        return _gathered(made)

    @property
    def projections(self) -> Sequence[Projection]:
        return self._projections

    def projection(self, contract: bytes) -> Projection | None:
        """The compiled contract of that hash, or the version in its place; it may have ended."""
        return self._by_hash.get(self._earlier.get(contract, contract))

    def contract_of(self, told: Told) -> Contract | None:
        """The contract that something was told under; that of the partner where it is an older version."""
        found = self._now(told.partner, told.contract)
        return found.contract if found else None

    def _now(self, partner: str, contract: bytes) -> Projection | None:
        """That contract or the version in its place; of a contract that is gone, another of the partner's."""
        return self.projection(contract) or self._by_partner.get(partner)

    def disclosed(
        self, partner: str, contract: bytes, case_id: str | None, sub_id: str, payload: bytes, at: Moment
    ) -> Message:
        """A first message. Raises SharingError where it cannot be sealed."""
        projection = self._by_hash.get(contract)
        wait_ms = self._draw(projection.contract.jitter_s * 1000) if projection and projection.contract.jitter_s else 0
        return self._sealed("disclosure", partner, contract, case_id, sub_id, payload, at, wait_ms=wait_ms)

    def rotation(self, projection: Projection, number: int, at: Moment) -> Message:
        """Tells of an epoch of the partner's pseudonyms. Raises SharingError."""
        partner = projection.partner
        sub_id = named(self._key, framed("rotation's sub_id", partner))
        hashed, payload = contract_hash(projection.contract), projection.rotation(number)
        return self._sealed("notice", partner, hashed, None, sub_id, payload, at)

    def corrected(self, told: Told, case_id: str | None, sub_id: str, payload: bytes, at: Moment) -> Message:
        """A message with the values as they are now, in the place of one. Raises SharingError."""
        return self._sealed("correction", told.partner, told.contract, case_id, sub_id, payload, at, told)

    def taken_back(self, kind: Kind, told: Told, case_id: str | None, sub_id: str, at: Moment) -> Message:
        """A withdrawal or a deletion: it says what it takes back and no more. Raises SharingError.

        It needs no contract's fields, so that what an older version told is taken back all the same.
        """
        jti = named(self._key, framed("taken back", kind, told.jti))
        payload = msgspec.json.encode(Withdrawal(jti=jti, supersedes=told.jti, status=_STATUS[kind]))
        return self._sealed(kind, told.partner, told.contract, case_id, sub_id, payload, at, told)

    def sub_id(self, partner: str, case_id: str) -> str:
        """What a partner knows a case by over its messages: no other partner has the same, and it opens nothing."""
        return named(self._key, framed("sub_id", partner, case_id))

    def _person(self, partner: str, disclosable: Disclosable) -> str:
        """The case stands for a customer who is not known."""
        customer = disclosable.order.customer_id
        kind, who = ("customer", customer) if customer else ("case", disclosable.decision_id)
        return named(self._key, framed("person", partner, kind, who))

    def _first(
        self, kind: TriggerKind, disclosable: Disclosable, told: Sequence[Told], at: Moment
    ) -> Iterator[Made | None]:
        last = {each.contract: each for each in sorted(told, key=lambda each: each.place)}
        day = day_of(at.now_ms)
        for projection in self._projections:
            contract = projection.contract
            before = last.get(contract_hash(contract))
            if not contract.in_force(day) or (before is not None and before.state != "withdrawn"):
                continue
            again = before.jti if before else None
            if fires(contract, "corrected" if again else kind, disclosable) and projection.concerns(disclosable):
                yield attempt(contract.partner, partial(self._told_or_waits, projection, disclosable, at, again))

    def _told_or_waits(
        self, projection: Projection, disclosable: Disclosable, at: Moment, again: str | None = None
    ) -> Message | Waiting:
        """`again`: the withdrawn message that this one takes the place of."""
        contract, case_id = projection.contract, disclosable.decision_id
        payload = projection.project(disclosable, again)
        if contract.delivery == "realtime":
            sub_id = self.sub_id(contract.partner, case_id)
            return self.disclosed(contract.partner, contract_hash(contract), case_id, sub_id, payload, at)
        return Waiting(
            jti=jti_of(payload),
            partner=contract.partner,
            contract=contract_hash(contract),
            case_id=case_id,
            person=self._person(contract.partner, disclosable),
            payload=payload,
        )

    def _put_right(
        self, kind: TriggerKind, disclosable: Disclosable, told: Sequence[Told], at: Moment
    ) -> Iterator[Made | None]:
        for each in told:
            if each.state in _LIVE:
                made = attempt(each.partner, partial(self._righted, kind, each, disclosable, at))
                if made is not None:
                    yield made

    def _righted(self, kind: TriggerKind, told: Told, disclosable: Disclosable, at: Moment) -> Message | None:
        """What puts a message right, or None where it stands as it was.

        A contract that is not in force tells no values any more: what is not true any more is withdrawn.
        """
        case_id, sub_id = disclosable.decision_id, self.sub_id(told.partner, disclosable.decision_id)
        projection = self._by_hash.get(told.contract)
        if projection is not None and not projection.contract.in_force(day_of(at.now_ms)):
            projection = None
        if kind == "corrected" and (projection is None or not still_told(projection.contract, disclosable)):
            return self.taken_back("withdrawal", told, case_id, sub_id, at)
        if projection is None or projection.contract.trigger == "requested":
            return None
        if kind == "confirmed" and (projection.contract.trigger == kind or not tells_verdicts(projection, disclosable)):
            return None
        return self.corrected(told, case_id, sub_id, projection.project(disclosable, told.jti), at)

    def _taken_back(self, case_id: str, told: Sequence[Told], kind: Kind, at: Moment) -> Iterator[Made | None]:
        held = _LIVE | {"withdrawn"} if kind == "deletion" else _LIVE
        for each in told:
            if each.state in held:
                sub_id = self.sub_id(each.partner, case_id)
                yield attempt(each.partner, partial(self.taken_back, kind, each, case_id, sub_id, at))

    def _requested(
        self, disclosable: Disclosable, granted: Granted | None, told: Sequence[Told], at: Moment
    ) -> Iterator[Made | None]:
        """One request's answer, by the contract of the partner who asked."""
        if granted is None:
            yield "no request that is approved and has not expired"
            return
        answered = msgspec.structs.replace(disclosable, request=granted.request, at_ms=at.now_ms)
        day = day_of(at.now_ms)
        for projection in self._projections:
            contract = projection.contract
            if contract.trigger == "requested" and contract.partner == granted.partner and contract.in_force(day):
                made = attempt(contract.partner, partial(self._told_or_waits, projection, answered, at))
                if not isinstance(made, Message) or made.jti not in {each.jti for each in told}:
                    yield made
                return
        yield f"{granted.partner}: no contract that answers requests is in force"

    def _sealed(
        self,
        kind: Kind,
        partner: str,
        contract: bytes,
        case_id: str | None,
        sub_id: str,
        payload: bytes,
        at: Moment,
        supersedes: Told | None = None,
        wait_ms: int = 0,
    ) -> Message:
        """Issued when it may leave: the token's time shows the moment that it tells of no more than its arrival."""
        known = self._now(partner, contract)
        if known is None:
            raise SharingError("no contract of this partner is in force, so that nothing says what the message is")
        jti = jti_of(payload)
        leaves_ms = max(at.now_ms + wait_ms, at.waits.get(partner, 0))
        sealed = self._sealer.seal(partner, jti, sub_id, known.contract.event_uri, payload, leaves_ms)
        salt = self._random(leaves.SALT_BYTES)
        return Message(
            jti=jti,
            partner=partner,
            contract=contract,
            case_id=case_id,
            kind=kind,
            supersedes=None if supersedes is None else supersedes.jti,
            sealed=sealed,
            leaves_ms=leaves_ms,
            salt=salt,
            leaf=_leaf(
                kind,
                partner,
                contract,
                sealed,
                leaves.commitment(salt, case_id or "", jti, payload),
                at.now_ms,
                supersedes,
            ),
        )


def _leaf(
    kind: Kind, partner: str, contract: bytes, sealed: bytes, commitment: bytes, now_ms: int, supersedes: Told | None
) -> leaves.Disclosed | leaves.Superseding:
    hashed = leaves.hash_of(sealed)
    first = leaves.Disclosed(at_ms=now_ms, partner=partner, contract=contract, sealed=hashed, commitment=commitment)
    if supersedes is None:
        return first
    return leaves.Superseding(**msgspec.structs.asdict(first), supersedes=supersedes.place, change=CHANGES[kind])


def attempt(partner: str, make: Callable[[], Message | Waiting | None]) -> Made | None:
    """What is made, or why it cannot be: in words that name the partner."""
    try:
        return make()
    except SharingError as error:
        return failed(partner, error)
    except Exception as error:  # noqa: BLE001 - a fault of ours under one contract keeps no other from telling
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{partner}: {type(error).__name__} in {where.name}, line {where.lineno}: a fault of the program"


def failed(partner: str, error: SharingError) -> str:
    words = str(error)
    return words if words.startswith(f"{partner}:") else f"{partner}: {words}"


def _gathered(made: "Iterator[Made | None] | Sequence[Made | None]", *, leaves_groups: bool = False) -> Answer:
    each = list(made)
    return Answer(
        messages=tuple(one for one in each if isinstance(one, Message)),
        waiting=tuple(one for one in each if isinstance(one, Waiting)),
        failures=tuple(one for one in each if isinstance(one, str)),
        leaves_groups=leaves_groups,
    )


def jti_of(payload: bytes) -> str:
    """The id that a projected message has in it."""
    return str(msgspec.json.decode(payload)["jti"])


def contract_hash(contract: Contract) -> bytes:
    """SHA-256 of the contract, as the ledger's leaves have it."""
    return bytes.fromhex(contract.hash())
