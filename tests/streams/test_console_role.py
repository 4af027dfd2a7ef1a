"""The analysts' console on a real PostgreSQL over TLS, under the role `console`: all that people do there, and no more.

Accounts are made under `accounts`, cases under `opener`.
"""

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2 as httpx
import msgspec
import psycopg
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from events.questions import InformationAsked
from review.access.accounts import Account
from review.access.store import AccessStore
from review.access.tokens import Tokens
from review.chores import Chores
from review.console.app import console
from review.console.house import House, furnished
from review.desk import Desk
from review.joining import JoiningStore
from review.opener import open_case
from review.policy import Policy
from review.store import CaseStore, SubjectKeyTable
from streams.bootstrap.database import engine
from streams.roles import ACCOUNTS, CONSOLE, grant
from streams.secrets import postgres_passwords
from streams.settings import Settings
from tests.harness import SecuredPostgres
from tests.review.examples import NOW_MS, PASSWORD, WORD, decision
from tests.review.examples import vault as vault_of
from tests.sharing.orders import ORDER
from tests.streams.used_rights import granted, seen
from vault.keyring import Keyring

HOUR_MS = 3_600_000
# Read beside a case whose order the index knows, and of which a partner was told (tests/review/test_panels.py).
BESIDE = {
    *("history_labels", "history_links"),
    *("sharing_head", "sharing_leaves", "sharing_nodes"),
    "review_cases.lead",  # set free when an order that was joined is contested: the test of both roles below
    *("sharing_pauses", "sharing_outbox"),
}
# Signing in by OpenID Connect (tests/review/test_openid.py): it makes accounts, and gives them the provider's roles.
FOREIGN = {"review_identities", "review_spent", "review_accounts", "review_accounts.roles"}


class Clock:
    now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


class Place:
    """A database with its roles, and an engine for each role that works on it."""

    def __init__(self, server: SecuredPostgres, stack: ExitStack, keyring: Keyring) -> None:
        self._server, self._stack = server, stack
        self.owner = server.create_database(f"test_{uuid.uuid4().hex}")
        owner = self.engine("amana")
        grant(owner, postgres_passwords(server.secrets))
        self.accounts, self.console = self.engine("accounts"), self.engine("console")
        self.cases = CaseStore(self.engine("opener"))
        self.vault = vault_of(keyring, SubjectKeyTable(self.engine("opener")))
        self.keys = SubjectKeyTable(owner)
        self.clock = Clock()
        vault = vault_of(keyring, SubjectKeyTable(self.console))
        self.house: House = furnished(self.console, *vault, os.urandom, self.clock, https=False)

    def address(self, role: str) -> str:
        return self._server.reached_by(role, self.owner)

    def engine(self, role: str) -> sa.Engine:
        made = engine(Settings(database=self.address(role)))
        self._stack.callback(made.dispose)
        return made

    def open(self, number: int, amount_minor: int = 129_950) -> str:
        order_id = f"ord-{number}"
        order = msgspec.structs.replace(ORDER, order_id=order_id)
        flagged = decision(number, order_id=order_id, amount_minor=amount_minor)
        self.cases.take_in(open_case(flagged, order, self.vault, NOW_MS))
        return f"topic:0:{number}"


@pytest.fixture(scope="module")
def server() -> Iterator[SecuredPostgres]:
    with SecuredPostgres() as running:
        yield running


