"""What pages and the API show of a case that has several orders."""

import os
from collections.abc import Iterator

import msgspec
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from events.facts import Entities
from review.access.accounts import Account
from review.access.roles import PERMISSIONS
from review.console.api import BASE
from review.console.app import console
from review.console.house import House, furnished
from review.joining import JoiningStore
from review.opener import Vault, open_case
from tests.review.examples import NOW_MS, PASSWORD, decision
from tests.review.test_console import csrf, sign_in
from tests.sharing.orders import ORDER

FIRST, SECOND, OTHER = "topic:0:1", "topic:0:2", "topic:0:3"


@pytest.fixture
def house(engine: sa.Engine, vault: Vault) -> House:
    house = furnished(engine, *vault, os.urandom, lambda: NOW_MS, https=False)
    house.access.add(Account(username="analyst", roles=("analyst",), password=PASSWORD), "cli:root", NOW_MS)
    cards = {1: ("cus-1", "card"), 2: ("cus-2", "card"), 3: ("cus-3", "another")}
    for number, (customer, card) in cards.items():
        order = msgspec.structs.replace(ORDER, order_id=f"ord-{number}", customer_id=customer)
        flagged = decision(number, order_id=order.order_id, entities=Entities(card=card), priority=9.0 - number)
        JoiningStore(engine).take_in(open_case(flagged, order, vault, NOW_MS))
    return house


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    with TestClient(console(house), follow_redirects=False) as client:
        sign_in(client)
        yield client


def test_the_queue_has_one_row_for_the_orders_with_their_sum(client: TestClient) -> None:
    queue = client.get("/queue").text
    assert (queue.count(f"/cases/{FIRST}"), queue.count(f"/cases/{SECOND}"), queue.count(f"/cases/{OTHER}")) == (
        1,
        0,
        1,
    )
    assert '<span class="tag">2 orders</span>' in queue
    assert "2,599.00" in queue


def test_a_case_shows_its_orders_and_each_order_leads_to_its_case(client: TestClient) -> None:
    first, second, other = (client.get(f"/cases/{each}").text for each in (FIRST, SECOND, OTHER))
    assert "Orders of this case" in first
    assert f'<a href="/cases/{SECOND}"><bdi>ord-2</bdi></a>' in first
    assert f'<a href="/cases/{FIRST}">This order is decided with the first one of its case.</a>' in second
    assert f"/cases/{SECOND}/claim" not in second
    assert "Orders of this case" not in other


def test_a_verdict_on_the_page_decides_both_and_its_undo_takes_both_back(client: TestClient, house: House) -> None:
    mark = csrf(client.get("/queue"))
    fields = {"csrf": mark, "version": "2", "reason": "known customer"}
    client.post(f"/cases/{FIRST}/dismiss", data=fields)
    page = client.get(f"/cases/{SECOND}").text
    assert "Decided with the first order of its case; the reason stands there." in page
    assert "known customer" in client.get(f"/cases/{FIRST}").text
    version = str(house.cases.get("ord-1").version)
    client.post(f"/cases/{FIRST}/undo", data={"csrf": mark, "version": version})
    assert [house.cases.get(name).status for name in ("ord-1", "ord-2")] == ["claimed", "joined"]


def test_the_api_says_what_stands_together_and_lists_it(client: TestClient, house: House) -> None:
    bearer = {"authorization": f"Bearer {house.tokens.issue('analyst', 'test', PERMISSIONS, 1, 'cli:root', NOW_MS)}"}
    listed = client.get(f"{BASE}/cases", headers=bearer).json()
    assert listed["together"] == {FIRST: {"orders": 2, "amounts": {"SAR": 259_900}}}
    assert [each["decision_id"] for each in listed["cases"]] == [FIRST, OTHER]
    orders = client.get(f"{BASE}/cases/{SECOND}/orders", headers=bearer).json()["cases"]
    assert [(each["decision_id"], each["lead"]) for each in orders] == [(FIRST, None), (SECOND, FIRST)]
    refused = client.post(f"{BASE}/cases/{SECOND}/actions", json={"action": "claim", "version": 2}, headers=bearer)
    assert (refused.status_code, "what the case takes that leads it" in refused.json()["detail"]) == (409, True)
