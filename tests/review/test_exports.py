"""The queue and the audit trail as files: what is in them, who may have them, and that each is in the trail."""

import csv
import io
import os
from collections.abc import Iterator
from typing import get_args

import httpx2
import msgspec
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from events.types import Contact
from review import exports, tables
from review.access.accounts import Account
from review.access.roles import PERMISSIONS
from review.access.store import note
from review.cases import Case
from review.console.api import BASE
from review.console.app import console
from review.console.endpoints import ENDPOINTS
from review.console.house import House, furnished
from review.console.openapi import document
from review.console.trails import ACTIONS
from review.console.words import Words
from review.opener import Vault, open_case
from review.queue import Filter
from review.sheets import sheet
from tests.review.examples import NOW_MS, PASSWORD, decision
from tests.review.test_console import CASE, order, post, sign_in
from tests.sharing.orders import ORDER

HOSTILE = "=HYPERLINK(1)\u202e\x1b[2Jنورة"
OFFICER = "privacy_officer"


@pytest.fixture
def house(engine: sa.Engine, vault: Vault) -> House:
    house = furnished(engine, *vault, os.urandom, lambda: NOW_MS, https=False)
    for role in ("lead", "analyst", "auditor", "privacy_officer"):
        house.access.add(Account(username=role, roles=(role,), password=PASSWORD), "cli:root", NOW_MS)
    house.cases.take_in(open_case(decision(priority=2.0), ORDER, vault, NOW_MS))
    return house


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    with TestClient(console(house), follow_redirects=False) as client:
        yield client


def rows(answer: httpx2.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def trail(house: House) -> list[tuple[str, str, str]]:
    held = tables.audit.c
    query = sa.select(held.actor, held.action, held.fields).where(held.action.like("%.exported")).order_by(held.place)
    with house.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query)]


def test_a_case_that_was_worked_on_is_this_row(client: TestClient, house: House) -> None:
    case = house.desk.act(house.cases.get(CASE), "claim", "lead", NOW_MS)
    house.desk.decide(case, "confirm_fraud", reason=b"sealed", actor="lead", now_ms=NOW_MS + 5_000)
    sign_in(client, "lead")
    post(client, f"/cases/{CASE}/tag", put="reseller")
    post(client, f"/cases/{CASE}/tag", put="card_testing")
    (row,) = rows(client.get("/queue.csv?view=decided&outcome=&country="))
    assert row == {
        "order": "ord-1",
        "decision": "topic:0:17",
        "outcome": "block",
        "risk": "0.97",
        "reasons": "card.velocity customer.age",
        "amount": "1299.50",
        "currency": "SAR",
        "orders": "1",
        "total": "1299.50 SAR",
        "payment_method": "card",
        "last_four": "4242",
        "country": "SA",
        "status": "decided",
        "opened_at": "2026-03-01T22:16:40Z",
        "due_at": "2026-03-04T22:16:40Z",
        "assignee": "",
        "held_by": "",
        "tags": "card_testing reseller",
        "verdict": "confirm_fraud",
        "decided_at": "2026-03-01T22:16:45Z",
        "decided_by": "lead",
    }


def test_a_case_that_lacks_what_can_be_lacking_has_empty_cells(house: House) -> None:
    bare = Case(
        decision_id="topic:0:9", order_id="ord-9", opened_at_ms=0, occurred_at_ms=0, outcome="review", mode="rules",
        subject="s" * 22, amount_minor=5,
    )  # fmt: skip
    house.cases.take_in(bare)
    (_, row) = exports.cases(house.engine, Filter(), "lead", NOW_MS).rows
    empty = {name for name, value in msgspec.structs.asdict(row).items() if value in (None, ())}
    assert empty == {
        *("risk", "reasons", "amount", "currency", "total", "payment_method", "last_four", "country", "due_at"),
        *("assignee", "held_by", "tags", "verdict", "decided_at", "decided_by"),
    }


def test_orders_that_are_decided_together_are_counted_and_their_amounts_added_up(house: House, vault: Vault) -> None:
    for number, amount, code in ((18, 50, "SAR"), (19, 3_250, "KWD")):
        joined = decision(number, order_id=f"ord-{number}", amount_minor=amount, currency=code)
        case = open_case(joined, order(f"ord-{number}"), vault, NOW_MS)
        house.cases.take_in(msgspec.structs.replace(case, status="joined", lead=CASE))
    (row,) = exports.cases(house.engine, Filter(), "lead", NOW_MS).rows
    assert (row.amount, row.orders, sorted(row.total)) == ("1299.50", 3, ["1300.00 SAR", "3.250 KWD"])


