"""What no page of ours sends: it is refused or read as nothing, and never an error of the server."""

import os
from collections.abc import Iterator

import httpx2
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from review.access.accounts import Account
from review.access.roles import PERMISSIONS
from review.console.api import BASE
from review.console.app import console
from review.console.house import House, furnished
from review.console.security import LARGEST_BODY
from review.opener import Vault, open_case
from tests.harness.site import Site
from tests.review.examples import NOW_MS, PASSWORD, decision
from tests.review.test_console import CASE, ORDER, post, sign_in

MANY = "9" * 5000


@pytest.fixture
def house(engine: sa.Engine, vault: Vault) -> House:
    house = furnished(engine, *vault, os.urandom, lambda: NOW_MS, https=False)
    roles = ("lead", "auditor")
    house.access.add(Account(username="lead", roles=roles, password=PASSWORD, language="ar"), "cli:root", NOW_MS)
    house.cases.take_in(open_case(decision(), ORDER, vault, NOW_MS))
    return house


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    with TestClient(console(house), follow_redirects=False) as client:
        sign_in(client, "lead")
        yield client


@pytest.mark.parametrize("version", [MANY, "²", "١", "-1", "1.0", ""])
def test_a_version_that_is_none_decides_nothing(client: TestClient, house: House, version: str) -> None:
    rows = {f"row.{CASE}": version, f"tick.{CASE}": "on"}
    assert post(client, "/bulk", verdict="dismiss", reason="known customer", **rows).status_code == 400
    assert post(client, "/bulk/undo", **rows).status_code == 400
    answer = post(client, f"/cases/{CASE}/dismiss", reason="known customer", version=version)
    assert answer.status_code == 409
    assert house.cases.get(CASE).version == 1


@pytest.mark.parametrize("number", [MANY, "²", "١", "-1", "9" * 18])
def test_numbers_in_addresses_that_are_none_do_no_harm(client: TestClient, number: str) -> None:
    addresses = [f"/audit?before={number}", f"/queue/live?since={number}", f"/cases/{CASE}/receipt?place={number}"]
    assert [client.get(address).status_code for address in addresses] == [200, 200, 404]
    assert client.get(f"/queue?after={number}").status_code == 400
    assert client.get("/sign-in", headers={"accept-language": f"ar;q={number[:99]}".encode()}).status_code == 200


def test_numbers_of_programs_that_are_none_are_refused(client: TestClient, house: House) -> None:
    bearer = {"authorization": f"Bearer {house.tokens.issue('lead', 'test', PERMISSIONS, 1, 'cli:root', NOW_MS)}"}
    assert client.get(f"{BASE}/audit?before={MANY}", headers=bearer).status_code == 400
    body = f'{{"action": "claim", "version": {MANY}}}'
    assert client.post(f"{BASE}/cases/{CASE}/actions", content=body, headers=bearer).status_code in {400, 409}
    body = f'{{"verdict": "dismiss", "reason": "known", "cases": [{{"decision_id": "{CASE}", "version": {MANY}}}]}}'
    answer = client.post(f"{BASE}/bulk", content=body, headers=bearer)
    assert answer.status_code == 400 or answer.json()["done"] == []


def test_a_body_that_is_too_large_is_refused_in_the_persons_language_and_to_programs_as_a_problem(
    client: TestClient,
) -> None:
    large = b"a" * (LARGEST_BODY + 1)
    page = client.post(f"/cases/{CASE}/notes", content=large)
    assert (page.status_code, '<html lang="ar"' in page.text, "64 KiB" in page.text) == (413, True, True)
    said = client.post(f"{BASE}/bulk", content=large)
    assert (said.status_code, said.headers["content-type"]) == (413, "application/problem+json")
    assert said.json()["status"] == 413


def test_a_bulk_without_a_tick_stands_there_as_it_was_filled_in(client: TestClient, house: House) -> None:
    fields = {"verdict": "dismiss", "reason": "a <b>known</b> customer", f"row.{CASE}": "1"}
    page = post(client, "/bulk?view=open&method=card", **fields)
    assert page.status_code == 400
    assert 'role="alert"' in page.text
    assert "a &lt;b&gt;known&lt;/b&gt; customer</textarea>" in page.text
    assert 'action="/bulk?method=card"' in page.text
    short = post(client, "/bulk", **fields | {"reason": "x", f"tick.{CASE}": "on"})
    assert f'name="tick.{CASE}" checked' in short.text
    assert house.cases.get(CASE).version == 1


def test_an_error_of_ours_says_that_its_connection_ends_and_the_next_request_is_answered(house: House) -> None:
    def broken() -> int:
        raise RuntimeError("no time")

    with Site(console(house._replace(clock=broken))) as site, httpx2.Client(base_url=site.url) as browser:
        browser.cookies.set("amana", "x")
        for _ in range(3):
            answer = browser.get("/queue")
            assert (answer.status_code, answer.headers["connection"]) == (500, "close")
        assert browser.get("/static/console.css").status_code == 200
