"""Projecting in SQL: triggers taken, messages recorded, triggers gone, in one transaction.

Within it the triggers' rows are ours first (whoever else projects waits for us), then everything is made, and only then
the ledger's lock is taken and all is written: leaf, what opens it, disclosure, outbox. A crash before the commit leaves
nothing of it, and the triggers for the next one; a crash after it leaves nothing to do.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, TypeVar

import sqlalchemy as sa

from sharing import batches, rotations, tables, waiting
from sharing.asking import granted
from sharing.delivery import disclosures, outbox
from sharing.delivery.lifecycle import SUPERSEDED
from sharing.delivery.schedule import Schedule
from sharing.disclosable import Disclosable
from sharing.errors import LedgerError, SharingError
from sharing.grouping import Grouping
from sharing.ledger.store import Ledger
from sharing.projector import Answer, Message, Moment, Projector, Told, Trigger, failed
from sharing.standing import day_of
from sharing.waiting import told
from vault.errors import EnvelopeError

AT_ONCE = 50

_columns = tables.disclosures.c
T = TypeVar("T", bound=Trigger)


class Triggers(Protocol[T]):
    """review.triggers.TriggerTable."""

    def take(self, connection: Any, limit: int, now_ms: int) -> Sequence[T]: ...
    def done(self, connection: Any, triggers: Sequence[T]) -> None: ...
    def fail(self, connection: Any, trigger: T, why: str) -> None: ...
    def retry(self, connection: Any) -> None: ...


class Cases(Protocol):
    """review.disclosing.SealedCases."""

    def disclosable(self, case_id: str) -> Disclosable | None:
        """Raises EnvelopeError where what is kept of the case does not open."""


class Step(NamedTuple):
    """What one step has done: triggers taken, messages recorded by partner and kind, what failed."""

    taken: int
    recorded: Sequence[tuple[str, str]] = ()
    failures: Sequence[str] = ()


class Projecting(NamedTuple):
    """All that a projector process holds."""

    engine: sa.Engine
    triggers: Triggers[Any]
    cases: Cases
    projector: Projector
    grouping: Grouping
    ledger: Ledger
    schedule: Schedule
    clock: Callable[[], int]

    def step(self, limit: int = AT_ONCE) -> Step:
        """Take the next triggers and record what comes of them, all in one transaction."""
        now_ms = self.clock()
        with begun(self.engine) as connection:
            taken = self._taken(connection, limit, now_ms)
            answers = [self._answer(connection, trigger, now_ms) for trigger in taken]
            recorded = self._record(connection, [each for one in answers for each in one.messages], now_ms)
            for trigger, answer in zip(taken, answers, strict=True):
                self._settle(connection, trigger, answer, now_ms)
            return Step(len(taken), recorded, [why for answer in answers for why in answer.failures])

    def release(self, *, early: bool = False) -> Step:
        """Release the batches whose hour it is, and put their groups right, a transaction for each contract.

        `early`, for demonstrations: at any hour, and without patience; never in smaller groups.
        """
        recorded: list[tuple[str, str]] = []
        failures: list[str] = []
        for projection in self.grouping.projections:
            contract, now_ms = projection.contract, self.clock()
            if not contract.in_force(day_of(now_ms)) or not (early or batches.is_hour(now_ms, contract.release)):
                continue
            try:
                with begun(self.engine) as connection:
                    messages = self.grouping.released(connection, projection, now_ms, early=early)
                    recorded += self._record(connection, messages, now_ms)
            except LedgerError:
                raise  # nobody may be told anything while the ledger is not what it must be
            except SharingError as error:
                failures.append(failed(contract.partner, error))
        followed = self._follow(early)
        return Step(0, [*recorded, *followed.recorded], [*failures, *followed.failures])

    def _follow(self, early: bool) -> Step:
        """Put groups right that somebody has left; what fails stays for another time."""
        messages, failures, settled = [], [], []
        with begun(self.engine) as connection:
            now_ms = self.clock()
            for group in waiting.left(connection):
                if not early and not self.grouping.is_hour(group, now_ms):
                    continue
                try:
                    if group.head.kind != "withdrawal" and group.head.state not in SUPERSEDED:
                        messages.append(self.grouping.follow_up(group, now_ms))
                    settled.append(group.group_jti)
                except SharingError as error:
                    failures.append(failed(group.head.partner, error))
            recorded = self._record(connection, messages, now_ms) if messages else []
            waiting.settled(connection, settled)
        return Step(0, recorded, failures)

    def announce(self) -> Step:
        """Tell partners of pseudonym epochs that begin soon, a transaction for each; once, whoever else projects."""
        recorded: list[tuple[str, str]] = []
        failures: list[str] = []
        now_ms = self.clock()
        today = day_of(now_ms)
        for projection in self.projector.projections:
            contract = projection.contract
            if not contract.epochs or not contract.in_force(today):
                continue
            with self.engine.connect() as connection:
                untold = rotations.untold(connection, contract, today)
            for epoch in untold:
                try:
                    message = self.projector.rotation(projection, epoch.number, Moment(now_ms))
                except SharingError as error:
                    failures.append(failed(contract.partner, error))
                    continue
                with begun(self.engine) as connection:
                    if rotations.claim(connection, contract.partner, epoch, now_ms):
                        recorded += self._record(connection, [message], now_ms)
        return Step(0, recorded, failures)

    def first_told(self, case_id: str) -> list[tuple[bytes, str]]:
        """By contract, the first message about a case, or about the group that it is counted in: for who shows it."""
        about = sa.or_(_columns.case_id == case_id, _columns.jti.in_(waiting.group_ids(case_id)))
        query = sa.select(_columns.contract, _columns.jti).where(about, _columns.kind == "disclosure")
        with self.engine.connect() as connection:
            return [(bytes(contract), jti) for contract, jti in connection.execute(query.order_by(_columns.place))]

    def waits_for(self, case_id: str) -> frozenset[bytes]:
        """The contracts under which a case waits for its group: for who shows it."""
        with self.engine.connect() as connection:
            return waiting.contracts_of(connection, case_id)

    def _taken(self, connection: sa.Connection, limit: int, now_ms: int) -> list[Any]:
        """Up to the first that depends on what comes of one before it: of the same case."""
        taken: list[Any] = []
        touched: set[str] = set()
        for trigger in self.triggers.take(connection, limit, now_ms):
            if trigger.case_id in touched:
                break
            touched.add(trigger.case_id)
            taken.append(trigger)
        return taken

    def _answer(self, connection: sa.Connection, trigger: Any, now_ms: int) -> Answer:
        request = granted(connection, trigger.reference, now_ms) if trigger.kind == "requested" else None
        disclosable = None
        try:
            if trigger.kind != "erased":
                disclosable = self.cases.disclosable(trigger.case_id)
        except EnvelopeError as error:
            if trigger.kind != "cleared":  # what takes back needs no content
                return Answer(failures=(f"the case's content: {error}",))
        have = told_of(connection, trigger.case_id)
        waits = outbox.waits(connection, trigger.case_id) if have else {}
        answer = self.projector.answer(trigger, disclosable, have, Moment(now_ms, waits), request)
        if answer.leaves_groups:
            waiting.leave(connection, trigger.case_id, now_ms)
        elif trigger.kind == "corrected":
            waiting.wait_no_more(connection, trigger.case_id)  # and waits anew, as what it is now
        return answer

    def _record(self, connection: sa.Connection, messages: Sequence[Message], now_ms: int) -> list[tuple[str, str]]:
        places = self.ledger.append(connection, [message.leaf for message in messages])
        for message, place in zip(messages, places, strict=True):
            if message.kind != "deletion":  # nothing that opens a leaf is kept of whom was erased
                self.ledger.remember(connection, place, message.case_id or "", message.jti, message.salt)
            disclosures.made(connection, _made(message, place), self.schedule, now_ms)
            if message.case_id is None and message.supersedes is not None:
                waiting.follow(connection, message.supersedes, message.jti)
        return [(message.partner, message.kind) for message in messages]

    def _settle(self, connection: sa.Connection, trigger: Any, answer: Answer, now_ms: int) -> None:
        waiting.put(connection, answer.waiting, now_ms)
        if trigger.kind == "erased":
            self.ledger.forget(connection, trigger.case_id)
            if not answer.failures:  # who must still be told is found by the case
                of_case = _columns.case_id == trigger.case_id
                connection.execute(sa.update(tables.disclosures).where(of_case).values(case_id=None))
        if answer.failures:
            self.triggers.fail(connection, trigger, "; ".join(answer.failures))
        else:
            self.triggers.done(connection, [trigger])


@contextmanager
def begun(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that writes: on SQLite it holds the database from its beginning, and never has to give it up."""
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection
        connection.commit()


def told_of(connection: sa.Connection, case_id: str) -> list[Told]:
    """The messages with content that partners have of the case, in the order of the ledger."""
    query = (
        sa.select(tables.disclosures)
        .where(_columns.case_id == case_id, _columns.kind.in_(("disclosure", "correction")))
        .order_by(_columns.place)
    )
    return [told(row) for row in connection.execute(query)]


def _made(message: Message, place: int) -> disclosures.Made:
    return disclosures.Made(
        jti=message.jti,
        partner=message.partner,
        contract=message.contract,
        case_id=message.case_id,
        kind=message.kind,
        supersedes=message.supersedes,
        place=place,
        sealed=message.sealed,
        leaves_ms=message.leaves_ms,
    )
