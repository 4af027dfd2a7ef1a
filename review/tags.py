"""Tags of cases: words from a list that the policy closes, so that nobody writes a customer's data into one.

A tag is put or taken off as it is pressed, whatever else happens to its case: it is no part of the case's version.
"""

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from history.database import reading
from review import tables
from review.access.store import note
from review.errors import Unfit
from review.policy import Policy
from review.store import INSERTS

_HELD = tables.tags.c
NONE = "There is no such tag."  # the console says it in its languages


def having(tag: str) -> sa.Select[str]:
    """The cases that have it."""
    return sa.select(_HELD.case_id).where(_HELD.tag == tag, ~_kept_back())


def _kept_back() -> sa.ColumnElement[bool]:
    """What was put before the case came back for a second opinion: it might tell of the first (review.opinions)."""
    asked = tables.opinions.c
    back = (asked.case_id == _HELD.case_id, asked.state == "asked", asked.from_ms > _HELD.put_at_ms)
    return sa.exists(sa.select(sa.literal(1)).where(*back))


def of(engine: sa.Engine, case_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Each case's, by name; none for a case that has none."""
    found: dict[str, tuple[str, ...]] = dict.fromkeys(case_ids, ())
    shown = (_HELD.case_id.in_(case_ids), ~_kept_back())
    query = sa.select(_HELD.case_id, _HELD.tag).where(*shown).order_by(_HELD.tag)
    with reading(engine) as connection:
        for case_id, tag in connection.execute(query):
            found[case_id] += (tag,)
    return found


def change(
    engine: sa.Engine,
    policy: Policy,
    case_id: str,
    actor: str,
    now_ms: int,
    *,
    put: Collection[str] = (),
    off: Collection[str] = (),
) -> None:
    """Put tags on a case and take others off; what is so already stays. Raises Unfit for what is in no list.

    One that the policy names no more can still be taken off.
    """
    if not set(put) <= set(policy.tags) or set(put) & set(off):
        raise Unfit(NONE)
    # In one order everywhere, so that two who put the same ones wait for each other and never deadlock.
    rows = [{"case_id": case_id, "tag": tag, "put_at_ms": now_ms} for tag in sorted(set(put))]
    statement = INSERTS[engine.dialect.name](tables.tags).on_conflict_do_nothing().returning(_HELD.tag)
    of_case = sa.delete(tables.tags).where(_HELD.case_id == case_id)
    taken = of_case.where(_HELD.tag.in_(off), ~_kept_back())
    put_anew = of_case.where(_HELD.tag.in_(put), _kept_back())
    with engine.begin() as connection:
        connection.execute(put_anew)
        changed = connection.execute(taken).rowcount > 0
        if rows and connection.scalars(statement, rows).all():
            changed = True
        if changed:
            note(connection, actor, "tag", now_ms, case_id, ["tags"])
