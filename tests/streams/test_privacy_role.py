"""Privacy officers' console on a real PostgreSQL: their work under the role `privacy`, all else under `console`."""

import os
import ssl
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa

from review import erasing, tables
from review.access.accounts import Account
from review.access.identities import Identities
from review.access.openid import Proved
from review.console.house import House, furnished
from review.law import Asking
from review.opener import open_case
from review.store import CaseStore, SubjectKeyTable
from sharing.contracts import FOLDER, load
from streams.bootstrap.database import engine
from streams.roles import grant
from streams.secrets import postgres_passwords
from streams.settings import Settings
from tests.harness import SecuredPostgres, free_port, wait_until
from tests.review.examples import NOW_MS, decision, vault
from tests.sharing.orders import ORDER
from vault.keyring import Keyring

CASE = "topic:0:17"
CONTRACTS = [load(path) for path in sorted(FOLDER.glob("*.yaml"))]


@pytest.fixture(scope="module")
def server() -> Iterator[SecuredPostgres]:
    with SecuredPostgres() as running:
        yield running


@pytest.fixture
def house(server: SecuredPostgres, tmp_path: Path) -> Iterator[House]:
    """With one case that the tables' owner took in; everything else is done by the console's role."""
    url = server.create_database(f"test_{uuid.uuid4().hex}")
    owner = engine(Settings(database=url))
    grant(owner, postgres_passwords(server.secrets))
    keyring = Keyring.create(tmp_path / "keyring.json", os.urandom)
    CaseStore(owner).take_in(open_case(decision(), ORDER, vault(keyring, SubjectKeyTable(owner)), NOW_MS))
    owner.dispose()
    sql, private = (sa.create_engine(server.reached_by(role, url)) for role in ("console", "privacy"))
    held = vault(keyring, SubjectKeyTable(sql))
    yield furnished(sql, *held, os.urandom, lambda: NOW_MS, https=True, contracts=CONTRACTS, private=private)
    sql.dispose()
    private.dispose()


def test_whom_a_provider_names_gets_an_account_and_todays_roles_but_nobody_a_password(house: House) -> None:
    identities = Identities(house.engine, house.access)
    proved = Proved(issuer="https://id", subject="1", username="noura", roles=("analyst",), nonce="a", until_ms=NOW_MS)
    identities.welcome(proved, NOW_MS)
    token = identities.welcome(
        Proved(issuer="https://id", subject="1", username="noura", roles=("lead",), nonce="b", until_ms=NOW_MS), NOW_MS
    )
    assert house.access.resume(token, NOW_MS) == (Account(username="noura", roles=("lead",)), token)
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
        house.access.change("noura", "noura", NOW_MS, password="$argon2id$forged")
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
        house.access.add(Account(username="other", roles=("administrator",), password="x"), "noura", NOW_MS)


def test_a_request_of_the_law_is_entered_approved_and_answered_but_the_ledger_stays_shut(house: House) -> None:
    assert house.law is not None
    asking = Asking(reference="LE-1", case_id=CASE, fields=("name",), basis="Law 17, article 6, order 42", days=7)
    house.law.ask(asking, "noura", NOW_MS)
    for officer in ("saud", "layla"):
        house.law.move("LE-1", "approve", officer, NOW_MS)
    assert house.law.move("LE-1", "answer", "noura", NOW_MS).state == "answered"
    assert [step.action for step in house.law.one("LE-1", "noura", NOW_MS).steps] == [
        "ask",
        "approve",
        "approve",
        "answer",
    ]
    for table in ("sharing_lookup", "sharing_requests"):
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied"), house.engine.connect() as connection:
            connection.execute(sa.text(f"SELECT 1 FROM {table}"))


def test_a_customer_is_erased_by_the_role_of_privacy_officers_alone(house: House) -> None:
    subject = house.cases.get(CASE).subject
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
        erasing.erase(house.engine, subject, "noura", NOW_MS, shares=False)
    assert house.private is not None
    assert erasing.subject_of(house.private, "ord-1") == subject
    assert erasing.cases_of(house.private, subject) == (CASE,)
    assert erasing.erase(house.private, subject, "noura", NOW_MS, shares=True) == 1
    assert house.cases.get(CASE).withheld == "erased"
    with house.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.subject_keys)) == 0
        assert connection.scalars(sa.select(tables.audit.c.action)).all() == ["erase"]


def test_privacy_officers_cannot_read_a_case_or_change_what_was_ordered(house: House) -> None:
    assert house.private is not None
    for statement in (
        "SELECT envelope FROM review_cases",
        "SELECT wrapped FROM review_subject_keys",
        "SELECT body FROM review_notes",
        "UPDATE review_cases SET amount_minor = 0",
        "DELETE FROM review_cases",
        "DELETE FROM review_audit",
    ):
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied"), house.private.begin() as connection:
            connection.execute(sa.text(statement))


def test_their_console_starts_with_what_its_own_folder_of_secrets_holds(
    server: SecuredPostgres, tmp_path: Path
) -> None:
    url = server.create_database(f"test_{uuid.uuid4().hex}")
    owner = engine(Settings(database=url))
    grant(owner, postgres_passwords(server.secrets))
    owner.dispose()
    Keyring.create(tmp_path / "keyring.json", os.urandom)
    own, port = server.secrets / "privacy-console", free_port()
    said = [
        f"--{option}={server.reached_by(role, url).replace(f'/{role}/', '/privacy-console/')}"
        for option, role in (("database", "console"), ("privacy-database", "privacy"))
    ]
    said += [f"--certificate={own / 'own.pem'}", f"--certificate-key={own / 'own.pem'}"]
    said += [f"--keyring={tmp_path / 'keyring.json'}", f"--port={port}"]
    trusted = ssl.create_default_context(cafile=str(own / "ca.pem"))
    with (tmp_path / "log").open("wb") as log:
        running = subprocess.Popen([sys.executable, "-m", "streams.cli", "console", *said], stdout=log, stderr=log)
    try:
        wait_until(lambda: _answers(port, trusted, running), 90, f"the console, see {tmp_path / 'log'}")
    finally:
        running.terminate()
        running.wait(30)


def _answers(port: int, trusted: ssl.SSLContext, running: "subprocess.Popen[bytes]") -> bool:
    assert running.poll() is None, "the console has ended"
    try:
        return httpx2.get(f"https://127.0.0.1:{port}/sign-in", verify=trusted, trust_env=False).status_code == 200
    except httpx2.ConnectError:
        return False
