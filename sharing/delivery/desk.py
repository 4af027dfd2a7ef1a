"""The deliverer's transactions: each method is one, short, and safe beside other deliverers on the same database."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal, NamedTuple, TypeVar

import sqlalchemy as sa

from sharing.delivery import disclosures, outbox, statements
from sharing.delivery.disclosures import Answer, Ledger, Taken
from sharing.delivery.lifecycle import State
from sharing.delivery.limits import Limits
from sharing.delivery.outbox import Claimed, Parcel
from sharing.delivery.schedule import Schedule
from sharing.delivery.statements import Place
from sharing.errors import DeliveryError

T = TypeVar("T")
_REMEMBERED_MS = 8 * 24 * 3_600_000  # longer than a record of an acknowledgement's topic is kept
_TRIES = 5  # of a transaction that another one was in the way of


class Sent(NamedTuple):
    """The carrier has it for good; the partner's acknowledgement comes on its own."""


class Answered(NamedTuple):
    """The partner answered at once; `error` as in `Answer`, `statement` what it said."""

    error: str | None
    statement: bytes


class Failed(NamedTuple):
    """Not known to have arrived: it is tried again. `reason` is one of a few words, never what somebody sent."""

    reason: str


Outcome = Sent | Answered | Failed
Report = Callable[[sa.Connection, str, str, str], None]  # partner, message, verdict
Told = Literal["taken", "again", "replayed"]


class Settled(NamedTuple):
    sent: int
    failed: int
    dead: int
    taken: Taken


class Desk:
    """`silent` gives the hashes of the contracts that are not in force at a time: nothing new leaves under them."""

    def __init__(
        self,
        engine: sa.Engine,
        ledger: Ledger,
        limits: Limits,
        schedule: Schedule,
        now_ms: Callable[[], int],
        random: Callable[[], float],
        silent: Callable[[int], Collection[bytes]] = lambda _: (),
    ) -> None:
        self._engine = engine
        self._ledger = ledger
        self._limits = limits
        self._schedule = schedule
        self._now_ms = now_ms
        self._random = random
        self._silent = silent

    def due(self) -> frozenset[str]:
        with self._engine.connect() as connection:
            return outbox.due(connection, self._now_ms())

    def claim(self, partner: str, at_most: int) -> Claimed:
        with self._engine.begin() as connection:
            return self._claimed(connection, partner, at_most, self._now_ms())

    def _claimed(self, connection: sa.Connection, partner: str, at_most: int, now_ms: int) -> Claimed:
        return outbox.claim(
            connection,
            partner,
            at_most,
            holds=self._ledger.holds,
            limits=self._limits,
            schedule=self._schedule,
            now_ms=now_ms,
            silent=self._silent(now_ms),
        )

    def hand_out(self, partner: str, at_most: int) -> Claimed:
        """What a partner gets that asks for it; what it does not answer is due again when the lease is over."""
        now_ms = self._now_ms()
        with self._engine.begin() as connection:
            claimed = self._claimed(connection, partner, at_most, now_ms)
            disclosures.delivered(connection, [each.jti for each in claimed.parcels], self._schedule, now_ms)
            return claimed

    def roots(self, parcels: Sequence[Parcel]) -> dict[str, str]:
        """By message the first of its chain: itself unless it supersedes another."""
        urgent = [parcel.jti for parcel in parcels if parcel.urgent]
        if not urgent:
            return {parcel.jti: parcel.jti for parcel in parcels}
        with self._engine.connect() as connection:
            found = {jti: disclosures.root(connection, jti) for jti in urgent}
        return {parcel.jti: found.get(parcel.jti, parcel.jti) for parcel in parcels}

    def settle(self, partner: str, outcomes: Sequence[tuple[Parcel, Outcome]]) -> Settled:
        """Record what became of claimed messages."""
        now_ms = self._now_ms()
        arrived = [parcel.jti for parcel, outcome in outcomes if not isinstance(outcome, Failed)]
        waiting = [parcel.jti for parcel, outcome in outcomes if isinstance(outcome, Sent)]
        lost = [parcel for parcel, outcome in outcomes if isinstance(outcome, Failed)]
        answers = [(parcel.jti, outcome) for parcel, outcome in outcomes if isinstance(outcome, Answered)]

        def record(connection: sa.Connection) -> Settled:
            taken = Taken(0, 0, 0, 0)
            for jti, said in answers:
                one = disclosures.answer(
                    connection, self._ledger, partner, [Answer(jti, said.error)], said.statement, now_ms
                )
                taken = Taken(*(a + b for a, b in zip(taken, one, strict=True)))
            disclosures.delivered(connection, arrived, self._schedule, now_ms)
            outbox.sent(connection, waiting)
            dead = sum(outbox.failed(connection, each, self._schedule, now_ms, self._random) for each in lost)
            return Settled(len(arrived), len(lost), dead, taken)

        return self._again(record)

    def answered(self, partner: str, answers: Sequence[Answer], statement: bytes) -> Taken:
        """What an authenticated partner said over a connection of its own."""
        now_ms = self._now_ms()
        return self._again(lambda c: disclosures.answer(c, self._ledger, partner, answers, statement, now_ms))

    def stated(
        self,
        partner: str,
        place: Place,
        jti: str,
        answers: Sequence[Answer],
        statement: bytes,
        verdicts: Mapping[str, str] | None = None,
        report: Report | None = None,
    ) -> tuple[Told, Taken]:
        """What a verified acknowledgement says. Its own id counts once; a replay changes nothing.

        `report` gets what the partner found out of messages that are its own, in the same transaction.
        """
        now_ms = self._now_ms()

        def record(connection: sa.Connection) -> tuple[Told, Taken]:
            via = f"{place.partition}/{place.position}"
            new = statements.is_new(connection, partner, jti, via, now_ms + _REMEMBERED_MS)
            if not new:
                return ("again" if new is None else "replayed"), Taken(0, 0, 0, 0)
            taken = disclosures.answer(connection, self._ledger, partner, answers, statement, now_ms)
            for told, verdict in (verdicts or {}).items():
                if report is not None and disclosures.was_told(connection, partner, told):
                    report(connection, partner, told, verdict)
            return "taken", taken

        return self._again(record)

    def disbelieve(self, partner: str, place: Place, reason: str) -> None:
        with self._engine.begin() as connection:
            statements.refuse(connection, partner, place, reason, self._now_ms())

    def sweep(self) -> tuple[Mapping[str, int], int]:
        """Mark late ones, forget old rows. By partner how many became late; how many rows were forgotten."""
        now_ms = self._now_ms()

        def record(connection: sa.Connection) -> tuple[Mapping[str, int], int]:
            late = disclosures.escalate(connection, self._ledger, now_ms)
            statements.forget(connection, now_ms)
            return late, outbox.expire(connection, now_ms - self._schedule.kept_dead_ms)

        return self._again(record)

    def checkpoint(self) -> bytes:
        """The ledger as it is now, signed; committed before anybody is told."""
        with self._engine.begin() as connection:
            return self._ledger.checkpoint(connection, self._now_ms())

    def counts(self) -> tuple[dict[str, tuple[int, int, int]], dict[tuple[str, State], int]]:
        with self._engine.connect() as connection:
            return outbox.waiting(connection), disclosures.states(connection)

    def _again(self, record: Callable[[sa.Connection], T]) -> T:
        """One transaction, made again where another was in its way."""
        for left in reversed(range(_TRIES)):
            try:
                with self._engine.begin() as connection:
                    return record(connection)
            except (sa.exc.OperationalError, DeliveryError):
                if not left:
                    raise
        raise AssertionError("the last try returns or raises")
