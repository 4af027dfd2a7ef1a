"""The overview and the audit trail: how the queue stands, and who did what."""

import msgspec
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from review import tables
from review.console.house import House
from review.console.people import Person
from review.console.routes import Form, Way
from review.overview import AGES_H, overview

TRAIL = 100


def overview_page(house: House, request: Request, person: Person, _: Form) -> Response:
    return house.page(request, "overview.html", person, said=overview(house.engine, house.clock()), ages_h=AGES_H)


def audit_page(house: House, request: Request, person: Person, _: Form) -> Response:
    """The newest entries; older ones by the place of the last."""
    before = request.query_params.get("before", "")
    query = sa.select(tables.audit).order_by(tables.audit.c.place.desc()).limit(TRAIL + 1)
    if before.isascii() and before.isdecimal() and len(before) < 19:
        query = query.where(tables.audit.c.place < int(before))
    with house.engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
    entries = [row | {"fields": msgspec.json.decode(row["fields"], type=list[str])} for row in rows[:TRAIL]]
    older = entries[-1]["place"] if len(rows) > TRAIL else None
    return house.page(request, "audit.html", person, entries=entries, older=older)


WAYS = (
    Way("GET", "/overview", overview_page, "overview.read"),
    Way("GET", "/audit", audit_page, "audit.read"),
)
