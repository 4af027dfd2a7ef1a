"""Downloads: the queue and the audit trail as CSV files, for the same fields as their pages take."""

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from review import exports, queue
from review.console.house import House
from review.console.overseeing import trail
from review.console.people import Person
from review.console.routes import Form, Way, refused, whole
from review.console.words import marked
from review.console.working import link
from review.sheets import sheet


class Made(msgspec.Struct, frozen=True):
    """A file, and the query by which the rows after its last are asked for; None where there are none."""

    body: bytes
    further: str | None


def queue_sheet(house: House, wanted: queue.Filter, actor: str) -> Made:
    found = exports.cases(house.engine, wanted, actor, house.clock(), exports.MOST)
    fields: Sequence[str] = sorted(msgspec.to_builtins(wanted))
    exports.record(house.engine, "queue.exported", actor, fields, len(found.rows), house.clock())
    further = link(wanted, after=found.after).partition("?")[2] if found.after else None
    return Made(sheet(exports.QueueRow, found.rows), further)


def audit_sheet(house: House, before: int | None, actor: str, *, law: bool) -> Made:
    """`law`: whether entries about requests of the law are among them."""
    found, older = trail(house.engine, before, law=law, most=exports.MOST)
    fields = () if before is None else ("before",)
    exports.record(house.engine, "audit.exported", actor, fields, len(found), house.clock())
    return Made(sheet(exports.TrailRow, exports.entries(found)), urlencode({"before": older}) if older else None)


def queue_file(house: House, request: Request, person: Person, _: Form) -> Response:
    try:
        wanted = queue.filtered(dict(request.query_params))
    except msgspec.ValidationError:
        return refused(house, request, person, 400, marked("There is no such filter."))
    return attached(house, request, "queue", queue_sheet(house, wanted, person.name))


def audit_file(house: House, request: Request, person: Person, _: Form) -> Response:
    before = whole(request.query_params, "before", -1, digits=18)
    if set(request.query_params) - {"before"} or ("before" in request.query_params and before < 0):
        return refused(house, request, person, 400, marked("There is no such filter."))
    made = audit_sheet(house, before if before >= 0 else None, person.name, law=person.may("law.read"))
    return attached(house, request, "audit", made)


def attached(house: House, request: Request, name: str, made: Made) -> Response:
    """Saved, never shown: its name says when it was made. Where there are further rows, a link leads on (RFC 8288)."""
    at = datetime.fromtimestamp(house.clock() / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {"content-disposition": f'attachment; filename="amana-{name}-{at}.csv"'}
    if made.further is not None:
        headers["link"] = f'<{request.url.path}?{made.further}>; rel="next"'
    return Response(made.body, headers=headers, media_type="text/csv")


WAYS = (
    Way("GET", "/queue.csv", queue_file, "queue.export"),
    Way("GET", "/audit.csv", audit_file, "audit.read"),
)