@pytest.fixture
def place(server: SecuredPostgres, tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(server, stack, Keyring.create(tmp_path / "keyring.json", os.urandom))


class Browser:
    """A person at the console."""

    def __init__(self, client: TestClient, house: House) -> None:
        self.client, self.house = client, house

    def sign_in(self, name: str, word: str = WORD) -> httpx.Response:
        fields = {"username": name, "password": word, "next": "/queue"}
        return self.client.post("/sign-in", data={"csrf": self.mark("/sign-in"), **fields})

    def mark(self, page: str) -> str:
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', self.client.get(page).text)
        assert found is not None
        return found[1]

    def post(self, path: str, **fields: str) -> httpx.Response:
        answer = self.client.post(path, data={"csrf": self.mark("/queue"), **fields})
        assert answer.status_code in (200, 303), (path, answer.status_code)
        return answer

    def act(self, case_id: str, action: str, reason: str = "looked at it") -> str:
        """Take an action on the case as it is; gives its state afterwards."""
        version = str(self.house.cases.get(case_id).version)
        self.post(f"/cases/{case_id}/{action}", version=version, reason=reason)
        return self.house.cases.get(case_id).status


@pytest.fixture
def browser(place: Place) -> Iterator[Browser]:
    people = AccessStore(place.accounts, os.urandom)
    people.add(Account(username="noura", roles=("lead",), password=PASSWORD), "cli:root", NOW_MS)
    people.add(Account(username="saud", roles=("auditor",), password=PASSWORD), "cli:root", NOW_MS)
    with TestClient(console(place.house), follow_redirects=False) as client:
        yield Browser(client, place.house)


def work(browser: Browser, place: Place) -> None:
    """A day at the console: everything that its pages and its API do with the database."""
    first, second, third = place.open(17), place.open(18), place.open(19)
    assert browser.sign_in("noura", "wrong horse battery").status_code == 403
    assert browser.sign_in("noura").status_code == 303
    assert browser.post("/queue/next").headers["location"] == f"/cases/{first}"
    assert browser.act(first, "renew") == "claimed"
    browser.post(f"/cases/{first}/notes", body="called the customer")
    revealed = browser.post(f"/cases/{first}/reveal", field="email", why="to call back")
    assert str(ORDER.contact.email) in revealed.text
    assert f"/cases/{first}" in browser.post("/search", by="email", value=str(ORDER.contact.email)).text
    assert browser.act(first, "confirm_fraud") == "decided"
    assert place.house.cases.get(second).holder == "noura"
    assert browser.act(first, "undo") == "claimed"
    assert browser.act(first, "dismiss") == "decided"
    assert browser.act(third, "escalate") == "open"
    browser.post(f"/cases/{third}/assign", to="noura", version=str(place.house.cases.get(third).version))
    assert place.house.cases.get(third).assignee == "noura"
    assert browser.act(second, "snooze") == "snoozed"
    oversee(browser, place)


def oversee(browser: Browser, place: Place) -> None:
    assert browser.client.get("/overview").status_code == 200
    assert browser.client.get("/queue.csv?view=snoozed").text.count("ord-18") == 1
    browser.post("/language", language="ar", next="/queue")
    place.clock.now_ms += 2 * 60_000
    assert browser.client.get("/queue").status_code == 200
    labels: list[str] = []
    chores = Chores(
        place.house.desk, place.house.cases, lambda due: labels.extend(each.order_id for each in due), place.clock
    )
    place.clock.now_ms += 2 * HOUR_MS
    chores.round()
    assert labels == ["ord-17"]
    assert place.house.cases.get("topic:0:18").status == "open"
    assert place.house.access.sweep(place.clock()) == 1
    ask_the_api(browser, place)
    browser.sign_in("saud")
    assert "confirmed fraud" in browser.client.get("/audit").text
    assert '"noura","queue.exported"' in browser.client.get("/audit.csv").text
    place.clock.now_ms += HOUR_MS // 3
    assert browser.client.get("/overview").status_code == 200
    browser.post("/sign-out")


def ask_the_api(browser: Browser, place: Place) -> None:
    token = Tokens(place.accounts, os.urandom).issue("noura", "nightly", ["queue.read"], 1, "cli:root", place.clock())
    headers = {"authorization": f"Bearer {token}"}
    found = browser.client.get("/api/v1/cases", headers=headers).json()["cases"]
    assert [each["order_id"] for each in found] == ["ord-18", "ord-19"]


def test_a_days_work_takes_just_the_rights_that_the_console_has(browser: Browser, place: Place) -> None:
    with seen(place.console) as used:
        work(browser, place)
        long_session(browser, place)
        note_on_an_erased_subject(browser, place)
        questions(place)
        rarer_work(browser, place)
        second_opinions(place)
        sort_and_decide_many(browser, place)
    assert used <= granted(CONSOLE)
    assert {table for table, _ in granted(CONSOLE) - used} == BESIDE | FOREIGN


def rarer_work(browser: Browser, place: Place) -> None:
    """Filters that are kept, a case's panels, two looks at a high amount, what nobody decided in time."""
    browser.post("/filters", name="blocks", view="open", outcome="block")
    browser.post("/filters/forget", name="blocks")
    case_id = place.open(21, amount_minor=9_000_000)
    assert browser.client.get(f"/cases/{case_id}").status_code == 200
    assert browser.act(case_id, "claim") == "claimed"
    assert browser.act(case_id, "dismiss") == "open"
    assert place.house.cases.get(case_id).first_look == "noura"
    case = place.house.cases.get(case_id)
    sealed = place.house.sealed(case, "note", "the rule was withdrawn")
    place.house.desk.correct(case, "review", reason=sealed, actor="noura", now_ms=place.clock())
    blocked = place.open(22)
    assert browser.act(blocked, "claim") == "claimed"
    assert browser.act(blocked, "confirm_fraud") == "decided"
    place.clock.now_ms += HOUR_MS
    found = place.house.cases.get(blocked)
    assert place.house.desk.act(found, "contest", "orders", place.clock()).status == "reopened"
    place.clock.now_ms += 200 * HOUR_MS
    Chores(place.house.desk, place.house.cases, lambda _: None, place.clock).round()
    assert place.house.cases.get(case_id).status == "decided"


def second_opinions(place: Place) -> None:
    """A verdict that is undone, then one that comes back and that somebody agrees with."""
    desk, case_id = Desk(place.console, policy=Policy(seen_again={"dismiss": 1.0})), place.open(23)
    for undone in (True, False):
        case = place.house.cases.get(case_id)
        sealed = place.house.sealed(case, "reason", "looked at it")
        decided = desk.decide(case, "dismiss", reason=sealed, actor="noura", now_ms=place.clock())
        if undone:
            desk.act(decided, "undo", "noura", place.clock())
    place.clock.now_ms += HOUR_MS
    desk.tick(place.clock())
    back = place.house.cases.get(case_id)
    assert back.status == "open"
    assert desk.decide(back, "dismiss", reason=sealed, actor="salem", now_ms=place.clock()).decided_by == "noura"


def sort_and_decide_many(browser: Browser, place: Place) -> None:
    """Whose work a case is, its tags, and a bulk that is taken back."""
    browser.sign_in("noura")
    case_id = place.open(24)
    browser.post(f"/cases/{case_id}/assign", version="1", to="noura")
    browser.post(f"/cases/{case_id}/tag", put="reseller")
    assert browser.client.get("/queue?tag=reseller").text.count(f"/cases/{case_id}") == 1
    browser.post(f"/cases/{case_id}/tag", off="reseller")
    rows = {f"row.{case_id}": "2", "all": "on"}
    browser.post("/bulk", verdict="dismiss", reason="known customers", **rows)
    assert place.house.cases.get(case_id).verdict == "dismiss"
    browser.post("/bulk/undo", **(rows | {f"row.{case_id}": str(place.house.cases.get(case_id).version)}))
    assert place.house.cases.get(case_id).status == "open"


def questions(place: Place) -> None:
    """One that is taken back, and one that leaves and is answered."""
    case_id = place.open(25)
    for taken_back in (True, False):
        case = place.house.cases.get(case_id)
        if case.status == "open":
            case = place.house.desk.act(case, "claim", "noura", place.clock())
        sealed = place.house.sealed(case, "note", "the address is odd")
        asked = place.house.desk.ask(case, "address_confirmed", reason=sealed, actor="noura", now_ms=place.clock())
        if taken_back:
            place.house.desk.act(asked, "unask", "noura", place.clock())
    place.clock.now_ms += HOUR_MS // 12
    left: list[InformationAsked] = []
    Chores(place.house.desk, place.house.cases, lambda _: None, place.clock, ask=left.extend).round()
    (question,) = left
    answered = place.house.desk.answer(asked, question.event_id, "yes", actor="store", now_ms=place.clock())
    assert answered.status == "open"


def long_session(browser: Browser, place: Place) -> None:
    """Its token is replaced each hour."""
    browser.sign_in("saud")
    for _ in range(4):
        place.clock.now_ms += HOUR_MS // 3
        assert browser.client.get("/overview").status_code == 200


def note_on_an_erased_subject(browser: Browser, place: Place) -> None:
    case_id = place.open(20)
    place.keys.delete(place.house.cases.get(case_id).subject)
    browser.sign_in("noura")
    assert browser.act(case_id, "dismiss", "asked to be forgotten") == "decided"


def test_accounts_are_made_changed_and_ended_with_just_the_rights_that_their_role_has(place: Place) -> None:
    with seen(place.accounts) as used:
        people, tokens = AccessStore(place.accounts, os.urandom), Tokens(place.accounts, os.urandom)
        people.add(Account(username="noura", roles=("lead",)), "cli:root", NOW_MS)
        tokens.issue("noura", "nightly", ["queue.read"], 1, "cli:root", NOW_MS)
        assert tokens.revoke("noura", "nightly", "cli:root", NOW_MS) == 1
        people.change("noura", "cli:root", NOW_MS, password=PASSWORD, failures=0, locked_until_ms=0)
        people.change("noura", "cli:root", NOW_MS, disabled=True)
        assert [each.disabled for each in people.list()] == [True]
    assert used == granted(ACCOUNTS)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE review_cases SET amount_minor = 1",
        "UPDATE review_cases SET envelope = NULL",
        "DELETE FROM review_cases",
        "UPDATE review_subject_keys SET wrapped = ''",
        "DELETE FROM review_subject_keys",
        "UPDATE review_notes SET body = ''",
        "DELETE FROM review_audit",
        "UPDATE review_outbox SET not_before_ms = 0",
        "UPDATE review_accounts SET password = NULL",
        "UPDATE review_accounts SET disabled = false",
        "INSERT INTO review_accounts (username, password) VALUES ('x', 'x')",
        "INSERT INTO review_tokens (key) VALUES ('x')",
        "SELECT 1 FROM sharing_lookup",
        "SELECT sealed FROM sharing_outbox",
        "SELECT 1 FROM sharing_requests",
        "UPDATE sharing_disclosures SET state = 'acknowledged'",
        "SELECT 1 FROM history_verifications",
    ],
)
def test_a_stolen_console_is_refused_the_rest(place: Place, statement: str) -> None:
    url = place.address("console").replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


def test_the_opener_joins_what_the_console_then_decides_and_takes_back_at_once(place: Place) -> None:
    opener, desk = JoiningStore(place.engine("opener")), place.house.desk
    for number in (1, 2):
        order = msgspec.structs.replace(ORDER, order_id=f"ord-{number}")
        opener.take_in(open_case(decision(number, order_id=order.order_id), order, place.vault, NOW_MS))
    lead = place.house.cases.get("ord-1")
    decided = desk.decide(lead, "confirm_fraud", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    member = place.house.cases.get("ord-2")
    assert (member.lead, member.status, member.resolved) == ("topic:0:1", "decided", "block")
    desk.act(decided, "undo", "noura", NOW_MS + 1)
    back = desk.decide(place.house.cases.get("ord-1"), "confirm_fraud", reason=b"sealed", actor="noura", now_ms=NOW_MS)
    assert desk.act(place.house.cases.get("ord-2"), "contest", "orders", NOW_MS + 2).lead is None
    assert back.status == "decided"
