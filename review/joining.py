"""Related flagged orders become one case: the first leads, those that come after are joined to it and go with it.

An order is joined to a case that waits for somebody and is of the same customer, card or device, directly or by an
order that was joined to it before. What somebody holds, has looked at, or was contested is left alone: a verdict speaks
only of what was seen.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from history.database import reading
from review import tables
from review.access.store import note
from review.cases import Case
from review.opinions import STANDING
from review.policy import HOUR_MS, POLICY, Policy
from review.store import CaseStore, case_of, change, keep, row_of
from review.waiting import UNDECIDED
from review.workflow import TRANSITIONS
from sharing.projecting import begun

OPENER = "opener"
SAME: Sequence[str] = ("subject", "card", "device")  # what makes two orders one entity's
LOOKED_AT = 1000  # cases of a chunk's entities; an entity that has more is joined to the newest

_CASES = tables.cases.c
Entity = tuple[str, str]  # what kind it is of, and which


class Joined(msgspec.Struct, frozen=True):
    """How many orders a case has, its own among them, and their amounts (minor units) by currency."""

    orders: int
    amounts: Mapping[str, int]


class JoiningStore(CaseStore):
    """The case database for who opens cases. Of one entity one opener at a time joins; others do not wait."""

    def __init__(self, engine: sa.Engine, policy: Policy = POLICY) -> None:
        super().__init__(engine)
        self._policy = policy

    def take_in_all(self, cases: Iterable[Case]) -> int:
        new = sorted(cases, key=lambda case: case.decision_id)
        if not new:
            return 0
        with begun(self._engine) as connection:
            _alone(connection, sorted({entity for case in new for entity in _entities(case)}))
            kept = keep(connection, [row_of(case) for case in new])
            _join(connection, [case for case in new if case.decision_id in kept], self._policy)
        return len(kept)


def members(connection: sa.Connection, lead: Case, *, undone: bool = False) -> list[Case]:
    """The orders that are joined to a case; or, of a decided one, those that were decided with it."""
    condition = _CASES.status == "joined"
    if undone:
        condition = sa.and_(
            _CASES.status == "decided", _CASES.decided_at_ms == lead.decided_at_ms, _CASES.holder == lead.holder
        )
    query = sa.select(tables.cases).where(_CASES.lead == lead.decision_id, condition).order_by(_CASES.decision_id)
    return [case_of(row) for row in connection.execute(query).mappings()]


def orders_of(engine: sa.Engine, case: Case) -> list[Case]:
    """All orders of a case, its own first, whether they were decided or not; of a joined one, those of its lead."""
    lead = case.lead or case.decision_id
    named = sa.or_(_CASES.decision_id == lead, _CASES.lead == lead)
    query = sa.select(tables.cases).where(named).order_by(_CASES.lead.is_not(None), _CASES.opened_at_ms)
    with reading(engine) as connection:
        return [case_of(row) for row in connection.execute(query.order_by(_CASES.decision_id)).mappings()]


def groups(engine: sa.Engine, cases: Sequence[Case]) -> dict[str, Joined]:
    """`together`, for a page."""
    with reading(engine) as connection:
        return together(connection, cases)


def together(connection: sa.Connection, cases: Sequence[Case]) -> dict[str, Joined]:
    """Of those cases, the ones that other orders are, or were, joined to."""
    count, amount = sa.func.count(), sa.func.sum(_CASES.amount_minor)
    leads = [case.decision_id for case in cases]
    query = sa.select(_CASES.lead, _CASES.currency, count, amount).where(_CASES.lead.in_(leads))
    found: dict[str, Joined] = {}
    own = {case.decision_id: alone(case) for case in cases}
    for lead, currency, orders, total in connection.execute(query.group_by(_CASES.lead, _CASES.currency)):
        before = found.get(lead, own[lead])
        sums = dict(before.amounts)
        if currency is not None and total is not None:
            sums[currency] = sums.get(currency, 0) + int(total)
        found[lead] = Joined(before.orders + orders, sums)
    return found


def amounts(connection: sa.Connection, case: Case) -> Mapping[str, int]:
    """What a verdict on the case is about, by currency: its own order's and those of all that are joined to it."""
    return together(connection, [case]).get(case.decision_id, alone(case)).amounts


def alone(case: Case) -> Joined:
    """Of a case that nothing is joined to."""
    return Joined(1, {} if case.currency is None or case.amount_minor is None else {case.currency: case.amount_minor})


def _entities(case: Case) -> list[Entity]:
    return [(name, getattr(case, name)) for name in SAME if getattr(case, name) is not None]


def _alone(connection: sa.Connection, entities: Sequence[Entity]) -> None:
    """Whoever else takes in orders of these entities comes after us; in one order everywhere, so nobody deadlocks."""
    if connection.dialect.name != "postgresql":
        return  # SQLite's transactions that write come one after another
    keys = sorted({int.from_bytes(hashlib.sha256(f"{kind} {value}".encode()).digest()[:7]) for kind, value in entities})
    lock = sa.select(sa.func.pg_advisory_xact_lock(sa.func.unnest(sa.cast(keys, sa.ARRAY(sa.BigInteger)))))
    connection.execute(lock).all()


