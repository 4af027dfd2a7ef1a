"""The panels beside a case, on both databases."""

import html
import os
import re
from collections.abc import Iterator

import msgspec
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

import history.database
import sharing.database
from events.facts import Entities
from history.index import Index
from history.pages import Page
from models.decisions import Decision, ModelScore
from review import panels, tables
from review.access.accounts import Account
from review.access.roles import Role
from review.console.app import console
from review.console.house import House, furnished
from review.console.telling import FIELDS, OPERATORS
from review.opener import Known, Vault, open_case
from review.views import opened
from sharing import fields, operators
from sharing import tables as sharing_tables
from sharing.contracts import FOLDER, load
from sharing.ledger.receipts import receipt_of
from tests.history.made import label
from tests.review.examples import NOW_MS, PASSWORD, WORD, decision
from tests.sharing.ledger.made import TRUSTED, filled, signed
from tests.sharing.orders import ORDER

CASE = "topic:0:17"
MINE = Entities(customer="c" * 22, card="k" * 22, ip="i" * 22)
PLACED_MS = decision().occurred_at_ms
PATH = (Page(PLACED_MS - 9_500, "/basket", 200, None), Page(PLACED_MS - 2_000, "/pay", 500, None))
PEOPLE: tuple[Role, ...] = ("analyst", "privacy_officer")


@pytest.fixture
def house(engine: sa.Engine, vault: Vault) -> House:
    history.database.upgrade(engine)
    history.database.migrate(engine, sharing.database.MIGRATIONS, sharing.database.LOCK)
    contracts = [load(path) for path in sorted(FOLDER.glob("*.yaml"))]
    house = furnished(engine, *vault, os.urandom, lambda: NOW_MS, https=False, contracts=contracts)
    for name in PEOPLE:
        house.access.add(Account(username=name, roles=(name,), password=PASSWORD), "cli:root", NOW_MS)
    house.cases.take_in(open_case(decision(), ORDER, vault, NOW_MS, Known(PATH)))
    return house


def page(house: House, name: str = "analyst", path: str = f"/cases/{CASE}") -> tuple[int, str]:
    with TestClient(console(house), follow_redirects=False) as client:
        mark = re.search(r'name="csrf" value="([0-9a-f]{64})"', client.get("/sign-in").text)
        assert mark is not None
        client.post("/sign-in", data={"csrf": mark[1], "username": name, "password": WORD, "next": "/queue"})
        answer = client.get(path)
        return answer.status_code, answer.text


def section(text: str, name: str) -> str:
    """The words of one panel, without markup."""
    found = re.search(rf'<section class="card" aria-labelledby="{name}">(.*?)</section>', text, re.DOTALL)
    assert found is not None, name
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", found[1])).split())


def record(engine: sa.Engine, *decisions: Decision) -> None:
    Index(engine).record([(each, NOW_MS) for each in decisions])


