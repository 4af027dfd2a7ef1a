"""A lead decides many cases at once, and takes all of them back: by the pages and by the API."""

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import msgspec
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from review import tables
from review.access.accounts import Account
from review.access.roles import PERMISSIONS
from review.cases import Case
from review.console.api import BASE
from review.console.app import console
from review.console.bulk import SAID, Left, decide_all, undo_all
from review.console.house import House, furnished
from review.desk import LEAVES_MS, VERDICTS, Desk
from review.joining import JoiningStore
from review.opener import Vault, open_case
from review.policy import Policy
from review.workflow import UNDO_MS
from tests.review.browsing import Clock
from tests.review.examples import NOW_MS, PASSWORD, decision
from tests.review.test_console import order, post, sign_in

HIGH_MINOR = 2_000_000
REASON = "known customers"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def house(engine: sa.Engine, vault: Vault, clock: Clock) -> House:
    """Five cases, the last of an amount that takes two people."""
    house = furnished(engine, *vault, os.urandom, clock, https=False)
    for name in ("lead", "other"):
        house.access.add(Account(username=name, roles=("lead",), password=PASSWORD), "cli:root", NOW_MS)
    cases = [
        open_case(decision(n, order_id=f"ord-{n}", priority=9.0 - n), order(f"ord-{n}"), vault, NOW_MS)
        for n in range(5)
    ]
    cases[4] = msgspec.structs.replace(cases[4], amount_minor=HIGH_MINOR)
    house.cases.take_in_all(cases)
    return house


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    with TestClient(console(house), follow_redirects=False) as client:
        sign_in(client, "lead")
        yield client


def case_id(number: int) -> str:
    return f"topic:0:{number}"


def rows(page: str) -> dict[str, str]:
    """The hidden fields that say which cases the page has, and in which version each."""
    return dict(re.findall(r'name="(row\.[^"]+)" value="(\d+)"', page))


def bulk(client: TestClient, page: str, *numbers: int, **fields: str) -> httpx2.Response:
    ticks = {f"tick.{case_id(n)}": "on" for n in numbers}
    return told(
        client, post(client, "/bulk", **({"verdict": "dismiss", "reason": REASON} | rows(page) | ticks | fields))
    )


def told(client: TestClient, answer: httpx2.Response) -> httpx2.Response:
    """The page that says what was done, which has an address of its own."""
    return client.get(answer.headers["location"]) if answer.status_code == 303 else answer


def waiting(house: House) -> tuple[int, int]:
    """What waits to leave: rows of the outbox, and triggers that a verdict has left."""
    outbox = sa.select(sa.func.count()).select_from(tables.outbox)
    triggers = sa.select(sa.func.count()).select_from(tables.triggers).where(tables.triggers.c.not_before_ms > 0)
    with house.engine.connect() as connection:
        return connection.execute(outbox).scalar_one(), connection.execute(triggers).scalar_one()


def audited(house: House) -> list[tuple[str, str, str]]:
    columns = tables.audit.c
    query = sa.select(columns.actor, columns.action, columns.case_id).where(columns.case_id.is_not(None))
    with house.engine.connect() as connection:
        return [(row[0], row[1], row[2]) for row in connection.execute(query.order_by(columns.place))]


def test_what_is_ticked_is_decided_each_with_its_own_entry_and_the_rest_is_not(
    client: TestClient, house: House
) -> None:
    answer = bulk(client, client.get("/queue").text, 0, 2)
    assert answer.status_code == 200
    assert "2 cases are decided." in answer.text
    assert [house.cases.get(case_id(n)).verdict for n in range(4)] == ["dismiss", None, "dismiss", None]
    assert waiting(house) == (4, 2)
    assert audited(house) == [("lead", action, case_id(n)) for n in (0, 2) for action in ("claim", "dismiss")]


def test_the_reason_is_sealed_for_each_case_under_its_own_key(client: TestClient, house: House) -> None:
    bulk(client, client.get("/queue").text, 0, 2)
    for n in (0, 2):
        case = house.cases.get(case_id(n))
        assert case.reason is not None
        assert house.opened(case, "reason", case.reason) == REASON


