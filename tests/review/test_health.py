"""How the model, the rules and partners' deliveries are, on both databases."""

import os
import re

import msgspec
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

import history.database
import sharing.database
from history.index import Index
from models.decisions import Decision, ModelScore, Reason
from review.access.accounts import Account
from review.access.roles import PERMISSIONS, Role
from review.cases import Case, Verdict
from review.console.api import BASE
from review.console.app import console
from review.console.house import House, furnished
from review.desk import Desk
from review.health import Delivery, Health, Version, health
from review.opener import Vault, open_case
from review.overview import Judged, Saved, overview
from review.policy import Policy
from review.store import CaseStore
from review.superseding import superseding
from sharing import tables as sharing_tables
from sharing.contracts import FOLDER, load
from tests.review.examples import NOW_MS, PASSWORD, WORD, decision
from tests.sharing.orders import ORDER

RULE, GUESS = Reason("order.avs"), Reason("card.velocity", "card.orders.count.1h", 7.0, 1.5)


@pytest.fixture
def told(engine: sa.Engine) -> sa.Engine:
    """With the tables of the other rooms."""
    history.database.upgrade(engine)
    history.database.migrate(engine, sharing.database.MIGRATIONS, sharing.database.LOCK)
    return engine


def of_model(number: int, model: str | None, rules: str | None, **changes: object) -> Decision:
    values = {"model": model, "rules": rules, "definitions": "d" * 8, "vector": b"\0" * 8} | changes
    return decision(number, order_id=f"ord-{number}", occurred_at_ms=NOW_MS + number, **values)


def record(engine: sa.Engine, *decisions: Decision) -> None:
    Index(engine).record([(each, NOW_MS) for each in decisions])


def test_what_decides_is_said_with_since_when(told: sa.Engine) -> None:
    scores = (ModelScore("m2", 0.9, 0.9), ModelScore("m3", 0.8, 0.1))
    record(told, *(of_model(n, "m1" if n < 3 else "m2", "r1", scores=scores) for n in range(6)))
    machine = health(told, indexed=True, partners=()).machine
    assert machine is not None
    assert machine.model == Version("m2", NOW_MS + 3, longer=False)
    assert machine.rules == Version("r1", NOW_MS, longer=True)
    assert machine.challengers == ("m3",)
    assert (machine.looked_at, machine.last_ms, machine.modes) == (6, NOW_MS + 5, {"model": 6})


def test_the_fallback_and_the_guard_are_seen_and_a_persons_decision_is_not(told: sa.Engine) -> None:
    none = {"definitions": None, "vector": None}
    record(told, of_model(1, "m1", "r1"), of_model(2, "m1", "r1", mode="rules"))
    record(told, of_model(3, None, None, mode="fallback", **none))
    record(told, of_model(4, None, None, mode="refused", **none))
    record(told, of_model(5, "m1", "r1"), msgspec.structs.replace(of_model(5, None, None), mode="analyst", revision=9))
    machine = health(told, indexed=True, partners=()).machine
    assert machine is not None
    assert machine.modes == {"model": 1, "rules": 1, "fallback": 1, "refused": 1}


def test_an_empty_index_and_no_index_say_nothing(told: sa.Engine) -> None:
    machine = health(told, indexed=True, partners=()).machine
    assert machine is not None
    assert (machine.looked_at, machine.last_ms, machine.model, machine.rules) == (0, None, None, None)
    assert health(told, indexed=False, partners=()) == Health(None, ())


def test_deliveries_are_counted_by_partner_with_what_is_paused_and_given_up(told: sa.Engine) -> None:
    with told.begin() as connection:
        for number, (partner, state) in enumerate(
            [("acquirer", "pending"), ("acquirer", "pending"), ("acquirer", "acknowledged"), ("carrier", "overdue"),
             ("police", "refused")]
        ):  # fmt: skip
            row = {"jti": f"{number:022}", "partner": partner, "state": state, "contract": b"x" * 32, "place": number}
            row |= {"kind": "disclosure", "case_id": "c", "made_at_ms": NOW_MS + number, "changed_at_ms": NOW_MS}
            connection.execute(sa.insert(sharing_tables.disclosures).values(row))
        paused = {"partner": "carrier", "since_ms": NOW_MS, "actor": "saud"}
        connection.execute(sa.insert(sharing_tables.pauses).values(paused))
        left = {"jti": "j" * 22, "partner": "carrier", "sealed": b"x", "urgent": False, "made_at_ms": NOW_MS}
        left |= {"attempts": 9, "next_at_ms": NOW_MS, "dead": "too old"}
        connection.execute(sa.insert(sharing_tables.outbox).values(left))
    assert health(told, indexed=False, partners=("acquirer", "agency", "carrier")).deliveries == (
        Delivery(partner="acquirer", pending=2, oldest_ms=NOW_MS),
        Delivery(partner="agency"),
        Delivery(partner="carrier", overdue=1, dead=1, paused_since_ms=NOW_MS),
    )


