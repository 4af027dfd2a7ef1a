"""A person asked to be erased: their key, all that it sealed and what they are found by, in one transaction.

With it a trigger is left for each case: partners are told to delete what they hold (sharing.projector).
"""

import sqlalchemy as sa

from history.database import reading
from review import tables
from review.access.store import note
from review.errors import ErasureRefused, UnknownCase
from review.store import erased
from sharing.tables import requests

# What a case keeps says what was ordered and decided, and of nobody in particular.
NAMES = ("envelope", "reason", "email_index", "phone_index", "card", "device", "last4")
BLANK = {**dict.fromkeys(NAMES), "withheld": "erased"}

_CASES, _TRIGGERS = tables.cases.c, tables.triggers.c


def cases_of(engine: sa.Engine, subject: str) -> tuple[str, ...]:
    """The decisions of all cases of a subject: what goes with any one of them."""
    with reading(engine) as connection:
        return _cases_of(connection, subject)


def subject_of(engine: sa.Engine, case_id: str) -> str:
    """Of an order's or a decision's case, with no more of the case than that. Raises UnknownCase."""
    query = sa.select(_CASES.subject).where(sa.or_(_CASES.decision_id == case_id, _CASES.order_id == case_id))
    with reading(engine) as connection:
        found: set[str] = set(connection.scalars(query))
    if len(found) != 1:
        raise UnknownCase("expected the id of an order or a decision that one customer has a case of")
    return found.pop()


def erase(engine: sa.Engine, subject: str, actor: str, now_ms: int, *, shares: bool) -> int:
    """Erase a subject for good; of how many cases. `shares`: whether the database has sharing's tables.

    Raises ErasureRefused while a request of the law names one of the cases and may still be answered.
    """
    with engine.begin() as connection:
        found = _cases_of(connection, subject)
        if _held(connection, found, now_ms, shares=shares):
            raise ErasureRefused("these data are held for now; privacy officers see in the console why")
        erased(connection, subject)
        connection.execute(sa.update(tables.cases).where(_CASES.subject == subject).values(BLANK))
        opinions = sa.update(tables.opinions).where(tables.opinions.c.case_id.in_(found))
        connection.execute(opinions.values(reason=None))
        connection.execute(sa.delete(tables.notes).where(tables.notes.c.case_id.in_(found)))
        for case_id in found:
            note(connection, actor, "erase", now_ms, case_id, ("subject_key", *BLANK, "notes"))
    return len(found)


def _cases_of(connection: sa.Connection, subject: str) -> tuple[str, ...]:
    query = sa.select(_CASES.decision_id).where(_CASES.subject == subject).order_by(_CASES.decision_id)
    return tuple(connection.scalars(query))


def _held(connection: sa.Connection, case_ids: tuple[str, ...], now_ms: int, *, shares: bool) -> bool:
    """Whether an authority has asked for them and was not answered: what it asked for must not vanish meanwhile."""
    waits = sa.select(_TRIGGERS.place).where(_TRIGGERS.kind == "requested", _TRIGGERS.decision_id.in_(case_ids))
    if connection.scalar(waits.limit(1)) is not None:
        return True
    undecided = requests.c.state.in_(("asked", "approved")), requests.c.expires_at_ms > now_ms
    asked = sa.select(requests.c.reference).where(requests.c.case_id.in_(case_ids), *undecided)
    return shares and connection.scalar(asked.limit(1)) is not None
