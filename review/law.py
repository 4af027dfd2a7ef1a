"""Requests of the law for people who have signed in: sharing's requests, with who looked at or moved one in the trail.

Entries about requests begin with `law.`: they are shown to whoever may read requests, and to nobody else.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec
import sqlalchemy as sa

from review.access.sessions import Random
from review.access.store import note
from review.errors import LawRefused, UnknownRequest
from review.triggers import put
from sharing.asking import Requests, Step
from sharing.contracts import Contract
from sharing.errors import RequestRefused
from sharing.ledger.store import Ledger
from sharing.projecting import begun
from sharing.requests import LawRequest

TRAIL = "law."
DAY_MS = 86_400_000
LONGEST_REFERENCE = 64

Move = Literal["approve", "refuse", "answer"]
Work = Callable[[sa.Connection], LawRequest]


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody enters; `case_id` is the decision's."""

    reference: str
    case_id: str
    fields: tuple[str, ...]
    basis: str
    days: int


class Shown(msgspec.Struct, frozen=True):
    """A request and who did what to it, the oldest step first."""

    request: LawRequest
    steps: tuple[Step, ...]


class Law:
    """Every method is one transaction. `contracts` say who may ask, and for what."""

    def __init__(self, engine: sa.Engine, random: Random, contracts: Sequence[Contract]) -> None:
        self._engine = engine
        self._requests = Requests(Ledger(), random)
        self.contract = next((each for each in contracts if each.trigger == "requested"), None)

    def all(self, actor: str, now_ms: int) -> tuple[LawRequest, ...]:
        """The newest first; that somebody looked is written down."""
        with begun(self._engine) as connection:
            note(connection, actor, f"{TRAIL}listed", now_ms)
            return tuple(reversed(self._requests.all(connection)))

    def one(self, reference: str, actor: str, now_ms: int) -> Shown:
        """Raises UnknownRequest."""
        with begun(self._engine) as connection:
            request = self._found(connection, reference)
            note(connection, actor, f"{TRAIL}seen", now_ms, request.case_id)
            return Shown(request, tuple(self._requests.steps(connection, reference)))

    def ask(self, asking: Asking, actor: str, now_ms: int) -> LawRequest:
        """Enter a request; two others approve it. Raises LawRefused."""
        request = LawRequest(
            reference=asking.reference,
            partner=self.contract.partner if self.contract else "",
            case_id=asking.case_id,
            fields=asking.fields,
            basis=asking.basis,
            asked_at_ms=now_ms,
            expires_at_ms=now_ms + asking.days * DAY_MS,
            asked_by=actor,
        )
        return self._done(actor, "ask", now_ms, lambda held: self._requests.ask(held, request, self.contract, now_ms))

    def move(self, reference: str, move: Move, actor: str, now_ms: int) -> LawRequest:
        """Approve, refuse, or have answered: the projector then tells exactly what it names.

        Raises UnknownRequest; LawRefused where the request's state, its time or the person does not allow it.
        """

        def then(connection: sa.Connection, request: LawRequest) -> None:
            if move == "answer":
                put(connection, "requested", [request.case_id], request.reference)

        def moved(connection: sa.Connection) -> LawRequest:
            self._found(connection, reference)
            return self._requests.move(connection, reference, move, actor, now_ms, then)

        return self._done(actor, move, now_ms, moved)

    def _done(self, actor: str, action: str, now_ms: int, work: Work) -> LawRequest:
        try:
            with begun(self._engine) as connection:
                request = work(connection)
                note(connection, actor, f"{TRAIL}{action}", now_ms, request.case_id, ("state",))
                return request
        except RequestRefused as error:
            raise LawRefused(str(error)) from None
        except sa.exc.IntegrityError:  # two entered it at one moment
            raise LawRefused("a request by that reference was entered before") from None

    def _found(self, connection: sa.Connection, reference: str) -> LawRequest:
        try:
            return self._requests.get(connection, reference[: LONGEST_REFERENCE + 1])
        except RequestRefused:
            raise UnknownRequest("no request by that reference") from None
