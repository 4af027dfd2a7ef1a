"""What analysts ask the order service, until it is answered, on SQLite and on PostgreSQL."""

import json
import os
import re
from collections.abc import Iterator

import msgspec
import pytest
import sqlalchemy as sa
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from events import schemas
from events.questions import InformationAsked
from review import questions, tables
from review.access.accounts import Account
from review.access.roles import PERMISSIONS, Role
from review.cases import Case
from review.chores import Chores
from review.console.api import BASE
from review.console.app import console
from review.console.house import House, furnished
from review.desk import LEAVES_MS, Desk
from review.errors import TransitionRefused, UnknownCase
from review.opener import Vault, open_case
from review.store import CaseStore
from review.workflow import LEASE_MS, UNDO_MS
from tests.review.examples import NOW_MS, PASSWORD, WORD, decision
from tests.sharing.orders import ORDER

CASE = "topic:0:17"


@pytest.fixture
def desk(engine: sa.Engine) -> Desk:
    return Desk(engine)


@pytest.fixture
def claimed(desk: Desk, store: CaseStore, vault: Vault) -> Case:
    case = open_case(decision(), ORDER, vault, NOW_MS)
    store.take_in(case)
    return desk.act(case, "claim", "noura", NOW_MS)


@pytest.fixture
def asked(desk: Desk, claimed: Case) -> Case:
    return desk.ask(claimed, "address_confirmed", reason=b"sealed", actor="noura", now_ms=NOW_MS)


def pending(store: CaseStore, after_ms: int = LEAVES_MS) -> tuple[InformationAsked, ...]:
    return store.pending_questions(NOW_MS + after_ms)


def test_a_question_leaves_a_minute_later_with_ids_and_a_code_alone(store: CaseStore, asked: Case) -> None:
    assert (asked.status, asked.holder) == ("waiting", None)
    assert pending(store, LEAVES_MS - 1) == ()
    (question,) = pending(store)
    assert json.loads(msgspec.json.encode(question)) == {
        "type": "InformationAsked",
        "event_id": question.event_id,
        "occurred_at": "2026-03-01T22:16:40Z",
        "order_id": "ord-1",
        "decision_id": CASE,
        "question": "address_confirmed",
    }


def test_it_meets_its_topics_schema(store: CaseStore, asked: Case) -> None:
    schema = json.loads((schemas.FOLDER / "questions.json").read_text(encoding="utf-8"))
    (question,) = pending(store)
    event = json.loads(msgspec.json.encode(question))
    Draft202012Validator(schema).validate(event)
    assert not Draft202012Validator(schema).is_valid(event | {"question": "what is her name?"})
    assert not Draft202012Validator(schema).is_valid(event | {"name": "Sara"})


def test_who_asked_takes_it_back_within_the_minute_and_nothing_leaves(
    engine: sa.Engine, desk: Desk, store: CaseStore, asked: Case
) -> None:
    with pytest.raises(TransitionRefused, match=r"^only noura, who asked, may take it back$"):
        desk.act(asked, "unask", "salem", NOW_MS + 1)
    back = desk.act(asked, "unask", "noura", NOW_MS + UNDO_MS)
    assert (back.status, back.holder, back.until_ms) == ("claimed", "noura", NOW_MS + UNDO_MS + LEASE_MS)
    assert (pending(store), questions.of(engine, CASE)) == ((), ())


def test_what_has_left_is_not_taken_back(desk: Desk, store: CaseStore, asked: Case) -> None:
    with pytest.raises(TransitionRefused, match=r"^the question has left already$"):
        desk.act(asked, "unask", "noura", NOW_MS + LEAVES_MS)
    assert store.get("ord-1") == asked


def test_an_answer_wakes_the_case_and_stands_beside_it(
    engine: sa.Engine, desk: Desk, store: CaseStore, asked: Case
) -> None:
    (question,) = pending(store)
    awake = desk.answer(asked, question.event_id, "no", actor="orders", now_ms=NOW_MS + 99_000)
    assert (awake.status, store.get("ord-1")) == ("open", awake)
    (kept,) = questions.of(engine, CASE)
    assert (kept.question, kept.asked_by, kept.answer, kept.answered_at_ms) == (
        *("address_confirmed", "noura", "no"),
        NOW_MS + 99_000,
    )


def test_the_same_answer_again_changes_nothing_and_another_one_is_refused(
    desk: Desk, store: CaseStore, asked: Case
) -> None:
    (question,) = pending(store)
    awake = desk.answer(asked, question.event_id, "no", actor="orders", now_ms=NOW_MS)
    assert desk.answer(awake, question.event_id, "no", actor="orders", now_ms=NOW_MS) == awake
    with pytest.raises(TransitionRefused, match=r"^the question was answered otherwise before$"):
        desk.answer(awake, question.event_id, "yes", actor="orders", now_ms=NOW_MS)
    with pytest.raises(UnknownCase):
        desk.answer(awake, "question-0", "yes", actor="orders", now_ms=NOW_MS)
    assert store.get("ord-1") == awake


