"""A case that is back for a second opinion, as its page shows it: nothing tells that it was decided, nor how."""

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
from review import tags
from review.access.accounts import Account
from review.cases import Verdict
from review.console import doing
from review.console.app import console
from review.console.house import House, furnished
from review.desk import LEAVES_MS, Desk
from review.errors import TransitionRefused
from review.opener import Vault, open_case
from review.overview import overview
from review.policy import Policy
from review.queue import Filter, page
from review.superseding import superseding
from sharing import tables as sharing_tables
from sharing.contracts import FOLDER, load
from tests.history.made import label
from tests.review.examples import NOW_MS, PASSWORD, WORD, decision
from tests.sharing.ledger.made import filled, signed
from tests.sharing.orders import ORDER

CASE = "topic:0:17"
PAGE = f"/cases/{CASE}"
TAG = "known_customer"
MINE = Entities(customer="c" * 22, card="k" * 22)
BACK_MS = NOW_MS + LEAVES_MS
VARIOUS = re.compile(r'value="[0-9a-f]{64}"|name="version" value="\d+"|data-now="\d+"')


@pytest.fixture
def house(engine: sa.Engine, vault: Vault) -> House:
    history.database.upgrade(engine)
    history.database.migrate(engine, sharing.database.MIGRATIONS, sharing.database.LOCK)
    contracts = [load(FOLDER / "acquirer.yaml")]
    house = furnished(engine, *vault, os.urandom, lambda: BACK_MS, https=False, contracts=contracts)
    desk = Desk(engine, policy=Policy(seen_again={"dismiss": 1.0, "confirm_fraud": 1.0}, tags=(TAG,)))
    for name in ("noura", "salem"):
        house.access.add(Account(username=name, roles=("analyst",), password=PASSWORD), "cli:root", NOW_MS)
    house.cases.take_in(open_case(decision(), ORDER, vault, NOW_MS, policy=Policy()))
    Index(engine).record([(msgspec.structs.replace(decision(), entities=MINE, vector=b"\0" * 8), NOW_MS)])
    return house._replace(desk=desk)


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    with TestClient(console(house)) as client:
        sign_in(client, "salem")
        yield client


def sign_in(client: TestClient, name: str) -> None:
    client.post("/sign-in", data={"username": name, "password": WORD, "csrf": mark(client), "next": "/queue"})


def mark(client: TestClient) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', client.get("/sign-in").text)
    assert found is not None
    return found[1]


def seen(client: TestClient) -> str:
    return VARIOUS.sub("", client.get(PAGE).text)


def approved_and_back(house: House) -> None:
    """By noura, with a note before it; the index, partners and labels have what her verdict set off."""
    case = house.cases.get(CASE)
    house.desk.write(case, house.sealed(case, "note", "she is a known customer"), "noura", NOW_MS)
    tags.change(house.engine, house.desk.policy, CASE, "noura", NOW_MS, put=[TAG])
    decided = house.desk.decide(
        case, "dismiss", reason=house.sealed(case, "reason", "delivered before"), actor="noura", now_ms=NOW_MS
    )
    index = Index(house.engine)
    index.record([(superseding(decided), NOW_MS + 1)])
    index.record_label(label(1, "ord-1", "dismissed", NOW_MS))
    told(house, "withdrawal")
    house.desk.tick(BACK_MS)


def told(house: House, kind: str) -> None:
    filled(house.engine, 1)
    signed(house.engine)
    row = {"jti": f"{kind:a<22}", "partner": "acquirer", "contract": b"x" * 32, "case_id": CASE, "kind": kind}
    row |= {"state": "delivered", "place": 0, "made_at_ms": NOW_MS + 1, "changed_at_ms": NOW_MS + 1}
    with house.engine.begin() as connection:
        connection.execute(sa.insert(sharing_tables.disclosures).values(row))


def test_its_page_is_word_for_word_what_it_was_before_anybody_had_judged_it(house: House, client: TestClient) -> None:
    before = seen(client)
    approved_and_back(house)
    assert seen(client) == before


def test_it_is_in_the_queue_as_it_was(house: House, client: TestClient) -> None:
    before = VARIOUS.sub("", client.get("/queue").text)
    approved_and_back(house)
    assert VARIOUS.sub("", client.get("/queue").text) == before


def test_once_the_second_has_decided_all_is_shown(house: House, client: TestClient) -> None:
    approved_and_back(house)
    case = house.cases.get(CASE)
    house.desk.decide(
        case, "dismiss", reason=house.sealed(case, "reason", "I think so too"), actor="salem", now_ms=BACK_MS
    )
    page = seen(client)
    for words in ("she is a known customer", "delivered before", "I think so too", "Withdrawal"):
        assert words in page


