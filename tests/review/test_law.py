"""Requests of the law on pages: entered by one privacy officer, approved by two others, seen by nobody else."""

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

import review.tables
import sharing.tables
from review.access.roles import PERMISSIONS
from review.console.app import console
from review.console.house import House
from review.opener import Vault
from tests.review.examples import NOW_MS
from tests.review.officers import CASE, Browser, browser, partnered, trail

REFERENCE = "LE-2026-0042"
PAGE = f"/requests/{REFERENCE}"
ASKED = {
    "reference": REFERENCE, "case": "ord-1", "basis": "Anti-Cyber Crime Law, article 6, order 42", "days": "14",
    "field.name": "1", "field.email": "1",
}  # fmt: skip
REQUESTED = ("requested", CASE, REFERENCE)


@pytest.fixture
def house(engine: sa.Engine, vault: Vault) -> House:
    return partnered(engine, vault)


@pytest.fixture
def noura(house: House) -> Iterator[Browser]:
    with browser(house, "noura") as noura:
        yield noura


def moves(house: House, name: str, *actions: str) -> list[httpx2.Response]:
    with browser(house, name) as officer:
        return [officer.post(f"{PAGE}/{action}") for action in actions]


def requested(house: House) -> list[tuple[str, str, str]]:
    held = review.tables.triggers.c
    with house.engine.connect() as connection:
        rows = connection.execute(sa.select(held.kind, held.decision_id, held.reference).order_by(held.place))
        return [tuple(row) for row in rows if row[0] == "requested"]


def state(house: House) -> str | None:
    with house.engine.connect() as connection:
        return connection.scalar(sa.select(sharing.tables.requests.c.state))


def test_one_enters_two_others_approve_and_then_it_is_answered(house: House, noura: Browser) -> None:
    assert noura.post("/requests", **ASKED).headers["location"] == PAGE
    (first,) = moves(house, "saud", "approve")
    assert (first.status_code, state(house)) == (303, "asked")
    (second,) = moves(house, "layla", "approve")
    assert (second.status_code, state(house), requested(house)) == (303, "approved", [])
    assert noura.post(f"{PAGE}/answer", sure="yes").status_code == 303
    assert (state(house), requested(house)) == ("answered", [REQUESTED])
    page = noura.get(PAGE).text
    assert "had it answered" in page
    assert "ledger entry 3" in page
    assert [entry for entry in trail(house) if entry[1].startswith("law.")] == [
        ("noura", "law.ask", CASE),
        ("saud", "law.approve", CASE),
        ("layla", "law.approve", CASE),
        ("noura", "law.answer", CASE),
        ("noura", "law.seen", CASE),
    ]


def test_who_has_a_request_answered_is_asked_once_more(house: House, noura: Browser) -> None:
    noura.post("/requests", **ASKED)
    for officer in ("saud", "layla"):
        moves(house, officer, "approve")
    asks = noura.post(f"{PAGE}/answer")
    assert (asks.status_code, state(house), requested(house)) == (200, "approved", [])
    assert "cannot be taken back" in asks.text
    assert 'name="sure" value="yes"' in asks.text


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"reference": "a b"}, 'name="reference"'),
        ({"case": "nowhere"}, 'name="case"'),
        ({"basis": "short"}, 'name="basis"'),
        ({"field.name": "", "field.email": ""}, "<fieldset"),
    ],
)
def test_a_refused_form_keeps_what_was_typed_and_says_which_field_is_wrong(
    noura: Browser, changed: dict[str, str], field: str
) -> None:
    page = noura.post("/requests", **(ASKED | {"days": "30"} | changed)).text
    for name, value in (ASKED | changed).items():
        if name in {"reference", "case", "basis"}:
            assert re.search(f'name="{name}"[^>]* value="{re.escape(value)}"', page), name
    assert ('name="field.email" value="1" checked' in page) == ("field.email" not in changed)
    assert '<option value="30" selected>' in page
    (described,) = re.findall(r'<[^>]*aria-describedby="wrong"[^>]*>', page)
    assert field in described
    assert 'role="alert" id="wrong"' in page


def test_nobody_approves_what_they_entered_nor_twice_nor_has_it_answered_before_its_time(
    house: House, noura: Browser
) -> None:
    noura.post("/requests", **ASKED)
    own = noura.post(f"{PAGE}/approve")
    assert own.status_code == 409
    assert "who entered a request does not approve it" in own.text
    once, twice, early = moves(house, "saud", "approve", "approve", "answer")
    assert (once.status_code, twice.status_code, early.status_code) == (303, 409, 409)
    assert "the second approval is another" in twice.text
    assert "does not take that (any more)" in early.text
    assert (state(house), requested(house)) == ("asked", [])


def test_a_refused_request_takes_nothing_more(house: House, noura: Browser) -> None:
    noura.post("/requests", **ASKED)
    answers = moves(house, "saud", "refuse", "approve", "answer")
    assert [answer.status_code for answer in answers] == [303, 409, 409]
    assert (state(house), requested(house)) == ("refused", [])
    assert f"{PAGE}/approve" not in noura.get(PAGE).text


