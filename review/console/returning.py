"""Where a person is led back to: after signing in anew, or choosing a language, on the page that they were on."""

from starlette.requests import Request
from starlette.routing import Route


def page_of(request: Request) -> str:
    """The address of the page that a request was made on, with its query: of a form sent away the nearest page above.

    So `/cases/1/dismiss` was sent from `/cases/1`; where there is no page above, `/` leads home.
    """
    path, query = request.url.path, request.url.query
    if request.method in {"GET", "HEAD"}:
        return f"{path}?{query}" if query else path
    pages = [route for route in request.app.routes if isinstance(route, Route) and "GET" in (route.methods or ())]
    while path != "/" and not any(page.path_regex.match(path) for page in pages):
        path = path.rpartition("/")[0] or "/"
    return path
