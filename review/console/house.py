"""What pages work with, handed to each of them: the stores, the keys, the clock, the templates."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from history.links import Links
from review.access.accounts import Language
from review.access.provider import Provider
from review.access.roles import permissions
from review.access.sessions import Random, csrf_of
from review.access.store import AccessStore
from review.access.tokens import Tokens
from review.cases import Case
from review.console.people import Cookies, Person
from review.console.returning import page_of
from review.console.words import LANGUAGES, Words
from review.desk import Desk
from review.law import Law
from review.opinions import unsaid
from review.store import CaseStore
from sharing.contracts import Contract
from vault.blind_index import BlindIndex
from vault.envelopes import Envelopes

TEMPLATES = Path(__file__).with_name("templates")


class House(NamedTuple):
    """`clock`: milliseconds since the epoch. `links` is None, `shares` false where the database has no such tables.

    `contracts` say what partners would get. `provider`: where people sign in elsewhere, if anywhere.
    `private`: the database as privacy officers' work reaches it, under a role of its own, None where that is not done
    here; `law` is None with it, and where there are no partners.
    """

    engine: sa.Engine
    access: AccessStore
    tokens: Tokens
    cases: CaseStore
    desk: Desk
    envelopes: Envelopes
    blind: BlindIndex
    clock: Callable[[], int]
    cookies: Cookies
    templates: Environment
    links: Links | None = None
    shares: bool = False
    contracts: tuple[Contract, ...] = ()
    provider: Provider | None = None
    private: sa.Engine | None = None
    law: Law | None = None

    def sealed(self, case: Case, what: str, text: str) -> bytes:
        """Words of a person's about a case, under its subject's key."""
        return self.envelopes.seal(case.subject, case.order_id, what, text.encode())

    def opened(self, case: Case, what: str, sealed: bytes) -> str:
        """Raises Erased where the subject's key is gone."""
        return self.envelopes.open(case.subject, case.order_id, what, sealed).decode()

    def page(
        self, request: Request, template: str, person: Person | None, code: int = 200, **values: object
    ) -> HTMLResponse:
        """A page in the person's language, or in the browser's."""
        words = Words(person.account.language if person else preferred(request))
        may = permissions(person.account.roles) if person else frozenset()
        token = person.token if person else self.cookies.token(request) or ""
        body = self.templates.get_template(template).render(
            **values, words=words, _=words.text, many=words.count, person=person, may=may,
            csrf=csrf_of(token), path=request.url.path, here=page_of(request), languages=LANGUAGES, now_ms=self.clock(),
        )  # fmt: skip
        return HTMLResponse(body, code, {"content-language": words.language, "vary": "cookie, accept-language"})


def furnished(
    engine: sa.Engine,
    envelopes: Envelopes,
    blind: BlindIndex,
    random: Random,
    clock: Callable[[], int],
    *,
    https: bool,
    contracts: Sequence[Contract] = (),
    provider: Provider | None = None,
    private: sa.Engine | None = None,
) -> House:
    there = set(sa.inspect(engine).get_table_names())
    return House(
        engine=engine,
        access=AccessStore(engine, random),
        tokens=Tokens(engine, random),
        cases=CaseStore(engine),
        desk=Desk(engine),
        envelopes=envelopes,
        blind=blind,
        clock=clock,
        cookies=Cookies(https),
        templates=environment(),
        links=Links(engine, unsaid) if "history_links" in there else None,
        shares="sharing_disclosures" in there,
        contracts=tuple(contracts),
        provider=provider,
        private=private,
        law=Law(private, random, contracts) if private and "sharing_requests" in there else None,
    )


def environment() -> Environment:
    """Escapes everything; a name that a page was not given is an error, not an empty place."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def preferred(request: Request) -> Language:
    """Arabic where the browser puts it before English (RFC 9110 12.5.4), else English."""
    ranked = []
    for place, entry in enumerate(request.headers.get("accept-language", "")[:200].split(",")):
        tag, _, quality = entry.strip().partition(";q=")
        weight = float(quality) if quality.replace(".", "", 1).isdecimal() else 1.0
        ranked.append((-weight, place, tag.lower()[:2]))
    return next(("ar" if tag == "ar" else "en" for _, _, tag in sorted(ranked) if tag in {"ar", "en"}), "en")
