"""Whose work a case is: who may say so, what the next case then is, and when an assignment ends."""

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from review import tables
from review.access.accounts import Account
from review.access.roles import PERMISSIONS, Role
from review.cases import Case
from review.console.api import BASE
from review.console.house import House
from review.desk import Desk
from review.errors import StaleCase, TransitionRefused
from review.opener import Vault, open_case
from review.policy import Policy
from review.queue import Filter, page
from review.store import CaseStore
from review.workflow import Action
from tests.review.examples import NOW_MS, decision
from tests.review.test_console import CASE, client, house, order, post, sign_in
from tests.review.test_desk import audited

__all__ = ["client", "house"]


@pytest.fixture
def cases(store: CaseStore, vault: Vault) -> list[Case]:
    """Three, the first of the highest priority."""
    cases = [
        open_case(decision(n, order_id=f"ord-{n}", priority=9.0 - n), order(f"ord-{n}"), vault, NOW_MS)
        for n in range(3)
    ]
    store.take_in_all(cases)
    return cases


def test_the_next_case_is_ones_own_first_and_never_somebody_elses(
    desk: Desk, cases: list[Case], engine: sa.Engine
) -> None:
    desk.assign(cases[2], "noura", "layla", NOW_MS)
    desk.assign(cases[0], "salem", "layla", NOW_MS)
    found = [desk.next("noura", NOW_MS) for _ in range(3)]
    assert [each and each.order_id for each in found] == ["ord-2", "ord-1", None]
    assert [case.order_id for case in page(engine, Filter(view="assigned"), "salem").cases] == ["ord-0"]


def test_what_is_assigned_to_a_disabled_account_is_not_lost(desk: Desk, cases: list[Case], house: House) -> None:
    house.access.add(Account(username="salem", roles=("analyst",)), "cli:root", NOW_MS)
    desk.assign(cases[0], "salem", "layla", NOW_MS)
    house.access.change("salem", "cli:root", NOW_MS, disabled=True)
    found = desk.next("noura", NOW_MS)
    assert found is not None
    assert found.order_id == "ord-0"


def test_an_assignment_takes_the_case_from_whoever_else_holds_it(
    desk: Desk, cases: list[Case], store: CaseStore, engine: sa.Engine
) -> None:
    held = desk.act(cases[0], "claim", "salem", NOW_MS)
    assigned = desk.assign(held, "noura", "layla", NOW_MS)
    assert (assigned.status, assigned.holder, assigned.assignee) == ("open", None, "noura")
    assert store.get("ord-0") == assigned
    with pytest.raises(StaleCase):
        desk.decide(held, "dismiss", reason=b"sealed", actor="salem", now_ms=NOW_MS)
    assert audited(engine)[1:] == [
        ("layla", "take", ["status", "holder", "until_ms"]),
        ("layla", "assign", ["assignee"]),
    ]


def test_to_who_holds_it_the_claim_stays_and_giving_up_an_assignment_ends_no_claim(
    desk: Desk, cases: list[Case]
) -> None:
    kept = desk.assign(desk.act(cases[0], "claim", "noura", NOW_MS), "noura", "noura", NOW_MS)
    assert (kept.status, kept.holder, kept.assignee) == ("claimed", "noura", "noura")
    given_up = desk.assign(kept, None, "noura", NOW_MS)
    assert (given_up.status, given_up.holder, given_up.assignee) == ("claimed", "noura", None)


@pytest.mark.parametrize(
    ("action", "assignee"),
    [("release", None), ("escalate", None), ("second_look", None), ("ask", "noura"), ("snooze", "noura")],
)
def test_who_hands_a_case_to_others_is_its_assignee_no_longer(
    desk: Desk, cases: list[Case], action: Action, assignee: str | None
) -> None:
    held = desk.act(desk.assign(cases[0], "noura", "layla", NOW_MS), "claim", "noura", NOW_MS)
    assert desk.act(held, action, "noura", NOW_MS, until_ms=NOW_MS + 9).assignee == assignee