def test_all_of_the_page_is_decided_but_for_what_takes_two_people(client: TestClient, house: House) -> None:
    answer = bulk(client, client.get("/queue").text, all="on")
    assert "4 cases are decided." in answer.text
    assert SAID["own_page"] in answer.text
    case = house.cases.get(case_id(4))
    assert (case.status, case.first_look, case.version) == ("open", None, 1)


def test_what_is_back_for_a_second_opinion_is_left_out_like_a_high_amount(
    house: House, engine: sa.Engine, clock: Clock
) -> None:
    blind = house._replace(desk=Desk(engine, policy=Policy(seen_again={"dismiss": 1.0})))
    case = blind.cases.get(case_id(0))
    blind.desk.decide(case, "dismiss", reason=b"sealed", actor="other", now_ms=NOW_MS)
    clock.now_ms += LEAVES_MS
    blind.desk.tick(clock())
    back = blind.cases.get(case_id(0))
    for verdict in VERDICTS.values():
        found = decide_all(blind, "lead", verdict, REASON, {back.decision_id: back.version})
        assert found == ((), (Left(back.decision_id, "ord-0", "own_page"),))
    assert blind.cases.get(case_id(0)) == back


@pytest.fixture
def lead_of_two(house: House) -> Case:
    """Two orders of one customer, each below the amount that takes two people and above its half."""
    one, two = (
        msgspec.structs.replace(
            house.cases.get(case_id(0)), decision_id=case_id(n), order_id=f"ord-{n}", subject="s" * 22, version=1
        )
        for n in (20, 21)
    )
    both = [msgspec.structs.replace(case, amount_minor=HIGH_MINOR // 2) for case in (one, two)]
    JoiningStore(house.engine).take_in_all(both)
    assert [house.cases.get(f"ord-{n}").status for n in (20, 21)] == ["open", "joined"]
    return house.cases.get(case_id(20))


def test_orders_that_together_take_two_people_are_left_out(house: House, lead_of_two: Case) -> None:
    versions = {lead_of_two.decision_id: lead_of_two.version}
    found = decide_all(house, "lead", "dismiss", REASON, versions)
    assert found == ((), (Left(lead_of_two.decision_id, "ord-20", "own_page"),))
    assert house.cases.get(case_id(20)) == lead_of_two


def test_joined_orders_are_decided_and_taken_back_with_the_case_that_leads_them_and_not_alone(
    house: House, lead_of_two: Case
) -> None:
    done = decide_all(house, "lead", "confirm_fraud", REASON, {case_id(20): lead_of_two.version, case_id(21): 1}).done
    assert [case.decision_id for case in done] == [case_id(20)]
    assert waiting(house) == (4, 2)
    member = house.cases.get(case_id(21))
    assert undo_all(house, "lead", {member.decision_id: member.version}).done == ()
    assert len(undo_all(house, "lead", {case.decision_id: case.version for case in done}).done) == 1
    assert [house.cases.get(f"ord-{n}").status for n in (20, 21)] == ["open", "joined"]
    assert waiting(house) == (0, 0)


def test_two_leads_at_once_decide_each_case_once(house: House) -> None:
    versions = {case_id(n): 1 for n in range(4)}
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda name: decide_all(house, name, "dismiss", REASON, versions), ("lead", "other")))
    assert sorted(case.decision_id for each in found for case in each.done) == sorted(versions)
    assert waiting(house) == (8, 4)


def test_a_fraud_takes_one_person_whatever_its_amount(client: TestClient, house: House) -> None:
    bulk(client, client.get("/queue").text, 4, verdict="confirm_fraud")
    assert house.cases.get(case_id(4)).verdict == "confirm_fraud"


def test_undo_all_takes_everything_back_and_nothing_has_left(client: TestClient, house: House, clock: Clock) -> None:
    decided = bulk(client, client.get("/queue").text, all="on")
    clock.now_ms += UNDO_MS - 1
    answer = told(client, post(client, "/bulk/undo", all="1", **rows(decided.text)))
    assert "4 verdicts were taken back; nothing of them has left." in answer.text
    assert waiting(house) == (0, 0)
    assert house.cases.pending_labels(NOW_MS + LEAVES_MS) == ()
    cases = [house.cases.get(case_id(n)) for n in range(5)]
    assert [(case.status, case.holder, case.verdict, case.reason) for case in cases] == [("open", None, None, None)] * 5