def tell(engine: sa.Engine, partner: str, place: int, state: str) -> None:
    row = {
        "jti": f"jti-{place}", "partner": partner, "contract": b"c" * 32, "case_id": CASE, "kind": "disclosure",
        "state": state, "place": place, "made_at_ms": NOW_MS, "changed_at_ms": NOW_MS,
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(sa.insert(sharing_tables.disclosures), row)


@pytest.fixture
def told(house: House, engine: sa.Engine) -> Iterator[House]:
    """Two partners were told: the third and the fourth of five entries."""
    filled(engine, 5)
    tell(engine, "acquirer", 2, "acknowledged")
    tell(engine, "law-enforcement", 3, "pending")
    return house


def test_the_visit_is_a_timeline_with_times_up_to_the_order(house: House) -> None:
    said = section(page(house)[1], "visit")
    assert said == ("The visit before the order 22:14:59 /basket 200 22:15:07 /pay 500 7.5 s later 22:15:09 The order")


def test_a_route_that_would_move_or_reorder_what_stands_near_it_is_written_out(house: House, vault: Vault) -> None:
    hostile = Known(path=(Page(NOW_MS - 1000, "/a\x1b[2J\u202e/b", 200),))
    order = msgspec.structs.replace(ORDER, order_id="ord-2")
    house.cases.take_in(open_case(decision(18, order_id="ord-2"), order, vault, NOW_MS, hostile))
    said = section(page(house, path="/cases/topic:0:18")[1], "visit")
    assert r"/a\u{1b}[2J\u{202e}/b 200" in said
    shown = opened(house.cases.get("topic:0:18"), house.envelopes)
    assert shown.path == (r"/a\u{1b}[2J\u{202e}/b 200",)


def test_a_visit_that_is_missing_says_why_in_the_persons_language(house: House, vault: Vault) -> None:
    nothing = open_case(decision(18, order_id="ord-2"), msgspec.structs.replace(ORDER, order_id="ord-2"), vault, NOW_MS)
    house.cases.take_in(nothing)
    house.access.change("analyst", "analyst", NOW_MS, language="ar")
    said = section(page(house, path="/cases/topic:0:18")[1], "visit")
    assert said.endswith("لم يذكر الطلب جلسة: رُفضت ملفات تعريف الارتباط.")


def test_other_cases_of_the_customer_stand_there_with_status_and_what_they_share(house: House, vault: Vault) -> None:
    assert "No other case" in section(page(house)[1], "others")
    stranger = msgspec.structs.replace(
        ORDER, order_id="ord-3", customer_id="cus-9", account_id=None,
        contact=msgspec.structs.replace(ORDER.contact, email="else@example.com"),
    )  # fmt: skip
    unrelated = msgspec.structs.replace(
        stranger, order_id="ord-4", customer_id="cus-8",
        contact=msgspec.structs.replace(stranger.contact, phone="+966 50 000 0000"),
    )  # fmt: skip
    again = msgspec.structs.replace(ORDER, order_id="ord-2")
    for number, order in ((18, again), (19, stranger), (20, unrelated)):
        house.cases.take_in(open_case(decision(number, order_id=order.order_id), order, vault, NOW_MS - number))
    found = panels.others(house.engine, house.cases.get(CASE))
    assert [(each.case.order_id, each.by) for each in found] == [
        ("ord-2", ("customer", "email", "phone")),
        ("ord-3", ("phone",)),
    ]
    said = section(page(house)[1], "others")
    assert "ord-2 open the same: customer · e-mail · phone" in said
    assert "ord-3 open the same: phone" in said
    assert ORDER.contact.name not in said


def test_what_rules_and_models_said_of_the_decision_stands_there(house: House, engine: sa.Engine) -> None:
    assert "does not know this decision" in section(page(house)[1], "said")
    scores = (ModelScore("m7", 0.97, 0.9), ModelScore("m8", 0.5, 0.1))
    record(engine, decision(model="m7", rules="ab" * 32, points=0.25, shadow=("velocity.new",), scores=scores))
    said = section(page(house)[1], "said")
    assert "Decided by the model Outcome block Score 97.0 % Model m7" in said
    assert "Added by rules 25.0 % Rules in force abababababab" in said
    assert "Shadow rules that would have fired: velocity.new" in said
    assert "m7 97.0 % 90.0 % m8 challenger 50.0 % 10.0 %" in said


def test_orders_that_share_a_card_are_drawn_and_listed_and_their_past_is_counted(
    house: House, engine: sa.Engine
) -> None:
    record(
        engine,
        decision(entities=MINE),
        decision(30, order_id="far", entities=Entities(card="k" * 22, ip="i" * 22), outcome="approve"),
    )
    Index(engine).record_label(label(1, "far", "chargeback"))
    text = page(house)[1]
    drawing = re.search(r'<svg class="graph".*?</svg>', text, re.DOTALL)
    assert drawing is not None
    assert (drawing[0].count("<line"), drawing[0].count("<rect"), drawing[0].count("fraud")) == (4, 4, 1)
    assert "far approved SAR 1,299.50 card · internet address chargeback" in section(text, "shared")
    past = section(text, "past")
    assert "card 2 orders approved: 1 · block: 1 1 known fraud First seen 1 Mar 2026 22:15 UTC" in past
    assert "customer 1 order block: 1 0 known frauds" in past


def test_who_may_not_read_law_enforcement_sees_neither_its_messages_nor_that_it_exists(told: House) -> None:
    analyst, officer = page(told)[1], page(told, "privacy_officer")[1]
    seen = section(analyst, "partners")
    assert "acquirer Bank or payment provider Told acknowledged" in seen
    assert "law-enforcement" not in analyst
    assert "law-enforcement Law enforcement Told waits to be sent" in section(officer, "partners")


def test_what_a_partner_would_get_is_said_without_a_value_of_the_order(told: House) -> None:
    said = section(page(told)[1], "partners")
    assert "What acquirer gets by its contract" in said
    assert "the order's total as a range" in said
    for value in (ORDER.contact.name, str(ORDER.contact.email), str(ORDER.contact.phone), ORDER.ip):
        assert value not in said


def test_a_receipt_proves_its_entry_once_a_checkpoint_covers_it(told: House, engine: sa.Engine) -> None:
    path = f"/cases/{CASE}/receipt?place=2"
    assert page(told, path=path)[0] == 404
    before = page(told)[1]
    assert "Receipt 2: not signed yet" in section(before, "partners")
    assert "/receipt?place=" not in before
    signed(engine)
    assert f'href="{path}"' in page(told)[1]
    code, text = page(told, path=path)
    receipt = receipt_of(text.encode())
    assert (code, receipt.place, receipt.checked(TRUSTED).size) == (200, 2, 5)
    with engine.connect() as connection:
        entry = sa.select(tables.audit.c.actor, tables.audit.c.case_id).where(tables.audit.c.action == "receipt")
        assert connection.execute(entry).all() == [("analyst", CASE)]


@pytest.mark.parametrize("place", ["3", "0", "99", "-1", "", "²", "02"])
def test_no_receipt_of_what_is_not_this_cases_or_not_the_persons_to_know(
    told: House, engine: sa.Engine, place: str
) -> None:
    signed(engine)
    assert page(told, path=f"/cases/{CASE}/receipt?place={place}")[0] == 404
    if place == "3":
        assert page(told, "privacy_officer", f"/cases/{CASE}/receipt?place={place}")[0] == 200


def test_a_database_with_cases_alone_shows_the_page_without_those_panels(engine: sa.Engine, vault: Vault) -> None:
    house = furnished(engine, *vault, os.urandom, lambda: NOW_MS, https=False)
    house.access.add(Account(username="analyst", roles=("analyst",), password=PASSWORD), "cli:root", NOW_MS)
    house.cases.take_in(open_case(decision(), ORDER, vault, NOW_MS))
    code, text = page(house)
    assert code == 200
    assert 'aria-labelledby="said"' not in text
    assert 'aria-labelledby="partners"' not in text


def test_every_field_and_operator_of_contracts_has_its_words() -> None:
    meanings = {name: field.meaning for name, field in fields.FIELDS.items() if field.meaning}
    assert meanings == FIELDS
    assert set(OPERATORS) == set(operators.OPERATORS)
