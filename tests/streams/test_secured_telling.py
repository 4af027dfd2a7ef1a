"""Partners are told on secured servers: projector, deliverer, partners' endpoints and partners under their own names.

Shows 3 of issue 6 once more, with no more rights than each has: a case is flagged, told, acknowledged, cleared at the
console, withdrawn, and the receipt is there for a privacy officer.
"""

import json
import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from joserfc import jws
from joserfc.jwk import KeySet

from review.desk import Desk
from review.opener import open_case
from review.store import CaseStore, SubjectKeyTable
from sharing.contracts import FOLDER, load
from sharing.tables import disclosures
from sharing.tokens.making import write_pair
from streams.bootstrap.database import engine
from streams.settings import Settings
from tests.harness import free_port, wait_until
from tests.review.examples import NOW_MS, decision
from tests.review.examples import vault as vault_of
from tests.sharing.orders import ORDER
from tests.streams.delivering import KIND
from tests.streams.secured import ROOT, House, secured
from vault.keyring import Keyring

PARTNERS = sorted({load(path).partner for path in FOLDER.glob("*.yaml")})

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class Told:
    """A house whose store side and partner's side run, each process under its own name."""

    def __init__(self, house: House, stack: ExitStack) -> None:
        self.house, self.stack, self.folder = house, stack, house.folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        Keyring.create(self.folder / "keyring.json", os.urandom)
        self.keyring = Keyring.load(self.folder / "keyring.json")
        self.keyring.part(self.folder / "projector.json", ["envelope", "disclosure", "partner", "token"])
        self.keyring.part(self.folder / "deliverer.json", ["ledger"])
        self.port = free_port()
        self.issuer = f"https://127.0.0.1:{self.port}"
        (self.folder / "partners").mkdir()
        for name in PARTNERS:
            _, public = write_pair(self.folder / "own", name, os.urandom)
            shutil.copy(public, self.folder / "partners")
        self.cases = CaseStore(self.engine("opener"))
        self.vault = vault_of(self.keyring, SubjectKeyTable(self.engine("opener")))
        self.privacy = self.engine("privacy")

    def engine(self, role: str) -> sa.Engine:
        made = engine(Settings(database=self.house.postgres.reached_by(role, self.house.database)))
        self.stack.callback(made.dispose)
        return made

    def environment(self, role: str) -> dict[str, str]:
        own = self.folder / f"{role}.json"  # the keys of its purposes
        return self.house.environment(role) | {
            "AMANA_PARTNERS": str(self.folder / "partners"),
            "AMANA_JWKS": str(self.folder / "jwks.json"),
            "AMANA_ISSUER": self.issuer,
            "AMANA_KEYRING": str(own if own.exists() else self.folder / "keyring.json"),
            "PYTHONPATH": str(ROOT),
        }

    def amana(self, role: str, *arguments: str) -> str:
        """A command that ends."""
        command = [sys.executable, "-m", "streams.cli", *arguments]
        environment = os.environ | self.environment(role)
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, name: str, role: str, *command: str) -> None:
        process = self.house.start(name, [sys.executable, *command], self.environment(role))
        self.processes[name] = process
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)

    def start_consumer(self) -> None:
        """The program that partners copy, told by a file of settings who it is and whom to believe."""
        own = self.house.kafka.secrets / "partner.acquirer"
        settings = {
            "security_protocol": "SASL_SSL",
            "ssl_cafile": str(own / "ca.pem"),
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": "partner.acquirer",
            "sasl_plain_password": (own / "kafka.password").read_text().strip(),
        }
        (self.folder / "consumer.json").write_text(json.dumps(settings))
        self.start(
            "acquirer", "deliverer", str(ROOT / "examples" / "partner" / "consumer.py"), "--partner", "acquirer",
            "--issuer", self.issuer, "--keys", str(self.folder / "own" / "acquirer.private.json"),
            "--jwks", str(self.folder / "jwks.json"), "--brokers", self.house.kafka.brokers,
            "--config", str(self.folder / "consumer.json"), "--checkpoints", str(self.folder),
        )  # fmt: skip

    def start_api(self) -> None:
        """The partners' endpoints, with the certificate of their folder of secrets."""
        own = str(self.house.kafka.secrets / "deliverer" / "own.pem")
        tls = ("--certificate", own, "--private-key", own)
        self.start(
            "partner-api", "deliverer", "-m", "streams.cli", "partner-api", "--port", str(self.port), *tls
        )  # fmt: skip

    @property
    def ca(self) -> Path:
        return self.house.kafka.secrets / "partner.carrier" / "ca.pem"

    def polled(self, poll_url: str) -> list[Any]:
        """What the poll client that partners copy prints for the carrier: the events of its messages."""
        options = {
            "partner": "carrier",
            "issuer": self.issuer,
            "keys": self.folder / "own" / "carrier.private.json",
            "jwks": self.folder / "jwks.json",
            "token-url": f"{self.issuer}/oauth/token",
            "poll-url": poll_url,
            "checkpoints": self.folder,
        }
        line = [sys.executable, str(ROOT / "examples" / "partner" / "poll.py"), "--once"]
        line += [part for name, value in options.items() for part in (f"--{name}", str(value))]
        environment = os.environ | {"SSL_CERT_FILE": str(self.ca)}
        done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        return [event for each in done.stdout.splitlines() for event in json.loads(each)["events"].values()]

    def printed(self) -> list[dict[str, Any]]:
        lines = (self.folder / "acquirer.out").read_text().splitlines()
        return [next(iter(json.loads(line)["events"].values())) for line in lines]

    def states(self, partner: str) -> list[str]:
        query = sa.select(disclosures.c.state).where(disclosures.c.partner == partner).order_by(disclosures.c.place)
        with self.privacy.connect() as connection:
            return list(connection.scalars(query))

    def wait(self, met: Any, what: str) -> None:
        def living() -> bool:
            assert not {name for name, process in self.processes.items() if process.poll() is not None}, what
            return bool(met())

        try:
            wait_until(living, 240, what)
        except (TimeoutError, AssertionError) as error:
            raise AssertionError(f"{error}\n{self.house.logs()}") from None


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    with secured(tmp_path, PARTNERS, 1, redis=False) as house, ExitStack() as stack:
        yield Told(house, stack)


