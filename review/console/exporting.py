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


class File(msgspec.Struct, frozen=True):
    """`further`: the query by which the rows after its last are asked for; None where there are none."""

    name: str
    body: bytes
    further: str | None


def queue_sheet(house: House, wanted: queue.Filter, actor: str) -> File:
    found = exports.cases(house.engine, wanted, actor, house.clock(), exports.MOST)
    fields: Sequence[str] = sorted(msgspec.to_builtins(wanted))
    exports.record(house.engine, "queue.exported", actor, fields, house.clock())
    further = link(wanted, after=found.after).partition("?")[2] if found.after else None
    return File(_named(house, "queue"), sheet(exports.QueueRow, found.rows), further)


def audit_sheet(house: House, before: int | None, actor: str, *, law: bool) -> File:
    """`law`: whether entries about requests of the law are among them."""
    found, older = trail(house.engine, before, law=law, most=exports.MOST)
    fields = () if before is None else ("before",)
    exports.record(house.engine, "audit.exported", actor, fields, house.clock())
    further = urlencode({"before": older}) if older is not None else None
    return File(_named(house, "audit"), sheet(exports.TrailRow, exports.entries(found)), further)


def _named(house: House, name: str) -> str:
    """By what it holds, and when that was so."""
    return datetime.fromtimestamp(house.clock() / 1000, UTC).strftime(f"amana-{name}-%Y%m%dT%H%M%SZ.csv")


def queue_file(house: House, request: Request, person: Person, _: Form) -> Response:
    try:
        wanted = queue.filtered(dict(request.query_params))
    except msgspec.ValidationError:
        return refused(house, request, person, 400, marked("There is no such filter."))
    return attached(request, queue_sheet(house, wanted, person.name))


def audit_file(house: House, request: Request, person: Person, _: Form) -> Response:
    before = whole(request.query_params, "before", -1, digits=18)
    if set(request.query_params) - {"before"} or ("before" in request.query_params and before < 0):
        return refused(house, request, person, 400, marked("There is no such filter."))
    made = audit_sheet(house, before if before >= 0 else None, person.name, law=person.may("law.read"))
    return attached(request, made)


def attached(request: Request, made: File) -> Response:
    """Saved, never shown. Where there are further rows, a link leads on (RFC 8288)."""
    headers = {"content-disposition": f'attachment; filename="{made.name}"'}
    if made.further is not None:
        headers["link"] = f'<{request.url.path}?{made.further}>; rel="next"'
    return Response(made.body, headers=headers, media_type="text/csv")


WAYS = (
    Way("GET", "/queue.csv", queue_file, "queue.export"),
    Way("GET", "/audit.csv", audit_file, "audit.read"),
)