def test_a_tag_is_kept_back_from_its_filter_too_until_the_second_puts_it(house: House, client: TestClient) -> None:
    approved_and_back(house)
    tagged = Filter(tag=TAG)
    assert page(house.engine, tagged, "salem").cases == ()
    tags.change(house.engine, house.desk.policy, CASE, "salem", BACK_MS, put=[TAG])
    assert tags.of(house.engine, [CASE]) == {CASE: (TAG,)}
    assert [case.decision_id for case in page(house.engine, tagged, "salem").cases] == [CASE]


@pytest.mark.parametrize("verdict", ["dismiss", "confirm_fraud"])
def test_no_number_of_the_overview_loses_a_verdict_that_is_back(house: House, verdict: Verdict) -> None:
    case = house.cases.get(CASE)
    house.desk.decide(case, verdict, reason=b"sealed", actor="noura", now_ms=NOW_MS)
    before = overview(house.engine, BACK_MS)
    house.desk.tick(BACK_MS)
    after = overview(house.engine, BACK_MS)
    assert house.cases.get(CASE).verdict is None
    assert (after.hours, after.reasons, after.saved) == (before.hours, before.reasons, before.saved)


def test_who_gave_the_first_verdict_leaves_nothing_for_the_second_to_read(house: House) -> None:
    approved_and_back(house)
    for leave in (
        lambda: doing.write_down(house, "noura", CASE, "I approved this"),
        lambda: doing.tag(house, "noura", CASE, (TAG,), ()),
        lambda: doing.see(house, "noura", house.cases.get(CASE), "email", "I approved this"),
    ):
        with pytest.raises(TransitionRefused, match="you have judged this case"):
            leave()


def test_a_third_person_is_told_that_two_disagree(house: House, client: TestClient) -> None:
    approved_and_back(house)
    case = house.cases.get(CASE)
    house.desk.decide(
        case,
        "confirm_fraud",
        reason=house.sealed(case, "reason", "the courier doubts it"),
        actor="salem",
        now_ms=BACK_MS,
    )
    assert "Two people judged this case differently; a third decides." in seen(client)


def test_a_verdict_of_fraud_hides_its_label_from_the_customers_history(house: House, client: TestClient) -> None:
    before = seen(client)
    case = house.cases.get(CASE)
    decided = house.desk.decide(
        case, "confirm_fraud", reason=house.sealed(case, "reason", "card tested"), actor="noura", now_ms=NOW_MS
    )
    index = Index(house.engine)
    index.record([(superseding(decided), NOW_MS + 1)])
    index.record_label(label(1, "ord-1", "confirmed", NOW_MS))
    house.desk.tick(BACK_MS)
    assert seen(client) == before


NEAR = "topic:0:18"


def beside_it(house: House, vault: Vault) -> None:
    """A case of another customer whose order has the same card, to be told nothing of this one's verdict either."""
    near = decision(18, order_id="ord-2", entities=Entities(customer="d" * 22, card="k" * 22))
    order = msgspec.structs.replace(ORDER, order_id="ord-2", customer_id="cus-2")
    house.cases.take_in(open_case(near, order, vault, NOW_MS, policy=Policy()))
    Index(house.engine).record([(msgspec.structs.replace(near, vector=b"\0" * 8), NOW_MS)])


@pytest.mark.parametrize(("verdict", "made"), [("dismiss", "dismissed"), ("confirm_fraud", "confirmed")])
def test_the_pages_of_orders_that_share_its_card_do_not_tell_of_it_either(
    house: House, vault: Vault, client: TestClient, verdict: Verdict, made: str
) -> None:
    beside_it(house, vault)
    page = f"/cases/{NEAR}"
    before = VARIOUS.sub("", client.get(page).text)
    case = house.cases.get(CASE)
    decided = house.desk.decide(
        case, verdict, reason=house.sealed(case, "reason", "asked the bank"), actor="noura", now_ms=NOW_MS
    )
    index = Index(house.engine)
    index.record([(superseding(decided), NOW_MS + 1)])
    index.record_label(label(1, "ord-1", made, NOW_MS))
    house.desk.tick(BACK_MS)
    assert VARIOUS.sub("", client.get(page).text) == before
    assert "ord-1" in before
    again = house.cases.get(CASE)
    house.desk.decide(again, verdict, reason=house.sealed(case, "reason", "so it is"), actor="salem", now_ms=BACK_MS)
    assert VARIOUS.sub("", client.get(page).text) != before
