import os
import re
from collections.abc import Iterator

import httpx2
import msgspec
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from events.types import Contact, OrderPlaced
from review.access.accounts import Account
from review.access.roles import GRANTS, ROLES, Role
from review.console.app import WAYS, console
from review.console.house import House, furnished
from review.console.security import LARGEST_BODY
from review.finding import REVEALS_AN_HOUR
from review.opener import Vault, open_case
from review.store import SubjectKeyTable
from tests.review.examples import NOW_MS, PASSWORD, WORD, decision
from tests.sharing.orders import ORDER

CASE = "topic:0:17"
HOSTILE = "<script>alert(1)</script>\u202e"


@pytest.fixture
def house(engine: sa.Engine, vault: Vault) -> House:
    house = furnished(engine, *vault, os.urandom, lambda: NOW_MS, https=False)
    for role in ROLES:
        house.access.add(Account(username=role, roles=(role,), password=PASSWORD), "cli:root", NOW_MS)
    house.cases.take_in(open_case(decision(), ORDER, vault, NOW_MS))
    return house


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    with TestClient(console(house), follow_redirects=False) as client:
        yield client


def order(order_id: str) -> OrderPlaced:
    return msgspec.structs.replace(ORDER, order_id=order_id)


def csrf(page: httpx2.Response) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
    assert found is not None
    return found[1]


def sign_in(client: TestClient, name: str = "analyst", word: str = WORD) -> httpx2.Response:
    mark = csrf(client.get("/sign-in"))
    return client.post("/sign-in", data={"csrf": mark, "username": name, "password": word, "next": "/queue"})


def post(client: TestClient, path: str, **fields: str) -> httpx2.Response:
    return client.post(path, data={"csrf": csrf(client.get("/queue")), **fields})


def test_without_a_session_every_page_leads_to_the_sign_in(client: TestClient) -> None:
    for way in WAYS:
        answer = client.request(way.method, way.path.format(case_id=CASE, action="claim", reference="LE-1"))
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/sign-in")


def test_the_right_password_leads_to_the_queue_with_its_cases(client: TestClient) -> None:
    answer = sign_in(client)
    assert (answer.status_code, answer.headers["location"]) == (303, "/queue")
    page = client.get("/queue")
    assert page.status_code == 200
    assert "ord-1" in page.text
    assert "•• 4242" in page.text


def test_a_wrong_password_says_no_more_than_that(client: TestClient) -> None:
    for name in ("analyst", "nobody"):
        answer = sign_in(client, name, "wrong horse battery")
        assert answer.status_code == 403
        assert "Name and password do not fit" in answer.text
    assert client.get("/queue").status_code == 303


@pytest.mark.parametrize("role", ROLES)
def test_every_route_is_open_to_just_the_roles_that_the_table_grants_it(client: TestClient, role: Role) -> None:
    sign_in(client, role)
    mark = csrf(client.get("/queue"))
    for way in WAYS:
        if way.path == "/sign-out":
            continue
        path = way.path.format(case_id=CASE, action="claim", reference="LE-1")
        answer = client.request(way.method, path, data={"csrf": mark} if way.method == "POST" else None)
        refused = answer.status_code == 403
        assert refused == (way.needs is not None and way.needs not in GRANTS[role]), (way.path, answer.status_code)


