"""Who asks: a request's session, the person behind it, and whether a form came from our own page."""

import hmac
from collections.abc import Mapping
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from review.access.accounts import Account
from review.access.roles import Permission, permissions
from review.access.sessions import LONGEST_MS, csrf_of

FIELD = "csrf"


class Person(NamedTuple):
    """`token` is the session's, as it goes on from this request."""

    account: Account
    token: str

    @property
    def name(self) -> str:
        return self.account.username

    def may(self, permission: Permission) -> bool:
        return permission in permissions(self.account.roles)


class Cookies(NamedTuple):
    """A cookie with the `__Host-` prefix is taken by browsers from https alone, for one host and path (RFC 6265bis)."""

    https: bool

    @property
    def name(self) -> str:
        return "__Host-amana" if self.https else "amana"

    def token(self, request: Request) -> str | None:
        return request.cookies.get(self.name)

    def give(self, response: Response, token: str) -> None:
        response.set_cookie(
            self.name, token, max_age=LONGEST_MS // 1000, path="/", secure=self.https, httponly=True, samesite="lax"
        )

    def take_back(self, response: Response) -> None:
        response.delete_cookie(self.name, path="/", secure=self.https, httponly=True, samesite="lax")


def ours(request: Request, token: str, form: Mapping[str, object]) -> bool:
    """Whether a form comes from a page of ours: it has the session's mark, and the browser names no other site."""
    mark = form.get(FIELD)
    if not isinstance(mark, str) or not hmac.compare_digest(mark.encode(), csrf_of(token).encode()):
        return False
    return same_site(request)


def same_site(request: Request) -> bool:
    """What the browser itself says of where a form was sent from (Fetch Metadata); silence is left to the cookie."""
    return request.headers.get("sec-fetch-site", "same-origin") in {"same-origin", "none"}
