"""Filters that people keep, and what changes on the queue's page without a reload."""

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from review import filters, queue
from review.console.house import House
from review.console.people import Person
from review.console.routes import Form, Way, refused, whole
from review.console.words import Words, marked
from review.console.working import link
from review.errors import Unfit

LONGEST_NAME, MOST = 40, 20


def keep(house: House, request: Request, person: Person, form: Form) -> Response:
    """The filter is read and written anew: nothing is kept that is none."""
    names = set(queue.Filter.__struct_fields__) - {"after"}
    try:
        wanted = queue.filtered({name: form.get(name, "") for name in names})
    except msgspec.ValidationError:
        return refused(house, request, person, 400, marked("There is no such filter."))
    name, address = " ".join(form.get("name", "").split()), link(wanted)
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise Unfit(marked("The name of a filter has 1 to 40 characters."))
    if len({each.name for each in filters.kept(house.engine, person.name)} | {name}) > MOST:
        raise Unfit(marked("You have 20 saved filters already. Forget one first."))
    filters.keep(house.engine, person.name, name, address.partition("?")[2], house.clock())
    return RedirectResponse(address, 303)


def forget(house: House, _request: Request, person: Person, form: Form) -> Response:
    filters.forget(house.engine, person.name, form.get("name", ""), house.clock())
    return RedirectResponse("/queue", 303)


def live(house: House, request: Request, person: Person, _: Form) -> Response:
    """The views' counts and what came since the page was made, as the page shows them."""
    words, since_ms = Words(person.account.language), whole(request.query_params, "since", -1, digits=15)
    new = queue.newer(house.engine, since_ms) if since_ms >= 0 else 0
    found = queue.counts(house.engine, person.name, now_ms=house.clock())
    counts = {view: shown(words, number) for view, number in found.items()}
    said = words.count("{number} new case", "{number} new cases", new) if new else ""
    return JSONResponse({"counts": counts, "said": said})


def shown(words: Words, number: int) -> str:
    return words.number(number) + ("+" if number >= queue.COUNTED else "") if number else ""


WAYS = (
    Way("GET", "/queue/live", live, "queue.read"),
    Way("POST", "/filters", keep, "queue.read"),
    Way("POST", "/filters/forget", forget, "queue.read"),
)