def test_a_form_without_the_sessions_mark_or_from_another_site_changes_nothing(
    client: TestClient, house: House
) -> None:
    sign_in(client)
    mark = csrf(client.get("/queue"))
    fields = {"reason": "known customer", "version": "1"}
    elsewhere = {"sec-fetch-site": "cross-site"}
    answers = [
        client.post(f"/cases/{CASE}/dismiss", data=fields),
        client.post(f"/cases/{CASE}/dismiss", data=fields | {"csrf": "0" * 64}),
        client.post(f"/cases/{CASE}/dismiss", data=fields | {"csrf": mark}, headers=elsewhere),
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert house.cases.get(CASE).status == "open"


def test_an_analyst_decides_and_the_next_one_with_the_old_page_is_told_so(client: TestClient, house: House) -> None:
    sign_in(client)
    fields = {"reason": "cardholder called", "version": "1"}
    moved = post(client, f"/cases/{CASE}/confirm_fraud", **fields).headers["location"]
    assert moved == "/queue?done=topic%3A0%3A17"
    assert house.cases.get(CASE).decided_by == "analyst"
    late = post(client, f"/cases/{CASE}/dismiss", **fields)
    assert late.status_code == 409
    assert "Somebody else changed this case" in late.text


def test_after_a_verdict_the_next_case_is_claimed_and_the_verdict_can_be_undone_there(
    client: TestClient, house: House, vault: Vault
) -> None:
    house.cases.take_in(open_case(decision(18, order_id="ord-2"), order("ord-2"), vault, NOW_MS))
    sign_in(client)
    moved = post(client, f"/cases/{CASE}/dismiss", reason="known customer", version="1").headers["location"]
    assert moved == "/cases/topic:0:18?done=topic%3A0%3A17"
    assert house.cases.get("topic:0:18").holder == "analyst"
    assert f"/cases/{CASE}/undo" in client.get(moved).text
    version = str(house.cases.get(CASE).version)
    assert post(client, f"/cases/{CASE}/undo", version=version).headers["location"] == f"/cases/{CASE}"
    assert house.cases.get(CASE).status == "claimed"
    assert house.cases.pending_labels(NOW_MS + 3_600_000) == ()


@pytest.mark.parametrize(("action", "status"), [("escalate", "open"), ("ask", "waiting"), ("snooze", "snoozed")])
def test_what_is_put_off_says_why_in_a_note(client: TestClient, house: House, action: str, status: str) -> None:
    sign_in(client)
    assert post(client, "/queue/next").headers["location"] == f"/cases/{CASE}"
    assert post(client, f"/cases/{CASE}/{action}", reason="<b>odd</b> address", version="2").status_code == 303
    assert house.cases.get(CASE).status == status
    assert "&lt;b&gt;odd&lt;/b&gt; address" in client.get(f"/cases/{CASE}").text


def test_a_note_is_kept_sealed_and_shown(client: TestClient, house: House) -> None:
    sign_in(client)
    assert post(client, f"/cases/{CASE}/notes", body="called the customer").status_code == 303
    assert "called the customer" in client.get(f"/cases/{CASE}").text
    (held,) = house.desk.notes(house.cases.get(CASE))
    assert b"called" not in held.body
    for body in ("", "x" * 1001, "4111 1111 1111 1111", "\u200b" * 9, "ok\u2060\u3164"):
        assert post(client, f"/cases/{CASE}/notes", body=body).status_code == 400


@pytest.mark.parametrize(
    ("action", "fields", "code"),
    [
        ("delete", {"reason": "known customer"}, 404),
        ("dismiss", {"reason": "no"}, 400),
        ("dismiss", {"reason": "x" * 1001}, 400),
        ("dismiss", {"reason": "card 4111 1111 1111 1111"}, 400),
        ("release", {}, 409),
        ("undo", {}, 409),
    ],
)
def test_odd_actions_are_refused_and_change_nothing(
    client: TestClient, house: House, action: str, fields: dict[str, str], code: int
) -> None:
    sign_in(client)
    assert post(client, f"/cases/{CASE}/{action}", version="1", **fields).status_code == code
    assert house.cases.get(CASE).status == "open"


@pytest.mark.parametrize("odd", ["view=all", "after=x", "country=sa", "email=a%40b.c", "after=nan", "method=%00"])
def test_odd_filters_are_refused(client: TestClient, odd: str) -> None:
    sign_in(client)
    assert client.get(f"/queue?{odd}").status_code == 400


def test_a_case_that_is_not_there_and_an_unknown_page_are_plain_pages(client: TestClient) -> None:
    sign_in(client)
    assert client.get("/cases/nothing").status_code == 404
    assert client.get("/nothing").status_code == 404


def test_what_a_customer_wrote_is_text_never_markup_nor_marks_of_direction(
    client: TestClient, house: House, vault: Vault
) -> None:
    contact = msgspec.structs.replace(ORDER.contact, name=HOSTILE)
    hostile = msgspec.structs.replace(order("ord-2"), contact=contact, user_agent=HOSTILE)
    house.cases.take_in(open_case(decision(18, order_id="ord-2"), hostile, vault, NOW_MS))
    sign_in(client)
    page = client.get("/cases/topic:0:18").text
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u{202e}" in page


def test_personal_values_are_masked(client: TestClient) -> None:
    sign_in(client)
    for page in (client.get(f"/cases/{CASE}").text, client.get("/queue").text):
        for value in (ORDER.contact.name, ORDER.contact.email, ORDER.contact.phone, ORDER.ip):
            assert value not in page
        for masked in ("ن•••", "n•••@example.com", "203.0.113.0/24"):
            assert masked in page


def test_the_queue_says_nothing_of_a_customer_who_was_erased_and_the_rest_of_the_others(
    client: TestClient, house: House, vault: Vault
) -> None:
    other = msgspec.structs.replace(order("ord-2"), customer_id="cus-2", contact=Contact(name="Salem"))
    house.cases.take_in(open_case(decision(18, order_id="ord-2"), other, vault, NOW_MS))
    SubjectKeyTable(house.engine).delete(house.cases.get(CASE).subject)
    sign_in(client)
    page = client.get("/queue").text
    assert ("S•••" in page, "ن•••" in page, f"/cases/{CASE}" in page) == (True, False, True)


def test_a_value_is_seen_in_clear_for_a_reason_that_is_kept_and_audited(client: TestClient, house: House) -> None:
    sign_in(client)
    assert post(client, f"/cases/{CASE}/reveal", field="email", why="no").status_code == 400
    page = post(client, f"/cases/{CASE}/reveal", field="email", why="to call back")
    assert str(ORDER.contact.email) in page.text
    assert str(ORDER.contact.email) not in client.get(f"/cases/{CASE}").text
    assert "email: to call back" in client.get(f"/cases/{CASE}").text
    assert post(client, f"/cases/{CASE}/reveal", field="payment", why="to call back").status_code == 400


def test_values_seen_in_clear_are_limited_by_the_hour(client: TestClient) -> None:
    sign_in(client)
    fields = {"field": "name", "why": "to call back"}
    codes = [post(client, f"/cases/{CASE}/reveal", **fields).status_code for _ in range(REVEALS_AN_HOUR + 1)]
    assert codes == [200] * REVEALS_AN_HOUR + [429]


@pytest.mark.parametrize(
    ("by", "value"),
    [
        ("order", "ord-1"),
        ("order", "ORD-١"),
        ("last4", " 4242 "),
        ("last4", "٤٢٤٢"),
        ("email", str(ORDER.contact.email)),
        ("phone", str(ORDER.contact.phone)),
    ],
)
def test_a_case_is_found_by_what_is_at_hand_and_that_stands_in_no_address(
    client: TestClient, by: str, value: str
) -> None:
    sign_in(client)
    answer = post(client, "/search", by=by, value=value)
    assert f"/cases/{CASE}" in answer.text
    assert answer.url.query == b""


@pytest.mark.parametrize(
    ("by", "value"),
    [("last4", "42²4"), ("last4", "42424"), ("email", "nobody"), ("phone", "12"), ("order", ""), ("name", "x")],
)
def test_odd_searches_are_refused(client: TestClient, by: str, value: str) -> None:
    sign_in(client)
    assert post(client, "/search", by=by, value=value).status_code == 400


def test_the_audit_trail_shows_names_of_fields_and_an_auditor_reads_it(client: TestClient) -> None:
    sign_in(client)
    post(client, f"/cases/{CASE}/reveal", field="email", why="to call back")
    post(client, "/sign-out")
    sign_in(client, "auditor")
    page = client.get("/audit").text
    assert re.search(r"analyst</bdi>.*reveal</bdi>.*topic:0:17.*email", page, re.DOTALL)
    assert str(ORDER.contact.email) not in page
    assert client.get("/audit?before=1").text.count("<tr>") == 1
    assert client.get("/audit?before=x").status_code == 200


def test_every_answer_forbids_what_is_not_ours_and_is_not_kept(client: TestClient) -> None:
    for path in ("/sign-in", "/queue", "/nothing"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
    page = client.get("/sign-in").text
    assert not re.search(r"<script(?! src=)|<style|\sstyle=|\son[a-z]+=|https?://", page)


def test_arabic_is_written_from_right_to_left_and_stays_the_persons_choice(client: TestClient) -> None:
    assert '<html lang="ar" dir="rtl">' in client.get("/sign-in", headers={"accept-language": "ar-SA,en;q=.5"}).text
    sign_in(client)
    assert post(client, "/language", language="ar", next="/queue").headers["location"] == "/queue"
    assert '<html lang="ar" dir="rtl">' in client.get("/queue").text


@pytest.mark.parametrize("then", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nb"])
def test_nobody_is_led_to_another_host(client: TestClient, then: str) -> None:
    sign_in(client)
    assert post(client, "/language", language="en", next=then).headers["location"] == "/queue"


def test_a_body_over_the_limit_is_refused(client: TestClient) -> None:
    answer = client.post("/sign-in", content=b"a" * (LARGEST_BODY + 1))
    assert answer.status_code == 413


def test_signing_out_ends_the_session(client: TestClient) -> None:
    sign_in(client)
    assert post(client, "/sign-out").headers["location"] == "/sign-in"
    assert client.get("/queue").status_code == 303
