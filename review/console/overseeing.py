"""The overview and the audit trail: how the queue stands, and who did what."""

from typing import Any

import msgspec
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from history.database import reading
from review import tables
from review.console.beside import MODES
from review.console.house import House
from review.console.people import Person
from review.console.routes import Form, Way, whole
from review.console.trails import ACTIONS
from review.exports import MOST
from review.health import Health, health
from review.law import TRAIL as OF_LAW
from review.overview import AGES_H, overview

TRAIL = 100


def overview_page(house: House, request: Request, person: Person, _: Form) -> Response:
    return house.page(
        request,
        "overview.html",
        person,
        said=overview(house.engine, house.clock()),
        ages_h=AGES_H,
        health=health_of(house, law=person.may("law.read")),
        modes=MODES,
    )


def health_of(house: House, *, law: bool) -> Health:
    """`law`: with partners of law enforcement, of which others are told nothing."""
    partners = {each.partner for each in house.contracts if law or each.kind != "law_enforcement"}
    return health(house.engine, indexed=house.links is not None, partners=partners if house.shares else ())


def audit_page(house: House, request: Request, person: Person, _: Form) -> Response:
    given = whole(request.query_params, "before", -1, digits=18)
    before = given if given >= 0 else None
    entries, older = trail(house.engine, before, law=person.may("law.read"))
    return house.page(
        request, "audit.html", person, entries=entries, older=older, before=before, named=ACTIONS, most=MOST
    )


def trail(
    engine: sa.Engine, before: int | None, *, law: bool, most: int = TRAIL
) -> tuple[list[dict[str, Any]], int | None]:
    """The newest entries, or those older than a place; and the place that older ones are before, None at the end.

    `law`: whether those about requests of the law are among them.
    """
    query = sa.select(tables.audit).order_by(tables.audit.c.place.desc()).limit(most + 1)
    if before is not None:
        query = query.where(tables.audit.c.place < before)
    if not law:
        query = query.where(tables.audit.c.action.not_like(f"{OF_LAW}%"))
    with reading(engine) as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
    entries = [row | {"fields": tuple(msgspec.json.decode(row["fields"], type=list[str]))} for row in rows[:most]]
    return entries, entries[-1]["place"] if len(rows) > most else None


WAYS = (
    Way("GET", "/overview", overview_page, "overview.read"),
    Way("GET", "/audit", audit_page, "audit.read"),
)
