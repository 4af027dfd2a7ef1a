"""Who signs in anew or changes the language is back on the page that they were on, never on an address of a form."""

import os
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from review.access.accounts import Account
from review.console.app import WAYS, console
from review.console.house import House, furnished
from review.opener import Vault, open_case
from tests.review.examples import NOW_MS, PASSWORD, decision
from tests.review.test_console import CASE, post, sign_in
from tests.sharing.orders import ORDER


@pytest.fixture
def house(engine: sa.Engine, vault: Vault) -> House:
    house = furnished(engine, *vault, os.urandom, lambda: NOW_MS, https=False)
    house.access.add(Account(username="analyst", roles=("analyst",), password=PASSWORD), "cli:root", NOW_MS)
    house.cases.take_in(open_case(decision(), ORDER, vault, NOW_MS))
    return house


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    with TestClient(console(house), follow_redirects=False) as client:
        yield client


def then(answer: httpx2.Response) -> str:
    return parse_qs(urlsplit(answer.headers["location"]).query)["next"][0]


def language_next(page: httpx2.Response) -> str:
    found = re.search(r'action="/language">.*?name="next" value="([^"]*)"', page.text, re.DOTALL)
    assert found is not None
    return found[1].replace("&amp;", "&")


@pytest.mark.parametrize(
    ("path", "page"),
    [
        (f"/cases/{CASE}/dismiss", f"/cases/{CASE}"),
        (f"/cases/{CASE}/reveal", f"/cases/{CASE}"),
        (f"/cases/{CASE}/notes", f"/cases/{CASE}"),
        (f"/cases/{CASE}/erase", f"/cases/{CASE}/erase"),
        ("/requests/LE-1/approve", "/requests/LE-1"),
        ("/queue/next", "/queue"),
        ("/search", "/search"),
        ("/filters/forget", "/"),
    ],
)
def test_a_form_sent_after_the_session_ended_leads_by_the_sign_in_to_its_page(
    client: TestClient, path: str, page: str
) -> None:
    assert then(client.post(path, data={"reason": "known customer"})) == page


def test_every_form_leads_to_an_address_that_is_no_form(client: TestClient) -> None:
    values = {"case_id": CASE, "action": "claim", "reference": "LE-1"}
    pages = [then(client.post(way.path.format(**values))) for way in WAYS if way.method == "POST"]
    sign_in(client)
    assert {client.get(page).status_code for page in pages} <= {200, 303, 403}, "403: another role's page"


def test_the_filter_of_a_queue_survives_the_sign_in_and_another_language(client: TestClient) -> None:
    filtered = "/queue?view=open&country=SA"
    assert then(client.get(filtered)) == filtered
    sign_in(client)
    assert language_next(client.get(filtered)) == filtered
    assert post(client, "/language", language="ar", next=filtered).headers["location"] == filtered


def test_another_language_on_what_a_form_answered_leads_to_a_page(client: TestClient) -> None:
    sign_in(client)
    shown = post(client, f"/cases/{CASE}/reveal", field="email", why="to call back")
    assert (shown.status_code, language_next(shown)) == (200, f"/cases/{CASE}")
    assert language_next(post(client, "/search", by="order", value="ord-1")) == "/search"
    refused = post(client, f"/cases/{CASE}/dismiss", reason="no", version="1")
    assert (refused.status_code, language_next(refused)) == (400, f"/cases/{CASE}")