def judged(engine: sa.Engine, vault: Vault, verdicts: list[tuple[Verdict, tuple[Reason, ...]]]) -> list[Case]:
    desk = Desk(engine, policy=Policy())
    cases = []
    for number, (verdict, reasons) in enumerate(verdicts):
        order = msgspec.structs.replace(ORDER, order_id=f"ord-{number}")
        opened = decision(number, order_id=order.order_id, reasons=reasons)
        case = open_case(opened, order, vault, NOW_MS)
        CaseStore(engine).take_in(case)
        cases.append(desk.decide(case, verdict, reason=b"sealed", actor="noura", now_ms=NOW_MS))
    return cases


def test_rules_are_judged_apart_from_the_models_reasons_and_what_was_saved_is_summed(
    engine: sa.Engine, vault: Vault
) -> None:
    refused = Reason("refused.ill_formed")
    judged(
        engine,
        vault,
        [("confirm_fraud", (GUESS, RULE)), ("dismiss", (RULE,)), ("confirm_fraud", (GUESS,)), ("dismiss", (refused,))],
    )
    said = overview(engine, NOW_MS)
    assert said.rules == (Judged("order.avs", 1, 2),)
    assert said.reasons == (
        *(Judged("card.velocity", 2, 2), Judged("order.avs", 0, 1)),
        Judged("refused.ill_formed", 0, 1),
    )
    assert said.saved == (Saved("SAR", 2 * 129_950, 2),)


def test_what_the_clock_decided_counts_for_nobodys_precision(engine: sa.Engine, vault: Vault) -> None:
    policy = Policy(due_h={"review": 1}, default={"review": "approve"})
    case = open_case(decision(outcome="review"), ORDER, vault, NOW_MS, policy=policy)
    CaseStore(engine).take_in(case)
    later_ms = NOW_MS + 3_600_000
    assert Desk(engine, policy=policy).tick(later_ms) == 1
    assert overview(engine, later_ms).reasons == ()


def test_the_index_keeps_the_machines_version_when_a_person_supersedes_it(told: sa.Engine, vault: Vault) -> None:
    made = of_model(0, "m1", "r1")
    record(told, made)
    (case,) = judged(told, vault, [("dismiss", (RULE,))])
    record(told, superseding(msgspec.structs.replace(case, decision_id=made.decision_id)), of_model(1, "m1", "r1"))
    machine = health(told, indexed=True, partners=()).machine
    assert machine is not None
    assert (machine.looked_at, machine.model) == (1, Version("m1", NOW_MS + 1, longer=True))


@pytest.fixture
def house(told: sa.Engine, vault: Vault) -> House:
    contracts = [load(path) for path in sorted(FOLDER.glob("*.yaml"))]
    house = furnished(told, *vault, os.urandom, lambda: NOW_MS, https=False, contracts=contracts)
    people: tuple[Role, ...] = ("analyst", "privacy_officer")
    for role in people:
        house.access.add(Account(username=role, roles=(role,), password=PASSWORD), "cli:root", NOW_MS)
    record(told, of_model(1, "m1", "r1"), of_model(2, None, None, mode="fallback", definitions=None, vector=None))
    return house


def page(house: House, name: str, language: str = "en") -> str:
    with TestClient(console(house)) as client:
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', client.get("/sign-in").text)
        assert found is not None
        client.post("/sign-in", data={"csrf": found[1], "username": name, "password": WORD, "next": "/overview"})
        house.access.change(name, "cli:root", NOW_MS, language=language)
        return client.get("/overview").text


def test_the_overview_says_how_machine_and_deliveries_are_in_both_languages(house: House) -> None:
    said = page(house, "analyst")
    for words in (
        "Model that decides",
        "m1",
        "the fallback, as the model could not be asked",
        "Deliveries to partners",
    ):
        assert words in said
    assert "النموذج الذي يقرر" in page(house, "analyst", "ar")


def test_partners_of_law_enforcement_are_shown_to_privacy_officers_alone(house: House) -> None:
    assert "law-enforcement" not in page(house, "analyst")
    assert "law-enforcement" in page(house, "privacy_officer")


@pytest.mark.parametrize(("role", "shown"), [("analyst", False), ("privacy_officer", True)])
def test_the_api_says_the_same(house: House, role: Role, shown: bool) -> None:
    token = house.tokens.issue(role, "test", PERMISSIONS, 1, "cli:root", NOW_MS)
    with TestClient(console(house)) as client:
        said = client.get(f"{BASE}/overview/health", headers={"authorization": f"Bearer {token}"}).json()
    names = [each["partner"] for each in said["deliveries"]]
    assert ("acquirer" in names, "law-enforcement" in names) == (True, shown)
    assert said["machine"]["modes"] == {"fallback": 1, "model": 1}