def test_after_the_minute_nothing_is_taken_back(client: TestClient, house: House, clock: Clock) -> None:
    decided = bulk(client, client.get("/queue").text, 0)
    clock.now_ms += UNDO_MS
    answer = told(client, post(client, "/bulk/undo", all="1", **rows(decided.text)))
    assert SAID["late"] in answer.text
    assert house.cases.get(case_id(0)).verdict == "dismiss"


def test_nobody_takes_back_what_another_has_decided(client: TestClient, house: House) -> None:
    decided = bulk(client, client.get("/queue").text, 0)
    post(client, "/sign-out")
    sign_in(client, "other")
    answer = told(client, post(client, "/bulk/undo", all="1", **rows(decided.text)))
    assert "Nothing was changed." in answer.text
    assert house.cases.get(case_id(0)).verdict == "dismiss"


def test_what_was_changed_or_is_held_meanwhile_stays_as_it_is_and_is_named(client: TestClient, house: House) -> None:
    house.desk.act(house.cases.get(case_id(1)), "claim", "other", NOW_MS)
    page = client.get("/queue?view=open").text
    held = {f"row.{case_id(1)}": "2"}
    house.desk.decide(house.cases.get(case_id(0)), "dismiss", reason=b"sealed", actor="other", now_ms=NOW_MS)
    answer = bulk(client, page, 0, 1, 2, **held)
    assert "1 case is decided." in answer.text
    assert "2 cases stayed as they were" in answer.text
    assert SAID["stale"] in answer.text
    assert SAID["held"] in answer.text
    assert house.cases.get(case_id(1)).holder == "other"
    assert house.cases.get(case_id(0)).decided_by == "other"


def test_a_second_click_shows_what_the_first_has_done_and_does_nothing(client: TestClient, house: House) -> None:
    page = client.get("/queue").text
    answers = [bulk(client, page, 0, 1) for _ in range(2)]
    assert ["2 cases are decided." in answer.text for answer in answers] == [True, True]
    assert rows(answers[0].text) == rows(answers[1].text)
    assert waiting(house) == (4, 2)


@pytest.mark.parametrize(
    "fields",
    [{"reason": "no"}, {"verdict": "default"}, {"verdict": ""}, {"row.topic:0:0": "x"}, {"tick.topic:0:0": ""}],
)
def test_odd_forms_decide_nothing(client: TestClient, house: House, fields: dict[str, str]) -> None:
    answer = bulk(client, client.get("/queue").text, 0, **fields)
    assert answer.status_code == 400
    assert house.cases.list("decided", limit=9) == ()


def test_ids_that_are_none_are_text_and_change_nothing(client: TestClient, house: House) -> None:
    odd = "<script>alert(1)</script>"
    answer = told(
        client, post(client, "/bulk", verdict="dismiss", reason=REASON, **{f"row.{odd}": "1", f"tick.{odd}": "on"})
    )
    assert SAID["unknown"] in answer.text
    assert "<script>alert" not in answer.text


def test_a_program_decides_many_and_takes_them_back(house: House) -> None:
    bearer = {"authorization": f"Bearer {house.tokens.issue('lead', 'test', PERMISSIONS, 1, 'cli:root', NOW_MS)}"}
    asked = [{"decision_id": case_id(n), "version": 1} for n in (0, 1, 4)]
    with TestClient(console(house)) as client:
        body = {"verdict": "dismiss", "reason": REASON, "cases": [*asked, {"decision_id": "nothing", "version": 1}]}
        found = client.post(f"{BASE}/bulk", json=body, headers=bearer).json()
        assert found == {
            "done": [{"decision_id": case_id(n), "version": 3} for n in (0, 1)],
            "left": [{"decision_id": case_id(4), "why": "own_page"}, {"decision_id": "nothing", "why": "unknown"}],
        }
        undone = client.post(f"{BASE}/bulk/undo", json={"cases": found["done"]}, headers=bearer).json()
    assert undone == {"done": [{"decision_id": case_id(n), "version": 5} for n in (0, 1)], "left": []}
    assert waiting(house) == (0, 0)