def _join(connection: sa.Connection, new: Sequence[Case], policy: Policy) -> None:
    if not new or policy.join_h == 0:
        return
    joiner = _Joiner(connection, new, policy)
    for case in sorted(new, key=lambda each: (each.opened_at_ms, each.decision_id)):
        joiner.place(case)
    joiner.write()


class _Joiner:
    """One chunk of new cases, and what is there of their entities."""

    def __init__(self, connection: sa.Connection, new: Sequence[Case], policy: Policy) -> None:
        self._connection = connection
        self._window_ms = policy.join_h * HOUR_MS
        self._most = policy.join_most
        self._before: dict[str, Case] = {case.decision_id: case for case in new}
        self._now = dict(self._before)
        self._orders: dict[str, int] = {}  # of each case that leads
        self._leads: dict[Entity, set[str]] = {}  # of each entity
        self._changed: set[str] = set()
        self._look(new)

    def _look(self, new: Sequence[Case]) -> None:
        there = _there(self._connection, new, min(case.opened_at_ms for case in new) - self._window_ms)
        named = {row.lead or row.decision_id for row in there} - self._before.keys()
        leads = {case.decision_id: case for case in _joinable(self._connection, sorted(named))}
        self._before |= leads
        self._now |= leads
        self._orders = {each: joined.orders for each, joined in together(self._connection, [*leads.values()]).items()}
        for row in there:
            lead = row.lead or row.decision_id
            if lead in leads:
                self._lead(lead, [(name, getattr(row, name)) for name in SAME if getattr(row, name) is not None])

    def _lead(self, lead: str, entities: Iterable[Entity]) -> None:
        for entity in entities:
            self._leads.setdefault(entity, set()).add(lead)

    def place(self, case: Case) -> None:
        """Under the oldest case that has room for it; where there is none, it leads."""
        near = {lead for entity in _entities(case) for lead in self._leads.get(entity, ())}
        fit = [self._now[lead] for lead in near if self._fits(self._now[lead], case)]
        lead = min(fit, key=lambda each: (each.opened_at_ms, each.decision_id), default=case)
        self._lead(lead.decision_id, _entities(case))
        if lead is not case:
            self._put(lead, case)

    def _fits(self, lead: Case, case: Case) -> bool:
        room = self._orders.get(lead.decision_id, 1) < self._most
        return room and case.opened_at_ms - lead.opened_at_ms <= self._window_ms

    def _put(self, lead: Case, case: Case) -> None:
        self._orders[lead.decision_id] = self._orders.get(lead.decision_id, 1) + 1
        self._now[lead.decision_id] = msgspec.structs.replace(
            lead, priority=lead.priority + case.priority, due_at_ms=_sooner(lead.due_at_ms, case.due_at_ms)
        )
        member = {"status": TRANSITIONS["open", "join"], "lead": lead.decision_id, "due_at_ms": None}
        self._now[case.decision_id] = msgspec.structs.replace(case, **member)
        self._changed |= {lead.decision_id, case.decision_id}

    def write(self) -> None:
        """A case's version rises with each order, so that nobody decides what an older page did not show."""
        for each in sorted(self._changed):
            before = self._before[each]
            changed = msgspec.structs.replace(self._now[each], version=before.version + 1)
            change(self._connection, before, changed)
            note(self._connection, OPENER, "join", _latest(self._now), each, fields(before, changed))


def _there(connection: sa.Connection, new: Sequence[Case], since_ms: int) -> Sequence[Any]:
    """What waits of the new cases' entities, on its own or joined to something."""
    columns = [_CASES[name] for name in ("decision_id", "lead", *SAME)]
    same = sa.or_(*(_CASES[name].in_(sorted(_values(new, name))) for name in SAME if _values(new, name)))
    waits = (UNDECIDED, _CASES.status.in_(("open", "joined")), _CASES.opened_at_ms >= since_ms)
    newest = (_CASES.opened_at_ms.desc(), _CASES.decision_id)
    return connection.execute(sa.select(*columns).where(*waits, same).order_by(*newest).limit(LOOKED_AT)).all()


def _values(cases: Sequence[Case], name: str) -> set[str]:
    return {getattr(case, name) for case in cases} - {None}


def _joinable(connection: sa.Connection, ids: Sequence[str]) -> list[Case]:
    """Ours until the transaction ends; what somebody just takes is not waited for."""
    held = tables.opinions.c
    back = sa.select(held.case_id).where(held.state.in_(STANDING), held.case_id == _CASES.decision_id).exists()
    unseen = (_CASES.status == "open", _CASES.first_look.is_(None), sa.not_(_CASES.contested), ~back)
    query = sa.select(tables.cases).where(_CASES.decision_id.in_(ids), *unseen).order_by(_CASES.decision_id)
    locked = query.with_for_update(skip_locked=True, of=tables.cases)
    return [case_of(row) for row in connection.execute(locked).mappings()]


def _sooner(one: int | None, other: int | None) -> int | None:
    return min((each for each in (one, other) if each is not None), default=None)


def _latest(cases: Mapping[str, Case]) -> int:
    return max(case.opened_at_ms for case in cases.values())


def fields(before: Case, changed: Case) -> Sequence[str]:
    """The names of what changed, for the audit trail."""
    return [
        name for name in Case.__struct_fields__ if name != "version" and getattr(before, name) != getattr(changed, name)
    ]
