"""While a verdict's minute runs, its undo is at hand: on the queue, on the case's own page, and after a reload."""

from concurrent.futures import ThreadPoolExecutor

from starlette.testclient import TestClient

from review.console.house import House
from review.desk import LEAVES_MS
from review.opener import Vault, open_case
from review.workflow import UNDO_MS
from tests.review.browsing import Clock
from tests.review.examples import NOW_MS, decision
from tests.review.test_bulk import bulk, case_id, client, clock, house, rows, told, waiting
from tests.review.test_console import csrf, order, post, sign_in

__all__ = ["client", "clock", "house"]  # fixtures


def undo_of(number: int) -> str:
    return f'action="/cases/{case_id(number)}/undo"'


def decide(client: TestClient, house: House, number: int) -> str:
    """Where the person is led to after a verdict on the case."""
    version = str(house.cases.get(case_id(number)).version)
    answer = post(client, f"/cases/{case_id(number)}/confirm_fraud", reason="a stolen card", version=version)
    assert answer.status_code == 303
    return answer.headers["location"]


def test_the_last_open_case_is_undone_on_the_queue(client: TestClient, house: House, clock: Clock) -> None:
    for n in range(1, 5):
        case = house.cases.get(case_id(n))
        house.desk.decide(case, "confirm_fraud", reason=b"sealed", actor="other", now_ms=NOW_MS)
    moved = decide(client, house, 0)
    assert moved == "/queue?done=topic%3A0%3A0"
    assert undo_of(0) in client.get(moved).text
    clock.now_ms += UNDO_MS
    assert undo_of(0) not in client.get(moved).text


def test_the_page_of_a_case_that_one_has_just_decided_has_its_undo(
    client: TestClient, house: House, clock: Clock
) -> None:
    decide(client, house, 0)
    assert undo_of(0) in client.get(f"/cases/{case_id(0)}").text
    clock.now_ms += UNDO_MS
    assert undo_of(0) not in client.get(f"/cases/{case_id(0)}").text


def test_the_same_verdict_sent_twice_at_once_is_done_once_and_both_are_shown_it(
    client: TestClient, house: House
) -> None:
    mark = {"csrf": csrf(client.get("/queue")), "reason": "a stolen card", "version": "1"}
    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(client.post, f"/cases/{case_id(0)}/confirm_fraud", data=mark) for _ in range(4)]
    where = {each.result().headers["location"] for each in sent}
    assert where <= {f"/cases/{case_id(n)}?done=topic%3A0%3A0" for n in (0, 1)}
    assert [undo_of(0) in client.get(each).text for each in where] == [True] * len(where)
    assert [case.decision_id for case in house.cases.list("claimed", limit=9)] == [case_id(1)]
    assert waiting(house) == (2, 1)


def test_a_second_click_on_a_first_look_is_told_of_it_and_takes_no_further_case(
    client: TestClient, house: House
) -> None:
    fields = {"reason": "known customer", "version": "1"}
    where = [post(client, f"/cases/{case_id(4)}/dismiss", **fields).headers["location"] for _ in range(2)]
    assert where == ["/cases/topic:0:0?done=topic%3A0%3A4"] * 2
    assert len(house.cases.list("claimed", limit=9)) == 1


def test_another_verdict_than_the_first_is_told_that_the_case_has_changed(client: TestClient, house: House) -> None:
    decide(client, house, 0)
    late = post(client, f"/cases/{case_id(0)}/dismiss", reason="known customer", version="1")
    assert (late.status_code, house.cases.get(case_id(0)).verdict) == (409, "confirm_fraud")


def test_nobody_is_offered_the_undo_of_anothers_verdict(client: TestClient, house: House) -> None:
    moved = decide(client, house, 0)
    post(client, "/sign-out")
    sign_in(client, "other")
    for page in (moved, f"/cases/{case_id(0)}", f"/queue?done={case_id(0)}"):
        assert undo_of(0) not in client.get(page).text


def test_what_a_bulk_has_done_stands_at_an_address_that_bears_a_reload(client: TestClient, house: House) -> None:
    page = client.get("/queue").text
    answer = post(
        client, "/bulk", verdict="confirm_fraud", reason="a ring", all="1", **rows(page) | {f"row.{case_id(1)}": "9"}
    )
    where = answer.headers["location"]
    assert where == ("/bulk?done=3.topic:0:0&done=3.topic:0:2&done=3.topic:0:3&done=3.topic:0:4&left=stale.topic:0:1")
    pages = [client.get(where).text for _ in range(2)]
    assert ["4 cases are decided." in text and "1 case stayed as it was" in text for text in pages] == [True, True]
    undone = told(client, post(client, "/bulk/undo", all="1", **rows(pages[1])))
    assert "4 verdicts were taken back" in undone.text
    assert waiting(house) == (0, 0)
    assert "4 cases are decided." not in client.get(where).text


def test_the_address_offers_no_undo_after_the_minute_and_tells_nobody_else_of_a_verdict(
    client: TestClient, house: House, clock: Clock
) -> None:
    page = bulk(client, client.get("/queue").text, 0, 1)
    assert "Undo all" in page.text
    where = f"/bulk?done=3.{case_id(0)}&done=3.{case_id(1)}"
    clock.now_ms += LEAVES_MS
    late = client.get(where).text
    assert ("2 cases are decided." in late, "Undo all" in late) == (True, False)
    post(client, "/sign-out")
    sign_in(client, "other")
    assert client.get(where).headers["location"] == "/queue"


def test_addresses_of_a_bulk_that_none_has_given_lead_to_the_queue(client: TestClient) -> None:
    for query in ("", "?done=", "?done=x", "?done=1.nothing", "?left=x.topic:0:0", f"?done=1.{'x' * 99}", "?undone=9"):
        assert client.get(f"/bulk{query}").headers["location"] == "/queue"


def test_an_order_that_was_decided_with_another_case_has_no_undo_of_its_own(
    client: TestClient, house: House, vault: Vault
) -> None:
    case = open_case(decision(30, order_id="ord-30"), order("ord-30"), vault, NOW_MS)
    house.cases.take_in(case)
    decide(client, house, 30)
    with house.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE review_cases SET lead = '{case_id(0)}' WHERE decision_id = '{case_id(30)}'")
    assert undo_of(30) not in client.get(f"/cases/{case_id(30)}").text
