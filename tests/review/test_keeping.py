import re
from urllib.parse import parse_qs, urlsplit

import msgspec
import sqlalchemy as sa
from starlette.testclient import TestClient

from review import tables
from review.console.house import House
from tests.review.examples import NOW_MS
from tests.review.test_console import CASE, client, csrf, house, post, sign_in

__all__ = ["client", "house"]


def test_a_filter_is_kept_by_name_shown_as_a_link_and_forgotten(client: TestClient, house: House) -> None:
    sign_in(client)
    kept = post(client, "/filters", name="  big  cards ", view="open", outcome="block", country="SA", method="card")
    assert kept.status_code == 303
    asked = parse_qs(urlsplit(kept.headers["location"]).query)
    assert asked == {"outcome": ["block"], "country": ["SA"], "method": ["card"]}
    page = client.get("/queue")
    found = re.search(r'<a href="(/queue\?[^"]+)"><bdi>big cards</bdi></a>', page.text)
    assert found is not None
    shared = client.get(found[1].replace("&amp;", "&"))
    assert 'value="block" selected' in shared.text
    assert post(client, "/filters/forget", name="big cards").status_code == 303
    assert "big cards" not in client.get("/queue").text
    with house.engine.connect() as connection:
        trail = connection.execute(sa.select(tables.audit.c.action, tables.audit.c.fields)).all()
    assert [tuple(row) for row in trail if "filter" in row.action] == [
        ("filter.kept", '["query"]'),
        ("filter.forgotten", "[]"),
    ]


def test_nobody_sees_the_filters_of_others_and_what_is_no_filter_is_not_kept(client: TestClient) -> None:
    sign_in(client)
    assert post(client, "/filters", name="mine", outcome="block").status_code == 303
    assert post(client, "/filters", name="odd", country="sa'--").status_code == 400
    assert post(client, "/filters", name=" ", outcome="block").status_code == 400
    assert post(client, "/filters", name="x" * 41).status_code == 400
    for number in range(19):
        assert post(client, "/filters", name=f"f{number}").status_code == 303
    assert post(client, "/filters", name="one too many").status_code == 400
    client.cookies.clear()
    sign_in(client, "lead")
    assert "<bdi>mine</bdi>" not in client.get("/queue").text


def test_what_came_since_the_page_was_made_is_said_in_the_persons_language(client: TestClient, house: House) -> None:
    sign_in(client)
    for number, at_ms in enumerate((NOW_MS - 1, NOW_MS + 1, NOW_MS + 2)):
        new = msgspec.structs.replace(
            house.cases.get(CASE), decision_id=f"new-{number}", opened_at_ms=at_ms, due_at_ms=at_ms
        )
        house.cases.take_in(msgspec.structs.replace(new, order_id=f"new-{number}"))
    answer = client.get(f"/queue/live?since={NOW_MS}").json()
    assert answer["said"] == "2 new cases"
    assert answer["counts"] == {
        "open": "4",
        "mine": "",
        "assigned": "",
        "snoozed": "",
        "waiting": "",
        "escalated": "",
        "overdue": "1",
    }
    house.access.change("analyst", "analyst", NOW_MS, language="ar")
    assert client.get(f"/queue/live?since={NOW_MS}").json()["said"] == "حالتان جديدتان"
    assert client.get("/queue/live?since=soon").json()["said"] == ""
    assert csrf(client.get("/queue"))
