"""Tags: words of the policy's and no others, put on and taken off by a press, and what the queue is filtered by."""

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from review import tags
from review.access.roles import PERMISSIONS
from review.console.api import BASE
from review.console.house import House
from review.console.words import Words
from review.desk import Desk
from review.errors import Unfit
from review.policy import POLICY, Policy
from tests.review.examples import NOW_MS
from tests.review.test_console import CASE, client, house, post, sign_in
from tests.review.test_desk import audited

__all__ = ["client", "house"]


def test_tags_are_put_on_and_taken_off_and_what_is_so_already_leaves_no_entry(engine: sa.Engine) -> None:
    tags.change(engine, POLICY, CASE, "noura", NOW_MS, put=["reseller", "card_testing"])
    tags.change(engine, POLICY, CASE, "noura", NOW_MS, put=["reseller"])
    assert tags.of(engine, [CASE, "other"]) == {CASE: ("card_testing", "reseller"), "other": ()}
    tags.change(engine, POLICY, CASE, "salem", NOW_MS, put=["known_customer"], off=["reseller", "triangulation"])
    assert tags.of(engine, [CASE])[CASE] == ("card_testing", "known_customer")
    assert audited(engine) == [("noura", "tag", ["tags"]), ("salem", "tag", ["tags"])]


def test_many_who_put_the_same_tags_at_once_put_them_once(engine: sa.Engine) -> None:
    def put(name: str) -> None:
        tags.change(engine, POLICY, CASE, name, NOW_MS, put=POLICY.tags)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, [f"analyst-{n}" for n in range(8)]))
    assert tags.of(engine, [CASE])[CASE] == tuple(sorted(POLICY.tags))
    assert len(audited(engine)) == 1


@pytest.mark.parametrize(("put", "off"), [(["sara@example.com"], []), (["reseller"], ["reseller"])])
def test_no_other_word_is_a_tag(engine: sa.Engine, put: list[str], off: list[str]) -> None:
    with pytest.raises(Unfit, match=r"^There is no such tag\.$"):
        tags.change(engine, POLICY, CASE, "noura", NOW_MS, put=put, off=off)
    assert tags.of(engine, [CASE])[CASE] == ()


def test_what_the_policy_names_no_more_can_be_taken_off_but_not_be_put(engine: sa.Engine) -> None:
    tags.change(engine, Policy(tags=("old",)), CASE, "noura", NOW_MS, put=["old"])
    with pytest.raises(Unfit):
        tags.change(engine, POLICY, "other", "noura", NOW_MS, put=["old"])
    tags.change(engine, POLICY, CASE, "noura", NOW_MS, off=["old"])
    assert tags.of(engine, [CASE])[CASE] == ()


@pytest.mark.parametrize("odd", ["", "x", "VIP", "a b", "ok\n", "x" * 33])
def test_a_policys_tags_are_short_words(odd: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"tags": [odd]}, Policy)
    assert msgspec.convert({"tags": POLICY.tags}, Policy).tags == POLICY.tags


def test_every_tag_of_the_policys_is_said_in_arabic() -> None:
    assert [tag for tag in POLICY.tags if Words("ar").value(tag) == Words("en").value(tag)] == []


def test_an_analyst_tags_a_case_whatever_its_version_and_filters_the_queue_by_it(
    client: TestClient, house: House
) -> None:
    sign_in(client)
    assert post(client, f"/cases/{CASE}/tag", put="reseller").headers["location"] == f"/cases/{CASE}#sorting"
    assert 'name="off" value="reseller" aria-pressed="true"' in client.get(f"/cases/{CASE}").text
    assert f"/cases/{CASE}" in client.get("/queue?tag=reseller").text
    assert f"/cases/{CASE}" not in client.get("/queue?tag=card_testing").text
    assert client.get("/queue?tag=a%40b.c").status_code == 400
    assert post(client, f"/cases/{CASE}/tag", put="sara").status_code == 400
    assert post(client, f"/cases/{CASE}/tag", off="reseller").status_code == 303
    assert tags.of(house.engine, [CASE])[CASE] == ()
    assert house.cases.get(CASE).version == 1


def test_a_filter_by_tag_is_kept_like_any_other(client: TestClient) -> None:
    sign_in(client)
    assert post(client, "/filters", name="rings", tag="card_testing").headers["location"] == "/queue?tag=card_testing"


def test_a_decided_case_is_tagged_too_and_who_only_reads_sees_its_tags(client: TestClient, house: House) -> None:
    Desk(house.engine).decide(house.cases.get(CASE), "dismiss", reason=b"x", actor="analyst", now_ms=NOW_MS)
    tags.change(house.engine, POLICY, CASE, "analyst", NOW_MS, put=["known_customer"])
    sign_in(client, "risk_engineer")
    page = client.get("/queue?view=decided").text
    assert '<span class="tag">known customer</span>' in page
    assert post(client, f"/cases/{CASE}/tag", off="known_customer").status_code == 403


def test_programs_tag_and_filter_by_tag(client: TestClient, house: House) -> None:
    bearer = {"authorization": f"Bearer {house.tokens.issue('analyst', 'test', PERMISSIONS, 1, 'cli:root', NOW_MS)}"}
    path = f"{BASE}/cases/{CASE}/tags"
    body = {"put": ["reseller", "known_customer"]}
    assert client.post(path, json=body, headers=bearer).json()["tags"] == ["known_customer", "reseller"]
    assert client.post(path, json={"off": ["reseller"]}, headers=bearer).json()["tags"] == ["known_customer"]
    assert client.post(path, json={"put": ["unheard_of"]}, headers=bearer).status_code == 400
    for tag, found in (("known_customer", 1), ("reseller", 0)):
        cases = client.get(f"{BASE}/cases?tag={tag}", headers=bearer).json()["cases"]
        assert [case["tags"] for case in cases] == [["known_customer"]] * found