def test_an_answer_to_a_case_that_somebody_has_taken_up_leaves_it_in_their_hands(
    engine: sa.Engine, desk: Desk, store: CaseStore, asked: Case
) -> None:
    (question,) = pending(store)
    taken = desk.act(asked, "claim", "salem", NOW_MS)
    assert desk.answer(taken, question.event_id, "yes", actor="orders", now_ms=NOW_MS) == taken
    assert questions.of(engine, CASE)[0].answer == "yes"
    with engine.connect() as connection:
        newest = sa.select(tables.audit.c.actor, tables.audit.c.action).order_by(tables.audit.c.place.desc()).limit(1)
        assert connection.execute(newest).one() == ("orders", "answer")


def test_questions_wait_for_whoever_takes_them_and_leave_once(engine: sa.Engine, store: CaseStore, asked: Case) -> None:
    left: list[InformationAsked] = []
    due = NOW_MS + LEAVES_MS
    Chores(Desk(engine), store, lambda _: None, lambda: due).round()
    chores = Chores(Desk(engine), store, lambda _: None, lambda: due, ask=left.extend)
    chores.round()
    chores.round()
    assert [(each.order_id, each.question) for each in left] == [("ord-1", "address_confirmed")]


@pytest.fixture
def house(engine: sa.Engine, vault: Vault) -> House:
    house = furnished(engine, *vault, os.urandom, lambda: NOW_MS, https=False)
    people: tuple[Role, ...] = ("analyst", "order_service")
    for role in people:
        house.access.add(Account(username=role, roles=(role,), password=PASSWORD), "cli:root", NOW_MS)
    house.cases.take_in(open_case(decision(), ORDER, vault, NOW_MS))
    return house


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    with TestClient(console(house), follow_redirects=False) as client:
        yield client


def bearer(house: House, role: Role) -> dict[str, str]:
    return {"authorization": f"Bearer {house.tokens.issue(role, 'test', PERMISSIONS, 1, 'cli:root', NOW_MS)}"}


def test_a_program_asks_and_the_order_service_answers(client: TestClient, house: House) -> None:
    analyst, store = bearer(house, "analyst"), bearer(house, "order_service")
    client.post(f"{BASE}/cases/next", headers=analyst)
    said = {"action": "ask", "version": 2, "reason": "odd address", "question": "parcel_stoppable"}
    assert client.post(f"{BASE}/cases/{CASE}/actions", json=said, headers=analyst).json()["status"] == "waiting"
    (question,) = client.get(f"{BASE}/cases/{CASE}/questions", headers=analyst).json()["questions"]
    assert (question["question"], question["answer"]) == ("parcel_stoppable", None)
    answer = {"question_id": question["question_id"], "answer": "yes"}
    path = f"{BASE}/cases/{CASE}/answers"
    assert client.post(path, json=answer, headers=analyst).status_code == 403
    assert client.post(path, json=answer, headers=store).json() == answer
    assert client.post(path, json=answer, headers=store).json() == answer
    assert client.post(path, json=answer | {"answer": "no"}, headers=store).status_code == 409
    assert client.post(path, json=answer | {"question_id": "other"}, headers=store).status_code == 404
    assert house.cases.get(CASE).status == "open"


def test_on_the_page_a_question_is_chosen_taken_back_and_its_answer_read(client: TestClient, house: House) -> None:
    mark = sign_in(client)
    client.post("/queue/next", data=mark)
    fields = mark | {"version": "2", "reason": "odd address", "question": "details_changed"}
    assert client.post(f"/cases/{CASE}/ask", data=fields).headers["location"] == f"/cases/{CASE}"
    assert "not answered yet" in client.get(f"/cases/{CASE}").text
    assert f'action="/cases/{CASE}/unask"' in client.get(f"/cases/{CASE}").text
    client.post(f"/cases/{CASE}/unask", data=mark | {"version": "3"})
    assert "Asked of the order service" not in client.get(f"/cases/{CASE}").text
    client.post(f"/cases/{CASE}/ask", data=fields | {"version": "4"})
    case = house.cases.get(CASE)
    (asked,) = questions.of(house.engine, CASE)
    house.desk.answer(case, asked.question_id, "unknown", actor="order_service", now_ms=NOW_MS)
    page = client.get(f"/cases/{CASE}").text
    assert "could not be found out" in page
    assert "/unask" not in page


def test_a_question_that_is_none_is_refused_and_changes_nothing(client: TestClient, house: House) -> None:
    mark = sign_in(client)
    client.post("/queue/next", data=mark)
    fields = mark | {"version": "2", "reason": "odd address", "question": "what is her name?"}
    assert client.post(f"/cases/{CASE}/ask", data=fields).status_code == 400
    assert house.cases.get(CASE).status == "claimed"


def sign_in(client: TestClient) -> dict[str, str]:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', client.get("/sign-in").text)
    assert found is not None
    client.post("/sign-in", data={"csrf": found[1], "username": "analyst", "password": WORD, "next": "/queue"})
    signed = re.search(r'name="csrf" value="([0-9a-f]{64})"', client.get("/queue").text)
    assert signed is not None
    return {"csrf": signed[1]}