def test_a_page_shows_the_scope_and_masked_what_would_be_told(noura: Browser) -> None:
    noura.post("/requests", **ASKED)
    page = noura.get(PAGE).text
    assert "Anti-Cyber Crime Law, article 6, order 42" in page
    assert "the customer&#39;s name" in page
    assert "the customer&#39;s telephone number" not in page
    assert "<bdi>ن•••</bdi>" in page
    assert "<bdi>n•••@example.com</bdi>" in page
    assert "Noura" not in page
    assert REFERENCE in noura.get("/requests").text


def test_a_request_that_has_expired_can_be_refused_and_no_more(house: House, noura: Browser) -> None:
    noura.post("/requests", **ASKED)
    later = house._replace(clock=lambda: NOW_MS + 15 * 86_400_000)
    with browser(later, "saud") as saud:
        page = saud.get(PAGE).text
        assert f"{PAGE}/approve" not in page
        assert f"{PAGE}/refuse" in page
        assert "has expired; a new one is entered" in saud.post(f"{PAGE}/approve").text


@pytest.mark.parametrize("name", ["analyst", "auditor"])
def test_who_is_no_privacy_officer_sees_nothing_of_requests(house: House, noura: Browser, name: str) -> None:
    noura.post("/requests", **ASKED)
    for officer in ("saud", "layla"):
        moves(house, officer, "approve")
    noura.post(f"{PAGE}/answer", sure="yes")
    with browser(house, name) as other:
        refused = [other.get("/requests"), other.get(PAGE), other.post("/requests", **ASKED)]
        refused += [other.post(f"{PAGE}/{action}") for action in ("approve", "refuse", "answer")]
        assert [answer.status_code for answer in refused] == [403] * 6
        seen = other.get(f"/cases/{CASE}").text + other.get("/queue").text + other.get("/audit").text
    assert not any("Anti-Cyber" in answer.text for answer in refused)
    for word in (REFERENCE, "/requests", "law.", "law-enforcement", "Law enforcement"):
        assert word not in seen
    assert "law.ask" in noura.get("/audit").text


@pytest.mark.parametrize(
    ("changed", "status", "why"),
    [
        ({"case": "nowhere"}, 404, "There is no such case"),
        ({"reference": "a b"}, 409, "reference: expected"),
        ({"reference": "x" * 65}, 409, "reference: expected"),
        ({"basis": "short"}, 409, "basis: expected"),
        ({"basis": "card 4111 1111 1111 1111"}, 409, "basis: expected"),
        ({"days": "0"}, 409, "does not take that"),
        ({"days": "9999"}, 409, "does not take that"),
        ({"field.name": "", "field.email": ""}, 409, "expected one field or more"),
        ({"field.device_id": "1"}, 409, "does not take that"),
    ],
)
def test_what_is_no_request_is_not_entered(
    house: House, noura: Browser, changed: dict[str, str], status: int, why: str
) -> None:
    answer = noura.post("/requests", **(ASKED | changed))
    assert (answer.status_code, state(house)) == (status, None)
    assert why in answer.text


def test_a_reference_is_entered_once_and_an_unknown_one_is_a_plain_page(noura: Browser) -> None:
    noura.post("/requests", **ASKED)
    again = noura.post("/requests", **ASKED)
    assert (again.status_code, "was entered before" in again.text) == (409, True)
    for path in ("/requests/LE-0", "/requests/" + "x" * 500):
        assert noura.get(path).status_code == 404
    assert noura.post("/requests/LE-0/approve").status_code == 404
    assert noura.post(f"{PAGE}/burn").status_code == 404


def test_programs_do_the_same_by_the_api_and_nobody_elses_token_does(house: House) -> None:
    asked = {"reference": REFERENCE, "case_id": "ord-1", "fields": ["name"], "basis": ASKED["basis"]}
    with TestClient(console(house)) as client:

        def call(name: str, method: str, path: str, **body: object) -> tuple[int, Any]:
            bearer = {"authorization": f"Bearer {house.tokens.issue(name, 't', PERMISSIONS, 1, 'cli:root', NOW_MS)}"}
            answer = client.request(method, f"/api/v1{path}", json=body or None, headers=bearer)
            return answer.status_code, answer.json()

        status, entered = call("noura", "POST", "/requests", **asked)
        assert (status, entered["state"], entered["case_id"]) == (200, "asked", CASE)
        assert call("noura", "POST", f"{PAGE}/actions", action="approve")[0] == 409
        assert call("saud", "POST", f"{PAGE}/actions", action="approve")[1]["approved_by"] == ["saud"]
        assert call("layla", "POST", f"{PAGE}/actions", action="approve")[1]["state"] == "approved"
        assert [each["reference"] for each in call("saud", "GET", "/requests")[1]["requests"]] == [REFERENCE]
        assert [step["action"] for step in call("saud", "GET", PAGE)[1]["steps"]] == ["ask", "approve", "approve"]
        assert call("saud", "GET", "/requests/LE-0")[0] == 404
        assert call("analyst", "GET", PAGE)[0] == 403
        assert not [e for e in call("auditor", "GET", "/audit")[1]["entries"] if e["action"].startswith("law.")]
        assert [e for e in call("noura", "GET", "/audit")[1]["entries"] if e["action"].startswith("law.")]
