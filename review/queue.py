"""The queue: which cases, the most valuable first, a page at a time by where the last one ended.

A place is the last row's priority and id, not a count of rows: a page deep in a million cases costs what the first does
(keyset pagination), and cases that come meanwhile shift nothing.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from history.database import reading
from models.decisions import Outcome
from review import tables, tags
from review.cases import Case
from review.policy import Tag
from review.store import case_of
from review.waiting import MOST_VALUABLE_FIRST, OPEN, UNDECIDED

View = Literal["open", "mine", "assigned", "snoozed", "waiting", "escalated", "overdue", "decided"]
Place = Annotated[str, Meta(pattern=r"^-?[0-9]{1,17}(\.[0-9]{1,17})?(e[+-][0-9]{1,3})? [!-~]{1,96}$(?!\n)")]
PAGE = 50
COUNTED = 1000

_CASES = tables.cases.c
ALL = tuple(tables.cases.c)


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a link to the queue may say: nothing in it names a person. Fields that are None do not matter."""

    view: View = "open"
    outcome: Outcome | None = None
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}$(?!\n)")] | None = None
    method: Annotated[str, Meta(pattern=r"^[a-z_]{1,16}$(?!\n)")] | None = None
    tag: Tag | None = None
    after: Place | None = None


class QueuePage(msgspec.Struct, frozen=True):
    """`after` is the next page's place, None where this is the last."""

    cases: tuple[Case, ...]
    after: str | None


def filtered(values: dict[str, str]) -> Filter:
    """A link's fields as a filter; empty ones do not matter. Raises msgspec.ValidationError for what is none."""
    return msgspec.convert({name: value for name, value in values.items() if value}, Filter, strict=False)


def page(
    engine: sa.Engine,
    wanted: Filter,
    person: str,
    limit: int = PAGE,
    *,
    now_ms: int = 0,
    columns: Sequence[sa.Column[Any]] = ALL,
) -> QueuePage:
    """`now_ms` is what a case is overdue by. `columns`: what is read of the cases; the rest of them stays empty."""
    found: list[Case] = []
    with reading(engine) as connection:
        for part in _after(wanted.after):
            rows = sa.select(*columns).where(*_conditions(wanted, person, now_ms), *part)
            rows = rows.order_by(*MOST_VALUABLE_FIRST).limit(limit + 1 - len(found))
            found += [case_of(row) for row in connection.execute(rows).mappings()]
    return QueuePage(tuple(found[:limit]), _place(found[limit - 1]) if len(found) > limit else None)


def counts(engine: sa.Engine, person: str, *, now_ms: int = 0) -> dict[View, int]:
    """How many cases each view has, up to 1,000: counting further would cost more than it says."""
    views: Sequence[View] = ("open", "mine", "assigned", "snoozed", "waiting", "escalated", "overdue")
    counted = sa.select(*(_count(Filter(view=view), person, now_ms).label(view) for view in views))
    with reading(engine) as connection:
        return dict(connection.execute(counted).mappings().one())


def newer(engine: sa.Engine, since_ms: int) -> int:
    """How many open cases came after a moment, as far as `counts` counts."""
    some = sa.select(sa.literal(1)).where(OPEN, _CASES.opened_at_ms > since_ms).limit(COUNTED)
    with reading(engine) as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(some.subquery())).scalar_one()


def _count(wanted: Filter, person: str, now_ms: int) -> sa.ScalarSelect[int]:
    some = sa.select(sa.literal(1)).select_from(tables.cases).where(*_conditions(wanted, person, now_ms))
    return sa.select(sa.func.count()).select_from(some.limit(COUNTED).subquery()).scalar_subquery()


def _conditions(wanted: Filter, person: str, now_ms: int) -> list[sa.ColumnElement[bool]]:
    conditions = list(_of_view(wanted.view, person, now_ms))
    asked = ((_CASES.outcome, wanted.outcome), (_CASES.country, wanted.country), (_CASES.method, wanted.method))
    conditions += [column == value for column, value in asked if value is not None]
    if wanted.tag is not None:
        conditions.append(_CASES.decision_id.in_(tags.having(wanted.tag)))
    return conditions


def _after(place: str | None) -> Sequence[tuple[sa.ColumnElement[bool], ...]]:
    """What comes after a place, in two parts: each is one range of the index, which their union would not be."""
    if place is None:
        return ((),)
    priority, decision_id = _read(place)
    return (_CASES.priority == priority, _CASES.decision_id > decision_id), (_CASES.priority < priority,)


def _of_view(view: View, person: str, now_ms: int) -> tuple[sa.ColumnElement[bool], ...]:
    if view == "mine":
        return (_CASES.status == "claimed", _CASES.holder == person)
    if view == "assigned":
        return (UNDECIDED, _CASES.assignee == person)
    if view == "escalated":
        return (OPEN, _CASES.escalated)
    if view == "overdue":
        return (UNDECIDED, _CASES.due_at_ms <= now_ms)
    if view == "open":
        return (OPEN,)
    return (_CASES.status == view,)


def _place(case: Case) -> str:
    return f"{case.priority!r} {case.decision_id}"


def _read(place: str) -> tuple[float, str]:
    priority, _, decision_id = place.partition(" ")
    return float(priority), decision_id