def test_each_part_of_telling_does_its_work_under_its_own_name(told: Told) -> None:
    told.amana("projector", "partner", "jwks")
    told.start("projector", "projector", "-m", "streams.cli", "projector", "--demo")
    told.start("deliverer", "deliverer", "-m", "streams.cli", "deliverer")
    told.start_consumer()
    told.start_api()
    poll_url = set_up(told)
    told.wait(lambda: told.states("carrier") == ["pending"], "the verification to be sealed")
    assert told.polled(poll_url) == [{"state": "hello"}]
    told.cases.take_in(open_case(decision(), ORDER, told.vault, NOW_MS))
    told.wait(told.printed, "the acquirer's program to print the case")
    (first,) = told.printed()
    assert (first["psp_reference"], first["outcome"]) == ("psp-1", "block")
    told.wait(lambda: told.states("acquirer") == ["acknowledged"], "the acknowledgement")
    (carrier,) = told.polled(poll_url)
    assert (carrier["tracking_ref"], carrier["instruction"]) == ("trk-1", "hold")
    assert told.states("carrier") == ["acknowledged", "acknowledged"]
    clear(told, "ord-1")
    told.wait(lambda: len(told.printed()) == 2, "the acquirer's program to print the withdrawal")
    withdrawal = told.printed()[1]
    assert withdrawal == {"jti": withdrawal["jti"], "supersedes": first["jti"], "status": "withdrawn"}
    told.wait(lambda: told.states("acquirer") == ["withdrawn", "acknowledged"], "the second acknowledgement")
    told.amana("privacy", "ledger", "receipt", "--jti", first["jti"], "--out", "receipt.tlog-proof")
    told.amana("auditor", "ledger", "verify")
    told.amana("dispatcher", "delivery", "status")


def set_up(told: Told) -> str:
    """The carrier's stream, as it asks for it over https, and a verification of it; gives the address to poll."""
    context = ssl.create_default_context(cafile=told.ca)
    private = json.loads((told.folder / "own" / "carrier.private.json").read_text())
    with httpx2.Client(base_url=told.issuer, trust_env=False, verify=context) as client:
        told.wait(lambda: answers(client), "the endpoints to answer")
        form = {"grant_type": "client_credentials", "client_assertion_type": KIND}
        assertion = asserted(private, "carrier", f"{told.issuer}/oauth/token")
        bearer = client.post("/oauth/token", data=form | {"client_assertion": assertion}).raise_for_status().json()
        headers = {"Authorization": f"Bearer {bearer['access_token']}"}
        stream = client.post("/ssf/stream", json={}, headers=headers).raise_for_status().json()
        asked = {"stream_id": stream["stream_id"], "state": "hello"}
        client.post("/ssf/verify", json=asked, headers=headers).raise_for_status()
    return str(stream["delivery"]["endpoint_url"])


def answers(client: httpx2.Client) -> bool:
    try:
        return client.get("/jwks.json").status_code == 200
    except httpx2.HTTPError:
        return False


def asserted(private: dict[str, Any], partner: str, audience: str) -> str:
    """A client's assertion (RFC 7523) by the key that it signs with."""
    key = next(each for each in KeySet.import_key_set(private) if each.curve_name == "Ed25519")
    now = int(time.time())
    said = {"iss": partner, "sub": partner, "aud": audience, "iat": now, "exp": now + 60, "jti": str(time.time_ns())}
    header = {"alg": "Ed25519", "typ": "JWT", "kid": key.kid}
    return str(jws.serialize_compact(header, json.dumps(said), key, algorithms=["Ed25519"]))


def clear(told: Told, order_id: str) -> None:
    """By an analyst, as the console has it done."""
    sql = told.engine("console")
    case = CaseStore(sql).get(order_id)
    reason = vault_of(told.keyring, SubjectKeyTable(sql)).envelopes.seal(case.subject, order_id, "reason", b"known")
    Desk(sql, leaves_ms=0).decide(case, "dismiss", reason=reason, actor="noura", now_ms=time.time_ns() // 1_000_000)
