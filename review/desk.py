"""What people, and the clock, do with cases: an action is one transaction with its audit entry and what it sets off."""

from collections.abc import Mapping

import msgspec
import sqlalchemy as sa

from events.questions import Answer, Question
from history.database import reading
from models.decisions import Outcome
from review import consequences, opinions, questions, tables, triggers
from review.access.store import note
from review.cases import Case, Verdict
from review.errors import StaleCase, TransitionRefused
from review.joining import amounts, fields, members
from review.opinions import Opinion
from review.policy import POLICY, Policy, default_of, due_at_ms, takes_two
from review.store import case_of, change
from review.waiting import MOST_VALUABLE_FIRST, OPEN, UNDECIDED
from review.workflow import UNDO_MS, UNHELD, WITH_THE_LEAD, Action, State, Work, after

CLOCK = "clock"
VERDICTS: Mapping[Action, Verdict] = {"dismiss": "dismiss", "confirm_fraud": "confirm_fraud"}
RESOLVED: Mapping[Verdict, Outcome] = {"dismiss": "approve", "confirm_fraud": "block"}
UNSAID: Mapping[str, None] = {"verdict": None, "resolved": None, "decided_by": None, "reason": None}
LEADS: frozenset[Action] = frozenset({"dismiss", "confirm_fraud", "default", "undo"})  # what joined orders take part in
TICKS: tuple[tuple[State, Action], ...] = (("claimed", "lapse"), ("snoozed", "wake"))
COMES_BACK: frozenset[Action] = frozenset({"contest", "reconsider"})  # to whoever is next
# Who does this is the case's assignee no longer.
LETS_GO: frozenset[Action] = frozenset({"release", "escalate", "second_look", "disagree"})
LEAVES_MS = UNDO_MS + 5_000  # the clocks of who undoes and who publishes may differ by so much
AT_ONCE = 200  # cases that the clock moves in one transaction

_CASES = tables.cases.c


class Note(msgspec.Struct, frozen=True):
    """`body` is sealed; `kind` is the action that it gives the reason of, or `note`.

    A first look's, and a second opinion's, is sealed as a verdict's reason, which it is: the desk alone knows better.
    """

    at_ms: int
    actor: str
    kind: str
    body: bytes

    @property
    def sealed_as(self) -> str:
        return "reason" if self.kind in {"second_look", "agree", "disagree"} else "note"