def test_the_file_is_saved_and_neither_guessed_at_nor_kept(client: TestClient) -> None:
    sign_in(client, "lead")
    answer = client.get("/queue.csv")
    assert answer.content.startswith(b'\xef\xbb\xbf"order",')
    wanted = {
        "content-type": "text/csv; charset=utf-8",
        "content-disposition": 'attachment; filename="amana-queue-20260301T221640Z.csv"',
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }
    assert {name: answer.headers[name] for name in wanted} == wanted


def test_the_same_filters_choose_as_on_the_page(client: TestClient, house: House, vault: Vault) -> None:
    other = decision(18, order_id="ord-2", outcome="review", priority=9.0)
    house.cases.take_in(open_case(other, order("ord-2"), vault, NOW_MS))
    house.desk.act(house.cases.get(CASE), "claim", "lead", NOW_MS)
    sign_in(client, "lead")
    for query, found in (
        ("", ["ord-2"]),
        ("?view=mine", ["ord-1"]),
        ("?outcome=review", ["ord-2"]),
        ("?outcome=block", []),
        ("?view=mine&method=card&country=SA", ["ord-1"]),
        ("?tag=reseller", []),
    ):
        assert [row["order"] for row in rows(client.get(f"/queue.csv{query}"))] == found, query
    (row,) = rows(client.get("/queue.csv?view=mine"))
    assert (row["status"], row["held_by"]) == ("claimed", "lead")


@pytest.mark.parametrize(
    "odd", ["view=all", "after=x", "country=sa", "email=a%40b.c", "after=nan", "method=%00", "q=1"]
)
def test_what_is_no_filter_is_refused_and_nothing_leaves(client: TestClient, house: House, odd: str) -> None:
    sign_in(client, "lead")
    answer = client.get(f"/queue.csv?{odd}")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert trail(house) == []


@pytest.mark.parametrize("odd", ["before=x", "before=-1", "before=", "before=²", f"before={'9' * 19}", "place=1"])
def test_what_is_no_place_of_the_trail_is_refused(client: TestClient, house: House, odd: str) -> None:
    sign_in(client, "auditor")
    assert client.get(f"/audit.csv?{odd}").status_code == 400
    assert trail(house) == []


def test_more_than_one_file_holds_is_led_on_to_in_the_queues_order(
    client: TestClient, house: House, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (18, 19, 20, 21):
        numbered = decision(number, order_id=f"ord-{number}", priority=float(number))
        house.cases.take_in(open_case(numbered, order(f"ord-{number}"), vault, NOW_MS))
    monkeypatch.setattr(exports, "MOST", 2)
    sign_in(client, "lead")
    assert walked(client, "/queue.csv?outcome=block", "order") == [
        *(["ord-21", "ord-20"], ["ord-19", "ord-18"], ["ord-1"])
    ]


def test_older_entries_of_the_trail_are_led_on_to(
    client: TestClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "MOST", 4)
    sign_in(client, "auditor")
    (first, second) = walked(client, "/audit.csv", "action")
    assert first == ["signed_in", "account.added", "account.added", "account.added"]
    assert second == ["account.added"]
    assert trail(house) == [
        ("auditor", "audit.exported", "[]"),
        ("auditor", "audit.exported", '["before"]'),
    ]


def walked(client: TestClient, path: str, column: str) -> list[list[str]]:
    found = []
    while path:
        answer = client.get(path)
        found.append([row[column] for row in rows(answer)])
        path = answer.links.get("next", {}).get("url", "")
    return found


def test_a_download_is_in_the_trail_by_the_names_of_its_filters_and_its_rows_alone(
    client: TestClient, house: House
) -> None:
    sign_in(client, "lead")
    client.get("/queue.csv?view=open&country=SA&method=wallet")
    client.get("/queue.csv")
    assert trail(house) == [
        ("lead", "queue.exported", '["country","method"]'),
        ("lead", "queue.exported", "[]"),
    ]


def test_what_cannot_be_written_down_does_not_leave(client: TestClient, house: House) -> None:
    sign_in(client, "lead")
    with house.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE review_audit RENAME TO elsewhere"))
    with pytest.raises(sa.exc.DatabaseError, match="review_audit"):
        client.get("/queue.csv")


def test_the_trail_is_these_rows_and_those_of_the_law_are_for_privacy_officers_alone(
    client: TestClient, house: House
) -> None:
    with house.engine.begin() as connection:
        note(connection, OFFICER, "law.ask", NOW_MS, CASE, ("name", "email"))
        note(connection, "lead", "reveal", NOW_MS, CASE, ("email",))
    found = {}
    for role in ("auditor", OFFICER):
        sign_in(client, role)
        found[role] = rows(client.get("/audit.csv"))
    newest = {"at": "2026-03-01T22:16:40Z", "case": CASE, "place": found["auditor"][1]["place"]}
    assert found["auditor"][1] == newest | {"by": "lead", "action": "reveal", "fields": "email"}
    assert [row["action"] for row in found["auditor"] if row["action"].startswith("law.")] == []
    of_law = [row for row in found[OFFICER] if row["action"].startswith("law.")]
    assert [(row["by"], row["action"], row["fields"]) for row in of_law] == [(OFFICER, "law.ask", "name email")]


def test_nothing_of_a_customers_is_in_any_file_whatever_they_wrote(
    client: TestClient, house: House, vault: Vault
) -> None:
    contact = Contact(name=HOSTILE, email="layla@example.com", phone="+966501112222")
    hostile = msgspec.structs.replace(order("ord-2"), contact=contact, user_agent=HOSTILE)
    house.cases.take_in(open_case(decision(18, order_id="ord-2"), hostile, vault, NOW_MS))
    sign_in(client, "lead")
    post(client, f"/cases/{CASE}/notes", body="called the customer")
    text = client.get("/queue.csv").text
    for value in ("HYPERLINK", "نورة", "layla", "•", "501112222", "called", ORDER.ip, str(ORDER.contact.name)):
        assert value not in text, value
    assert text.count("\n") == 3


def test_of_what_is_sealed_or_indexed_nothing_is_read() -> None:
    read = set(exports.READ)
    assert not read & {"envelope", "reason", "email_index", "phone_index", "card", "device"}
    assert {name for name, field in _fields(Case).items() if field.required} <= read


def _fields(kind: type) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.name: field for field in msgspec.structs.fields(kind)}


