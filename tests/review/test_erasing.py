"""A person asked to be erased: nothing of them is left in the case database, and partners are told to delete."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from starlette.testclient import TestClient

from review import tables
from review.access.roles import PERMISSIONS
from review.cli import cases
from review.console.app import console
from review.console.house import House
from review.erasing import NAMES
from review.opener import Vault, open_case
from review.views import opened
from tests.review.examples import NOW_MS, decision
from tests.review.officers import CASE, Browser, browser, partnered, trail
from tests.sharing.orders import ORDER

PATH = f"/cases/{CASE}/erase"
SECOND, OTHER = "topic:0:18", "topic:0:19"


@pytest.fixture
def house(engine: sa.Engine, vault: Vault) -> House:
    """Two cases of one customer, with a note and a verdict, and one of another customer."""
    house = partnered(engine, vault)
    mine = msgspec.structs.replace(ORDER, order_id="ord-2")
    theirs = msgspec.structs.replace(ORDER, order_id="ord-3", customer_id="cus-other")
    house.cases.take_in(open_case(decision(18, order_id="ord-2"), mine, vault, NOW_MS))
    house.cases.take_in(open_case(decision(19, order_id="ord-3"), theirs, vault, NOW_MS))
    case = house.cases.get(CASE)
    house.desk.write(case, house.sealed(case, "note", "called the customer"), "analyst", NOW_MS)
    words = house.sealed(case, "reason", "known customer")
    house.desk.decide(case, "confirm_fraud", reason=words, actor="analyst", now_ms=NOW_MS)
    return house


@pytest.fixture
def noura(house: House) -> Iterator[Browser]:
    with browser(house, "noura") as noura:
        yield noura


def left(house: House, kind: str) -> list[str]:
    held = tables.triggers.c
    with house.engine.connect() as connection:
        return list(connection.scalars(sa.select(held.decision_id).where(held.kind == kind).order_by(held.place)))


def gone(house: House, case_id: str) -> bool:
    case = house.cases.get(case_id)
    blank = all(getattr(case, name) is None for name in NAMES)
    return blank and case.withheld == "erased" and house.desk.notes(case) == ()


def test_all_cases_of_the_customer_lose_their_data_and_each_has_its_trigger(house: House, noura: Browser) -> None:
    assert house.cases.get(CASE).subject == house.cases.get(SECOND).subject != house.cases.get(OTHER).subject
    assert "The data of 2 cases of this customer" in noura.get(PATH).text
    assert noura.post(PATH, order="ord-1").headers["location"] == f"/cases/{CASE}"
    assert (gone(house, CASE), gone(house, SECOND), gone(house, OTHER)) == (True, True, False)
    assert left(house, "erased") == [CASE, SECOND]
    assert house.envelopes is not None
    assert opened(house.cases.get(OTHER), house.envelopes).customer is not None
    assert [entry for entry in trail(house) if entry[1] == "erase"] == [
        ("noura", "erase", CASE),
        ("noura", "erase", SECOND),
    ]


def test_the_case_stays_with_what_was_ordered_and_decided(house: House, noura: Browser) -> None:
    before = house.cases.get(CASE)
    noura.post(PATH, order="ord-1")
    case = house.cases.get(CASE)
    assert (case.amount_minor, case.currency, case.verdict) == (before.amount_minor, before.currency, "confirm_fraud")
    page = noura.get(f"/cases/{CASE}")
    assert page.status_code == 200
    assert "noura@" not in page.text
    assert PATH not in page.text


def test_an_analyst_goes_on_with_a_case_whose_customer_was_erased(house: House, noura: Browser) -> None:
    noura.post(PATH, order="ord-1")
    with browser(house, "analyst") as analyst:
        answer = analyst.post(f"/cases/{SECOND}/confirm_fraud", reason="card tested", version="1")
        assert answer.status_code == 303
        assert analyst.get(f"/cases/{SECOND}").status_code == 200
        assert analyst.post("/search", by="email", value="noura@example.com").text.count("ord-1") == 0


def test_what_is_written_after_an_erasure_can_be_erased_too(house: House, noura: Browser) -> None:
    noura.post(PATH, order="ord-1")
    with browser(house, "analyst") as analyst:
        assert analyst.post(f"/cases/{CASE}/notes", body="the customer called again").status_code == 303
    page = noura.get(f"/cases/{CASE}").text
    assert ("the customer called again" in page, PATH in page) == (True, True)
    assert noura.post(PATH, order="ord-1").status_code == 303
    assert PATH not in noura.get(f"/cases/{CASE}").text
    assert gone(house, CASE)
    assert left(house, "erased") == [CASE, SECOND] * 2


@pytest.mark.parametrize("order", ["", "ord-2", "ORD-1"])
def test_without_the_orders_own_id_nothing_is_erased(house: House, noura: Browser, order: str) -> None:
    answer = noura.post(PATH, order=order)
    assert (answer.status_code, left(house, "erased")) == (400, [])
    assert "to confirm" in answer.text


@pytest.mark.parametrize("name", ["analyst", "auditor"])
def test_nobody_but_a_privacy_officer_erases(house: House, name: str) -> None:
    with browser(house, name) as other:
        assert [other.get(PATH).status_code, other.post(PATH, order="ord-1").status_code] == [403, 403]
        assert PATH not in other.get(f"/cases/{CASE}").text
    assert left(house, "erased") == []


def test_what_an_authority_has_asked_for_is_not_erased_before_it_was_answered_or_refused(
    house: House, noura: Browser
) -> None:
    asked = {"reference": "LE-1", "case": "ord-2", "basis": "Anti-Cyber Crime Law, article 6", "days": "7"}
    noura.post("/requests", **asked, **{"field.name": "1"})
    refused = noura.post(PATH, order="ord-1")
    assert (refused.status_code, left(house, "erased")) == (409, [])
    assert "An authority has asked for data of this customer" in refused.text
    for name in ("saud", "layla"):
        with browser(house, name) as officer:
            officer.post("/requests/LE-1/approve")
    noura.post("/requests/LE-1/answer", sure="yes")
    assert noura.post(PATH, order="ord-1").status_code == 409  # the projector has not told it yet
    with house.engine.begin() as connection:
        connection.execute(sa.delete(tables.triggers).where(tables.triggers.c.kind == "requested"))
    assert noura.post(PATH, order="ord-1").status_code == 303


def test_the_api_erases_for_a_privacy_officer_who_names_the_order(house: House) -> None:
    bearer = {"authorization": f"Bearer {house.tokens.issue('noura', 't', PERMISSIONS, 1, 'cli:root', NOW_MS)}"}
    with TestClient(console(house)) as client:
        wrong = client.post(f"/api/v1{PATH}", json={"order_id": "ord-2"}, headers=bearer)
        right = client.post(f"/api/v1{PATH}", json={"order_id": "ord-1"}, headers=bearer)
    assert (wrong.status_code, right.status_code, right.json()) == (400, 200, {"cases": 2})


def test_the_command_asks_before_it_erases(tmp_path: Path, house: House) -> None:
    if house.engine.dialect.name != "sqlite":
        pytest.skip("the database is the same to the command")
    arguments = ["erase", "ord-1", "--actor", "noura", "--database", str(house.engine.url)]
    unsure = CliRunner().invoke(cases, arguments, input="n\n")
    assert (unsure.exit_code, left(house, "erased")) == (1, [])
    sure = CliRunner().invoke(cases, arguments, input="y\n")
    assert sure.output.splitlines()[-1] == "the customer's data are erased; 2 case(s)"
    assert left(house, "erased") == [CASE, SECOND]
