"""Shows 3 of issue 6: a case is flagged, the partner's own program prints it and acknowledges; it is cleared, and the
withdrawal comes; a receipt is verified by the auditor's file. On a real broker and PostgreSQL, each part a process.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from events import admin, topics
from review.desk import Desk
from review.opener import Vault, open_case
from review.store import CaseStore, SubjectKeyTable
from sharing.contracts import FOLDER, load
from sharing.tokens.making import write_pair
from streams.bootstrap.database import engine as upgraded
from streams.settings import Settings
from tests.harness import Kafka, Postgres, wait_until
from tests.review.examples import NOW_MS, decision
from tests.review.examples import vault as vault_of
from tests.sharing.orders import ORDER
from vault.keyring import Keyring

ROOT = Path(__file__).parents[2]
ISSUER = "https://amana.example"

pytestmark = pytest.mark.timeout(400)


class House:
    """The store's side: a database with cases, the projector and the deliverer; and the acquirer's side, a program."""

    def __init__(self, kafka: Kafka, database: str, folder: Path) -> None:
        self.kafka, self.folder = kafka, folder
        self.env = os.environ | {
            "AMANA_BROKERS": kafka.brokers,
            "AMANA_DATABASE": database,
            "AMANA_KEYRING": str(folder / "keyring.json"),
            "AMANA_PARTNERS": str(folder / "partners"),
            "AMANA_JWKS": str(folder / "jwks.json"),
            "PYTHONPATH": str(ROOT),
        }
        self.processes: list[subprocess.Popen[bytes]] = []
        Keyring.create(folder / "keyring.json", os.urandom)
        self.engine = upgraded(Settings(database=database))
        self.store = CaseStore(self.engine)
        self.vault: Vault = vault_of(Keyring.load(folder / "keyring.json"), SubjectKeyTable(self.engine))
        self.prepare()

    def prepare(self) -> None:
        names = [load(path).partner for path in sorted(FOLDER.glob("*.yaml"))]
        (self.folder / "partners").mkdir()
        for name in names:
            _, public = write_pair(self.folder / "own", name, os.urandom)
            shutil.copy(public, self.folder / "partners")
        with admin.connect(self.kafka.brokers) as client:
            specs = [spec for name in names for spec in topics.share_specs(name)]
            admin.create_topics(client, 1, 1, 1, (*topics.SPECS, *specs))
        self.amana("partner", "jwks", "--out", "jwks.json")

    def amana(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "streams.cli", *arguments]
        done = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log, (self.folder / f"{name}.out").open("ab") as out:
            self.processes.append(
                subprocess.Popen(command, cwd=self.folder, env=self.env, stdout=out, stderr=log, start_new_session=True)
            )

    def start_all(self) -> None:
        amana = (sys.executable, "-m", "streams.cli")
        self.start("projector", *amana, "projector", "--demo")
        self.start("deliverer", *amana, "deliverer")
        consumer = (sys.executable, str(ROOT / "examples" / "partner" / "consumer.py"), "--partner", "acquirer")
        keys = ("--keys", "own/acquirer.private.json", "--jwks", "jwks.json")
        self.start("acquirer", *consumer, "--issuer", ISSUER, *keys, "--brokers", self.kafka.brokers)

    def printed(self) -> list[dict[str, Any]]:
        """The payload of each message that the acquirer's program has printed."""
        lines = (self.folder / "acquirer.out").read_text().splitlines()
        return [next(iter(json.loads(line)["events"].values())) for line in lines]

    def wait(self, met: Any, what: str) -> None:
        try:
            wait_until(met, 120, what)
        except TimeoutError as error:
            logs = "\n".join(f"--- {path.name}\n{path.read_text()}" for path in sorted(self.folder.glob("*.log")))
            raise AssertionError(f"{error}\n{logs}") from None

    def state(self, jti: str) -> str:
        with self.engine.connect() as connection:
            return str(
                connection.scalar(sa.text("SELECT state FROM sharing_disclosures WHERE jti = :jti"), {"jti": jti})
            )

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self.engine.dispose()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with Kafka() as kafka, Postgres() as postgres:
        made = House(kafka, postgres.create_database("told"), tmp_path_factory.mktemp("told"))
        try:
            yield made
        finally:
            made.stop()


def test_a_case_is_told_acknowledged_withdrawn_and_proved(house: House) -> None:
    house.start_all()
    house.store.take_in(open_case(decision(), ORDER, house.vault, NOW_MS))
    house.wait(lambda: len(house.printed()) == 1, "the acquirer's program to print the case")
    (told,) = house.printed()
    assert {**told, "jti": ""} == {
        "jti": "",
        "psp_reference": "psp-1",
        "outcome": "block",
        "three_ds": "failed",
        "reasons": ["card_used_often"],
    }
    house.wait(lambda: house.state(told["jti"]) == "acknowledged", "the acknowledgement")

    case = house.store.get("ord-1")
    reason = house.vault.envelopes.seal(case.subject, case.order_id, "reason", b"known customer")
    desk = Desk(house.engine, leaves_ms=0)
    desk.decide(case, "dismiss", reason=reason, actor="noura", now_ms=time.time_ns() // 1_000_000)
    house.wait(lambda: len(house.printed()) == 2, "the acquirer's program to print the withdrawal")
    withdrawal = house.printed()[1]
    assert withdrawal == {"jti": withdrawal["jti"], "supersedes": told["jti"], "status": "withdrawn"}
    house.wait(lambda: house.state(withdrawal["jti"]) == "acknowledged", "the second acknowledgement")
    assert house.state(told["jti"]) == "withdrawn"

    shutil.copy(ROOT / "examples" / "auditor" / "verify.py", house.folder / "auditor.py")
    (house.folder / "ledger.keys").write_text(house.amana("ledger", "key"))
    for jti in (told["jti"], withdrawal["jti"]):
        house.amana("ledger", "receipt", "--jti", jti, "--out", f"{jti}.tlog-proof")
        command = [sys.executable, "-I", "auditor.py", "receipt", f"{jti}.tlog-proof", "--key", "ledger.keys"]
        done = subprocess.run(command, cwd=house.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_request_of_the_law_is_answered_by_the_command_line(house: House) -> None:
    (house.folder / "roles.yaml").write_text(
        "noura: [privacy_officer]\nsaud: [privacy_officer]\nhuda: [privacy_officer]\n"
    )
    roles = ("--roles", "roles.yaml")
    reviewed = decision(18, order_id="ord-2", outcome="review")  # of which the acquirer is not told
    order = msgspec.structs.replace(ORDER, order_id="ord-2")
    house.store.take_in(open_case(reviewed, order, house.vault, NOW_MS))
    basis = ("--field", "name", "--field", "ip", "--basis", "Order 42 of the court, article 6")
    house.amana("requests", "open", "LE-1", "--case", "ord-2", *basis, "--actor", "noura", *roles)
    for actor in ("saud", "huda"):
        house.amana("requests", "approve", "LE-1", "--actor", actor, *roles)
    assert house.amana("requests", "answer", "LE-1", "--actor", "noura", *roles).startswith("LE-1: answered")
    listed = json.loads(house.amana("requests", "list", "--actor", "noura", *roles, "--json"))
    assert [step["action"] for step in listed[0]["steps"]] == ["ask", "approve", "approve", "answer"]
    refused = subprocess.run(
        [sys.executable, "-m", "streams.cli", "requests", "list", "--actor", "nobody", *roles],
        cwd=house.folder, env=house.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "requests are for privacy officers" in refused.stderr