def test_odd_ids_are_neutralised_wherever_they_came_from(house: House) -> None:
    """The guard lets none of these in; who reads the file need not know."""
    for number, odd in enumerate(("=1+1", "-7", "@x", "+966", "a\u202eb", "\x1b[2J", "طلب-٧", 'x";=1')):
        case = msgspec.structs.replace(house.cases.get(CASE), decision_id=f"topic:1:{number}", order_id=odd, priority=0)
        house.cases.take_in(case)
    body = sheet(exports.QueueRow, exports.cases(house.engine, Filter(), "lead", NOW_MS).rows)
    found = [row["order"] for row in csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline=""))]
    assert found == [
        *("ord-1", "'=1+1", "'-7", "'@x", "'+966", "a\\u{202e}b", "\\u{1b}[2J", "طلب-٧", "x\";'=1"),
    ]


def test_only_who_may_download_sees_the_link_which_keeps_the_filter(client: TestClient, house: House) -> None:
    sign_in(client, "analyst")
    assert "/queue.csv" not in client.get("/queue").text
    sign_in(client, "lead")
    assert '<a href="/queue.csv">Download as CSV</a>' in client.get("/queue").text
    filtered = client.get("/queue?outcome=block&country=SA").text
    assert '<a href="/queue.csv?outcome=block&amp;country=SA">Download as CSV</a>' in filtered
    house.access.change("auditor", "cli:root", NOW_MS, language="ar")
    sign_in(client, "auditor")
    assert '<a href="/audit.csv">تنزيل بصيغة CSV</a>' in client.get("/audit").text
    assert '<a href="/audit.csv?before=3">' in client.get("/audit?before=3").text


def test_programs_get_the_same_files_and_are_refused_by_problem_documents(client: TestClient, house: House) -> None:
    def got(path: str, role: str) -> httpx2.Response:
        bearer = {"authorization": f"Bearer {house.tokens.issue(role, 'test', PERMISSIONS, 1, 'cli:root', NOW_MS)}"}
        return client.get(f"{BASE}{path}", headers=bearer)

    file = got("/queue.csv?outcome=block", "lead")
    sign_in(client, "lead")
    page = client.get("/queue.csv?outcome=block")
    assert (file.content, file.headers["content-disposition"]) == (page.content, page.headers["content-disposition"])
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    assert [row["action"] for row in rows(got("/audit.csv?before=2", "auditor"))] == ["account.added"]
    for path, role, code in (("/queue.csv?view=all", "lead", 400), ("/queue.csv", "analyst", 403)):
        refused = got(path, role)
        assert (refused.status_code, refused.headers["content-type"]) == (code, "application/problem+json")
    (answer,) = document(ENDPOINTS)["paths"][f"{BASE}/queue.csv"]["get"]["responses"]["200"]["content"]
    assert answer == "text/csv"


def test_the_trails_page_says_what_a_download_was() -> None:
    for action in get_args(exports.What):
        assert Words("ar").text(ACTIONS[action]) != ACTIONS[action]