class Desk:
    """Works on the case database. A case is changed as it was read, or not at all (StaleCase).

    `leaves_ms`: how long what a verdict sets off waits; 0 where nobody is to undo it. An approval of what by the policy
    takes two people is a first look: the case stays open for somebody else's.
    """

    def __init__(self, engine: sa.Engine, leaves_ms: int = LEAVES_MS, policy: Policy = POLICY) -> None:
        self._engine = engine
        self._leaves_ms = leaves_ms
        self.policy = policy

    def act(
        self,
        case: Case,
        action: Action,
        actor: str,
        now_ms: int,
        *,
        until_ms: int | None = None,
        reason: bytes | None = None,
    ) -> Case:
        """Take one action. `reason` is sealed: a verdict's stays with the case, any other becomes a note.

        `until_ms` is when a snoozed case wakes.

        Raises TransitionRefused where the case's state does not allow it, StaleCase where somebody was faster.
        """
        with self._engine.begin() as connection:
            return self._acted(connection, case, action, actor, now_ms, until_ms, reason)

    def decide(self, case: Case, verdict: Verdict, *, reason: bytes, actor: str, now_ms: int) -> Case:
        """A verdict; a case that nobody holds is claimed for it in the same transaction. Raises as `act` does.

        The case that comes back has no verdict where somebody must look a second time.
        """
        with self._engine.begin() as connection:
            unheld = case.status not in {"claimed", "decided"}
            held = self._acted(connection, case, "claim", actor, now_ms) if unheld else case
            return self._acted(connection, held, verdict, actor, now_ms, reason=reason)

    def take_back(self, case: Case, actor: str, now_ms: int) -> Case:
        """Undo a verdict and leave the case to whoever comes: of many at once, nobody keeps all. Raises as `act`."""
        with self._engine.begin() as connection:
            undone = self._acted(connection, case, "undo", actor, now_ms)
            return self._acted(connection, undone, "release", actor, now_ms)

    def correct(self, case: Case, outcome: Outcome, *, reason: bytes, actor: str, now_ms: int) -> Case:
        """Another outcome than the case was opened with: its state stays, and all who were told of it hear.

        `reason` is sealed and becomes a note. Raises TransitionRefused for the outcome that it has, StaleCase as `act`.
        """
        if outcome == case.outcome:
            raise TransitionRefused("the case has the outcome {outcome}; expected another", outcome=outcome)
        corrected = msgspec.structs.replace(case, outcome=outcome, version=case.version + 1)
        with self._engine.begin() as connection:
            change(connection, case, corrected)
            triggers.put(connection, "corrected", [case.decision_id])
            _write(connection, case, "correct", actor, now_ms, reason)
            note(connection, actor, "correct", now_ms, case.decision_id, fields(case, corrected))
        return corrected

    def assign(self, case: Case, to: str | None, actor: str, now_ms: int) -> Case:
        """Make it somebody's work, or nobody's. Whoever else holds it, from them it is taken.

        Raises TransitionRefused for a decided case and for who has judged it, StaleCase as `act`.
        """
        if case.status in {"decided", "joined"}:
            raise TransitionRefused("a case that is {state} is assigned to nobody", state=case.status)
        if to is not None and to == case.first_look:
            raise TransitionRefused("{to} had the first look; somebody else has the second one", to=to)
        with self._engine.begin() as connection:
            if to is not None and not opinions.may_get(connection, case.decision_id, to):
                raise TransitionRefused("{to} is not given this case; assign it to somebody else", to=to)
            theirs = to is not None and case.status == "claimed" and case.holder != to
            free = self._acted(connection, case, "take", actor, now_ms) if theirs else case
            assigned = msgspec.structs.replace(free, assignee=to, version=free.version + 1)
            change(connection, free, assigned)
            note(connection, actor, "assign", now_ms, case.decision_id, fields(free, assigned))
        return assigned

    def ask(self, case: Case, question: Question, *, reason: bytes, actor: str, now_ms: int) -> Case:
        """Have the order service asked, a minute later, and put the case aside until it answers. Raises as `act`."""
        with self._engine.begin() as connection:
            asked = self._acted(connection, case, "ask", actor, now_ms, reason=reason)
            questions.ask(connection, asked, question, actor, now_ms, now_ms + self._leaves_ms)
        return asked

    def answer(self, case: Case, question_id: str, said: Answer, *, actor: str, now_ms: int) -> Case:
        """Keep what the order service answers, and wake the case if it waits; a repeat changes nothing.

        Raises UnknownCase for a question that is not the case's, TransitionRefused for another answer than before.
        """
        with self._engine.begin() as connection:
            if not questions.answer(connection, case.decision_id, question_id, said, now_ms):
                return case
            if case.status == "waiting":
                return self._acted(connection, case, "answer", actor, now_ms)
            note(connection, actor, "answer", now_ms, case.decision_id, ["answer"])
        return case

    def next(self, actor: str, now_ms: int) -> Case | None:
        """Claim the open case whose review is worth most, or None: two people never get the same one.

        One's own come first; what is somebody else's is left to them, as long as they can sign in.
        """
        gone = sa.select(tables.accounts.c.username).where(tables.accounts.c.disabled)
        nobodys = sa.or_(_CASES.assignee.is_(None), _CASES.assignee.in_(gone))
        return self._next(actor, now_ms, _CASES.assignee == actor) or self._next(actor, now_ms, nobodys)

    def _next(self, actor: str, now_ms: int, whose: sa.ColumnElement[bool]) -> Case | None:
        query = (
            sa.select(tables.cases)
            .where(OPEN, sa.func.coalesce(_CASES.first_look, "") != actor, opinions.not_of(actor), whose)
            .order_by(*MOST_VALUABLE_FIRST)
            .limit(1)
            .with_for_update(skip_locked=True, of=tables.cases)
        )
        while True:
            with self._engine.begin() as connection:
                row = connection.execute(query).mappings().first()
                if row is None:
                    return None
                try:
                    return self._acted(connection, case_of(row), "claim", actor, now_ms)
                except StaleCase:  # SQLite has no row locks: somebody else was faster
                    continue

    def write(self, case: Case, body: bytes, actor: str, now_ms: int, kind: str = "note") -> None:
        """Leave a note, sealed; the case stays as it is."""
        with self._engine.begin() as connection:
            _write(connection, case, kind, actor, now_ms, body)
            note(connection, actor, "note", now_ms, case.decision_id, ["notes"])

    def notes(self, case: Case) -> tuple[Note, ...]:
        """What was written beside the case, the oldest first."""
        columns = tables.notes.c
        query = sa.select(columns.at_ms, columns.actor, columns.kind, columns.body)
        query = query.where(columns.case_id == case.decision_id).order_by(columns.place)
        with reading(self._engine) as connection:
            return tuple(Note(*row) for row in connection.execute(query))

    def tick(self, now_ms: int) -> int:
        """Let the clock act: claims lapse, snoozed cases wake, some verdicts come back for a second opinion, defaults
        take over from who did not decide in time.

        How many cases moved; call again while there are any.
        """
        moved = sum(
            self._ticked(action, now_ms, _CASES.status == state, _CASES.until_ms <= now_ms) for state, action in TICKS
        )
        unheld = (UNDECIDED, _CASES.status.in_(UNHELD), _CASES.outcome.in_(list(self.policy.default)))
        moved += self._come_back(now_ms)
        return moved + self._ticked("default", now_ms, _CASES.due_at_ms <= now_ms, *unheld)

    def _come_back(self, now_ms: int) -> int:
        """Those that were chosen for a second opinion; one that has moved on since its verdict is chosen no more."""
        held = tables.opinions.c
        query = (
            sa.select(tables.cases, held.decided_at_ms.label("said_at_ms"))
            .join(tables.opinions, held.case_id == _CASES.decision_id)
            .where(held.state == "chosen", held.from_ms <= now_ms)
            .limit(AT_ONCE)
            .with_for_update(skip_locked=True, of=tables.cases)
        )
        with self._engine.begin() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
            for row in rows:
                said_at_ms = row.pop("said_at_ms")
                case = case_of(row)
                if case.status == "decided" and case.decided_at_ms == said_at_ms:
                    self._acted(connection, case, "reconsider", CLOCK, now_ms)
                    opinions.come_back(connection, case.decision_id, now_ms)
                else:
                    opinions.forget(connection, case.decision_id)
        return len(rows)

    def _ticked(self, action: Action, now_ms: int, *over: sa.ColumnElement[bool]) -> int:
        query = sa.select(tables.cases).where(*over).limit(AT_ONCE).with_for_update(skip_locked=True)
        with self._engine.begin() as connection:
            cases = [case_of(row) for row in connection.execute(query).mappings()]
            for case in cases:
                self._acted(connection, case, action, CLOCK, now_ms)
        return len(cases)

    def _acted(
        self,
        connection: sa.Connection,
        case: Case,
        action: Action,
        actor: str,
        now_ms: int,
        until_ms: int | None = None,
        reason: bytes | None = None,
    ) -> Case:
        if action in WITH_THE_LEAD or (action == "undo" and case.lead is not None):
            raise TransitionRefused("an order that is joined to another case goes with that one")
        given, opinion = action, opinions.of(connection, case.decision_id) if action in opinions.CONCERNED else None
        back = opinion if opinion is not None and opinion.state in opinions.STANDING else None
        sums = amounts(connection, case) if action in {"dismiss", "default"} else {}
        action = self._meant(case, given, actor, back, sums)
        held = opinions.restored(case, back) if back is not None and action == "contest" else case
        if action == "contest" and held.resolved != "block":
            raise TransitionRefused("only a block can be contested")
        changed = _with(held, after(_work(held), action, actor, now_ms, until_ms=until_ms))
        changed = self._resolved(case, changed, action, actor, now_ms, reason, sums=sums)
        if action in COMES_BACK or (action in LETS_GO and case.assignee == actor):
            changed = msgspec.structs.replace(changed, assignee=None)
        if back is not None and action in {"agree", "forgo"}:
            changed = opinions.restored(changed, back)
        if action not in VERDICTS and reason is not None:
            _write(connection, case, action, actor, now_ms, reason)
        self._leave(connection, case, changed, action, actor, now_ms)
        joined = members(connection, case, undone=action == "undo") if action in LEADS else []
        for member in joined:
            self._follow(connection, member, case, action, actor, now_ms, sums)
        if back is not None:
            opinions.record(connection, back, action, given, actor, now_ms)
        elif not joined:  # what speaks of several orders does not come back
            self._choose(connection, changed, action, opinion, now_ms)
        return changed

    def _meant(self, case: Case, action: Action, actor: str, back: Opinion | None, sums: Mapping[str, int]) -> Action:
        """What an action is on this case: a verdict may be a first look, or a second opinion."""
        if back is not None:
            return opinions.turned(back, action, actor)
        looked = action == "dismiss" and case.first_look is None and takes_two(self.policy, case, sums)
        return "second_look" if looked else action

    def _follow(
        self,
        connection: sa.Connection,
        member: Case,
        lead: Case,
        action: Action,
        actor: str,
        now_ms: int,
        sums: Mapping[str, int],
    ) -> None:
        """What was joined to a case goes with it, each order with a label, a decision and an audit entry of its own.

        An order that the policy has no default for stays behind, as a case of its own.
        """
        step: Action = "rejoin" if action == "undo" else "follow"
        if action == "default" and default_of(self.policy, member, lead, sums) is None:
            action = step = "part"
        changed = _with(member, after(_work(member), step, actor, now_ms))
        changed = self._resolved(member, changed, action, actor, now_ms, None, lead, sums)
        if action == "part":
            changed = msgspec.structs.replace(changed, lead=None, due_at_ms=lead.due_at_ms)
        self._leave(connection, member, changed, action, actor, now_ms)

    def _leave(
        self, connection: sa.Connection, case: Case, changed: Case, action: Action, actor: str, now_ms: int
    ) -> None:
        """The case as it is now, who did it, and what that puts into its places, or takes out of them."""
        change(connection, case, changed)
        if action in VERDICTS:
            consequences.set_off(connection, case, VERDICTS[action], now_ms, now_ms + self._leaves_ms)
            consequences.supersede(connection, changed, now_ms + self._leaves_ms)
        elif action == "default":
            consequences.supersede(connection, changed, now_ms)
        elif action == "undo":
            consequences.take_back(connection, case, now_ms)
        elif action == "unask":
            questions.take_back(connection, case, changed.holder or "", now_ms)
        note(connection, actor, action, now_ms, case.decision_id, fields(case, changed))

    def _choose(
        self, connection: sa.Connection, changed: Case, action: Action, opinion: Opinion | None, now_ms: int
    ) -> None:
        """Whether the verdict comes back; a case does so once."""
        if action == "undo" and opinion is not None:
            opinions.undone(connection, opinion)
        elif opinion is None and changed.verdict is not None and action in VERDICTS:
            opinions.choose(connection, self.policy, changed, now_ms + self._leaves_ms)

    def _resolved(
        self,
        case: Case,
        changed: Case,
        action: Action,
        actor: str,
        now_ms: int,
        reason: bytes | None,
        lead: Case | None = None,
        sums: Mapping[str, int] | None = None,
    ) -> Case:
        """With what the action says of the order, if anything; a case that comes back says nothing any more."""
        if action in VERDICTS:
            verdict = VERDICTS[action]
            return msgspec.structs.replace(
                changed, verdict=verdict, resolved=RESOLVED[verdict], decided_by=actor, reason=reason
            )
        if action == "default":
            default = default_of(self.policy, case, lead, sums)
            return msgspec.structs.replace(changed, resolved=default, decided_by=actor)
        if action == "undo":
            return msgspec.structs.replace(changed, **UNSAID)
        if action == "contest":
            due = due_at_ms(self.policy, case.outcome, now_ms)
            return msgspec.structs.replace(changed, **UNSAID, contested=True, due_at_ms=due, lead=None)
        if action == "reconsider":
            due = due_at_ms(self.policy, case.outcome, now_ms)
            return msgspec.structs.replace(changed, **UNSAID, due_at_ms=due)
        # Two people disagree about what holds already: it holds until a third has decided, however long that takes.
        return msgspec.structs.replace(changed, due_at_ms=None) if action == "disagree" else changed


def _write(connection: sa.Connection, case: Case, kind: str, actor: str, now_ms: int, body: bytes) -> None:
    row = {"case_id": case.decision_id, "at_ms": now_ms, "actor": actor, "kind": kind, "body": body}
    connection.execute(sa.insert(tables.notes).values(row))


def _work(case: Case) -> Work:
    return Work(
        state=case.status,
        holder=case.holder,
        until_ms=case.until_ms,
        decided_at_ms=case.decided_at_ms,
        due_at_ms=case.due_at_ms,
        escalated=case.escalated,
        first_look=case.first_look,
    )


def _with(case: Case, work: Work) -> Case:
    values = msgspec.structs.asdict(work)
    return msgspec.structs.replace(case, status=values.pop("state"), version=case.version + 1, **values)