def test_what_another_gives_back_stays_its_assignees_and_a_contested_case_is_nobodys(
    desk: Desk, cases: list[Case]
) -> None:
    held = desk.act(desk.assign(cases[0], "noura", "layla", NOW_MS), "claim", "salem", NOW_MS)
    back = desk.act(held, "release", "salem", NOW_MS)
    assert back.assignee == "noura"
    decided = desk.decide(back, "confirm_fraud", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    assert decided.assignee == "noura"
    assert desk.act(decided, "contest", "orders", NOW_MS).assignee is None


def test_a_decided_case_is_nobodys_work_and_a_second_look_not_the_firsts(
    desk: Desk, cases: list[Case], store: CaseStore
) -> None:
    decided = desk.decide(cases[0], "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    with pytest.raises(TransitionRefused, match=r"^a case that is decided is assigned to nobody$"):
        desk.assign(decided, "salem", "layla", NOW_MS)
    looked = desk.act(desk.act(cases[1], "claim", "noura", NOW_MS), "second_look", "noura", NOW_MS)
    with pytest.raises(TransitionRefused, match=r"^noura had the first look; somebody else has the second one$"):
        desk.assign(looked, "noura", "layla", NOW_MS)
    assert [store.get(f"ord-{n}").assignee for n in (0, 1)] == [None, None]


def test_a_case_that_is_back_is_not_assigned_to_who_judged_it_nor_stays_with_who_disagrees(
    engine: sa.Engine, cases: list[Case], store: CaseStore
) -> None:
    desk = Desk(engine, 0, Policy(seen_again={"dismiss": 1.0}))
    mine = desk.assign(cases[0], "noura", "layla", NOW_MS)
    desk.decide(mine, "dismiss", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    desk.tick(NOW_MS)
    back = store.get("ord-0")
    assert (back.status, back.assignee) == ("open", None)
    with pytest.raises(TransitionRefused, match=r"^noura is not given this case; assign it to somebody else$"):
        desk.assign(back, "noura", "layla", NOW_MS)
    theirs = desk.assign(back, "salem", "layla", NOW_MS)
    doubted = desk.decide(theirs, "confirm_fraud", reason=b"sealed", actor="salem", now_ms=NOW_MS)
    assert (doubted.status, doubted.escalated, doubted.assignee) == ("open", True, None)
    third = desk.next("lina", NOW_MS)
    assert third is not None
    assert third.order_id == "ord-0"


def test_an_analyst_takes_a_free_case_and_gives_it_up_and_leaves_others_theirs(
    client: TestClient, house: House
) -> None:
    sign_in(client)
    assert post(client, f"/cases/{CASE}/keep", version="1").status_code == 303
    assert house.cases.get(CASE).assignee == "analyst"
    assert "Not mine any more" in client.get(f"/cases/{CASE}").text
    assert post(client, f"/cases/{CASE}/keep", version="1", kept="no").status_code == 409
    assert post(client, f"/cases/{CASE}/keep", version="2", kept="no").status_code == 303
    house.desk.assign(house.cases.get(CASE), "lead", "lead", NOW_MS)
    for kept in ("yes", "no"):
        assert post(client, f"/cases/{CASE}/keep", version="4", kept=kept).status_code == 409
    assert house.cases.get(CASE).assignee == "lead"


def test_nobody_but_a_lead_takes_a_case_from_who_holds_it(client: TestClient, house: House) -> None:
    held = house.desk.act(house.cases.get(CASE), "claim", "lead", NOW_MS)
    sign_in(client)
    assert post(client, f"/cases/{CASE}/keep", version="2").status_code == 409
    assert post(client, f"/cases/{CASE}/assign", version="2", to="analyst").status_code == 403
    assert house.cases.get(CASE) == held


@pytest.mark.parametrize(("to", "code"), [("analyst", 303), ("", 303), ("auditor", 400), ("nobody", 400)])
def test_a_lead_assigns_to_who_works_on_cases(client: TestClient, house: House, to: str, code: int) -> None:
    sign_in(client, "lead")
    assert post(client, f"/cases/{CASE}/assign", version="1", to=to).status_code == code
    assert house.cases.get(CASE).assignee == (to if to == "analyst" else None)
    assert ("<bdi>analyst</bdi>" in client.get("/queue").text) == (to == "analyst")


def test_programs_assign_too_and_the_trail_names_the_field_alone(client: TestClient, house: House) -> None:
    def bearer(role: Role) -> dict[str, str]:
        return {"authorization": f"Bearer {house.tokens.issue(role, 'test', PERMISSIONS, 1, 'cli:root', NOW_MS)}"}

    kept = client.post(f"{BASE}/cases/{CASE}/keep", json={"version": 1}, headers=bearer("analyst")).json()
    assert (kept["assignee"], kept["version"]) == ("analyst", 2)
    body = {"to": None, "version": 2}
    assert client.post(f"{BASE}/cases/{CASE}/assign", json=body, headers=bearer("analyst")).status_code == 403
    assert client.post(f"{BASE}/cases/{CASE}/assign", json=body, headers=bearer("lead")).json()["assignee"] is None
    with house.engine.connect() as connection:
        query = sa.select(tables.audit.c.actor, tables.audit.c.fields).where(tables.audit.c.action == "assign")
        found = [tuple(row) for row in connection.execute(query.order_by(tables.audit.c.place))]
    assert found == [("analyst", '["assignee"]'), ("lead", '["assignee"]')]
