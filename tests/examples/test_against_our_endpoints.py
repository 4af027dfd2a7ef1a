"""The partners' examples against the store's own programs: `amana partner-api`, `amana deliverer`."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from joserfc import jws
from joserfc.jwk import KeySet

from events import admin
from events.topics import share_specs
from history.database import make_engine
from sharing.contracts import FOLDER
from sharing.delivery.disclosures import Made, made
from sharing.delivery.schedule import Schedule
from sharing.ledger.checkpoints import Signer, Trusted
from sharing.ledger.leaves import Disclosed, hash_of
from sharing.ledger.store import Ledger
from sharing.tables import access, disclosures
from sharing.tokens import Sealer, SigningKey
from sharing.tokens.keys import partner_keys
from streams.bootstrap.database import engine as migrated
from streams.cli import main
from streams.renewed import EVERY_MS
from streams.settings import Settings
from tests.harness import Kafka
from tests.harness.waiting import free_port, wait_until
from tests.sharing.sealed import ACQUIRER, EVENT, JWKS, OURS, private_set, public_set
from vault.keyring import Keyring

EXAMPLES = Path(__file__).parents[2] / "examples" / "partner"
ENVIRONMENT = {**os.environ, "PYTHONUNBUFFERED": "1"}
NO_STREAM = '{"err":"invalid_request","description":"no stream of yours by that id"}'
LOOKS_S = EVERY_MS / 1000 + 0.5  # after so long the endpoints see what has changed
POLL, PUSH = ({"delivery": {"method": f"urn:ietf:rfc:{number}"}} for number in (8936, 8935))


class Store(NamedTuple):
    """A store on this machine: its database, its ledger's keyring, one partner, and the files that the partner has."""

    partner: str
    folder: Path
    url: str
    engine: sa.Engine

    @property
    def database(self) -> str:
        return f"sqlite:///{self.folder}/amana.db"

    def tell(self, number: int, *, readable: bool = True, signing: SigningKey = OURS) -> str:
        """Record a message as the projector does; one that is not readable is sealed to another's key."""
        jti, now_ms = f"{number:022}", int(time.time() * 1000)
        to = ACQUIRER if readable else private_set(90)
        sealer = Sealer(self.url, signing, {self.partner: partner_keys(self.partner, public_set(to), "theirs")})
        sealed = sealer.seal(self.partner, jti, f"case-{number}", EVENT, b'{"outcome":"block"}', now_ms)
        leaf = Disclosed(
            at_ms=now_ms, partner=self.partner, contract=b"c" * 32, sealed=hash_of(sealed), commitment=b"m" * 32
        )
        with self.engine.begin() as connection:
            (place,) = Ledger().append(connection, [leaf])
            message = Made(
                jti=jti,
                partner=self.partner,
                contract=b"c" * 32,
                case_id=f"case-{number}",
                kind="disclosure",
                supersedes=None,
                place=place,
                sealed=sealed,
            )
            made(connection, message, Schedule(), now_ms)
        return jti

    def states(self) -> dict[str, str]:
        with self.engine.connect() as connection:
            found = connection.execute(sa.select(disclosures.c.jti, disclosures.c.state))
            return {str(jti): str(state) for jti, state in found}

    def trusted(self) -> Trusted:
        return Signer(Keyring.load(self.folder / "keyring.json").keys("ledger")).trusted()

    def command(self, name: str, *options: str) -> list[str]:
        where = ("--database", self.database, "--partners", f"{self.folder}/partners", "--issuer", self.url)
        more = (
            "--keyring",
            f"{self.folder}/keyring.json",
            "--contracts",
            f"{self.folder}/contracts",
            "--demo",
        )
        return [sys.executable, "-m", "streams.cli", name, *where, *more, *options]

    def example(self, script: str, *options: str) -> list[str]:
        files = ("--keys", f"{self.folder}/private.json", "--jwks", f"{self.folder}/jwks.json")
        who = ("--partner", self.partner, "--issuer", self.url, "--checkpoints", str(self.folder))
        return [sys.executable, str(EXAMPLES / script), *who, *files, *options]

    def kept(self) -> list[int]:
        """Sizes of the ledger by the checkpoints that the partner kept, each verified."""
        notes = [path.read_bytes() for path in self.folder.glob("*.checkpoint")]
        return sorted(self.trusted().opened(note).size for note in notes)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    partner = f"p{uuid.uuid4().hex[:12]}"  # of this test alone: the broker is shared
    (tmp_path / "private.json").write_text(json.dumps(ACQUIRER))
    (tmp_path / "jwks.json").write_text(json.dumps(JWKS))
    (tmp_path / "partners").mkdir()
    (tmp_path / "partners" / f"{partner}.json").write_text(json.dumps({"partner": partner, **public_set(ACQUIRER)}))
    Keyring.create(tmp_path / "keyring.json", os.urandom)
    migrated(Settings(database=f"sqlite:///{tmp_path}/amana.db")).dispose()
    engine = make_engine(f"sqlite:///{tmp_path}/amana.db")
    made = Store(partner, tmp_path, f"http://127.0.0.1:{free_port()}", engine)
    agree(made)
    yield made
    engine.dispose()


def agree(store: Store, push_url: str | None = None) -> None:
    """The one contract that there is: the acquirer's, with this partner."""
    text = (FOLDER / "acquirer.yaml").read_text().replace("partner: acquirer", f"partner: {store.partner}")
    (store.folder / "contracts").mkdir(exist_ok=True)
    terms = "" if push_url is None else f"push_url: {push_url}\n"
    path = store.folder / "contracts" / f"{store.partner}.yaml"
    path.write_text(text.partition("signatures:")[0] + terms)
    for signer in ("noura", "faisal"):
        signed = CliRunner().invoke(main, ["contracts", "approve", str(path), "--signer", signer, "--demo"])
        assert signed.exit_code == 0, signed.output


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        try:
            yield process
        finally:
            process.terminate()


def printed(lines: str) -> list[str]:
    return [json.loads(line)["jti"] for line in lines.splitlines()]


def answers(url: str, status: int) -> bool:
    try:
        return httpx2.get(url).status_code == status
    except httpx2.HTTPError:
        return False


def stream(store: Store, asked: dict[str, Any]) -> dict[str, Any]:
    """A stream that the partner sets up: what the README says to do once."""
    key = next(key for key in KeySet.import_key_set(ACQUIRER) if key.curve_name == "Ed25519")  # type: ignore[attr-defined]
    now = int(time.time())
    token_url = f"{store.url}/oauth/token"
    said = {"iss": store.partner, "sub": store.partner, "aud": token_url, "exp": now + 60, "jti": f"setup-{now}"}
    header = {"alg": "Ed25519", "typ": "JWT", "kid": str(key.kid)}
    assertion = jws.serialize_compact(header, json.dumps(said), key, algorithms=["Ed25519"])
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    form = {"grant_type": "client_credentials", "client_assertion_type": kind, "client_assertion": assertion}
    access = httpx2.post(token_url, data=form).raise_for_status().json()["access_token"]
    headers = {"Authorization": f"Bearer {access}"}
    return dict(httpx2.post(f"{store.url}/ssf/stream", json=asked, headers=headers).raise_for_status().json())


@contextmanager
def endpoints(store: Store) -> Iterator[None]:
    """`amana partner-api`, where the store's URL says."""
    port, jwks = store.url.rpartition(":")[2], f"{store.folder}/jwks.json"
    with running(store.command("partner-api", "--port", port, "--jwks", jwks)):
        wait_until(lambda: answers(f"{store.url}/jwks.json", 200), 60, "the partners' endpoints")
        yield


def test_the_poll_client_takes_what_our_endpoints_have_and_the_store_knows_it(store: Store) -> None:
    told = [store.tell(1), store.tell(2), store.tell(3, readable=False)]
    with endpoints(store):
        assert httpx2.get(f"{store.url}/jwks.json").json() == JWKS
        where = ("--token-url", f"{store.url}/oauth/token")
        where += ("--poll-url", stream(store, POLL)["delivery"]["endpoint_url"])
        command = store.example("poll.py", *where, "--once")
        took = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    assert printed(took.stdout) == told[:2]
    assert store.states() == dict(zip(told, ["acknowledged", "acknowledged", "refused"], strict=True))
    assert store.kept() == [3]


@contextmanager
def polling(store: Store) -> Iterator[subprocess.Popen[str]]:
    """The poll client as it runs for days, with one message told and taken."""
    where = ("--token-url", f"{store.url}/oauth/token", "--poll-url", stream(store, POLL)["delivery"]["endpoint_url"])
    told = store.tell(1)
    command = store.example("poll.py", *where)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert printed(process.stdout.readline()) == [told]
            yield process
        finally:
            process.kill()


def told_next(store: Store, process: subprocess.Popen[str], signing: SigningKey = OURS) -> None:
    """The second message is told, taken and acknowledged."""
    assert process.stdout is not None
    told = store.tell(2, signing=signing)
    assert printed(process.stdout.readline()) == [told]
    wait_until(lambda: store.states()[told] == "acknowledged", 60, "the acknowledgement")


def test_the_poll_client_goes_on_when_its_access_token_has_ended(store: Store) -> None:
    with endpoints(store), polling(store) as process:
        with store.engine.begin() as connection:
            connection.execute(sa.delete(access))
        told_next(store, process)
        assert tokens_given(store) == 1


def test_the_poll_client_goes_on_when_a_key_of_its_own_was_added(store: Store) -> None:
    with endpoints(store), polling(store) as process:
        before, new = tokens_given(store), public_set(private_set(60))["keys"][1]
        keys = {"partner": store.partner, "keys": [*public_set(ACQUIRER)["keys"], new]}
        (store.folder / "partners" / f"{store.partner}.json").write_text(json.dumps(keys))
        time.sleep(LOOKS_S)
        told_next(store, process)
        assert tokens_given(store) == before + 1


def tokens_given(store: Store) -> int:
    with store.engine.connect() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(access)) or 0)


def test_the_poll_client_takes_what_is_signed_by_a_key_that_was_published_while_it_ran(store: Store) -> None:
    new = SigningKey(b"n" * 32)
    with endpoints(store), polling(store) as process:
        (store.folder / "jwks.json").write_text(json.dumps({"keys": [OURS.jwk(), new.jwk()]}))
        told_next(store, process, signing=new)


def test_the_poll_client_ends_with_the_stores_words_for_what_is_wrong(store: Store) -> None:
    with endpoints(store), polling(store) as process:
        nowhere = ("--token-url", f"{store.url}/oauth/token", "--poll-url", f"{store.url}/ssf/poll/none")
        lost = subprocess.run(store.example("poll.py", *nowhere), stderr=subprocess.PIPE, text=True, check=False)
        assert (lost.returncode, lost.stderr) == (1, f"{store.url}/ssf/poll/none: {NO_STREAM}\n")
        keys = {"partner": store.partner, **public_set(private_set(60))}  # in other hands: replaced by new ones
        (store.folder / "partners" / f"{store.partner}.json").write_text(json.dumps(keys))
        time.sleep(LOOKS_S)
        store.tell(2)  # or it would wait for one first
        assert process.wait(90) == 1
        assert process.stderr is not None
        said = process.stderr.read()
    why = "the assertion is not signed by a key of the partner that it names"
    assert said == f'{store.url}/oauth/token: {{"error":"invalid_client","error_description":"{why}"}}\n'


def test_the_consumer_takes_what_our_deliverer_sends_and_its_signature_is_on_the_ledger(
    store: Store, kafka: Kafka
) -> None:
    with admin.connect(kafka.brokers) as client:
        admin.create_topics(client, 2, 1, 1, share_specs(store.partner))
    told = [store.tell(1), store.tell(2, readable=False), store.tell(3)]
    with running(store.command("deliverer", "--brokers", kafka.brokers)):
        took = subprocess.run(
            store.example("consumer.py", "--brokers", kafka.brokers, "--count", "2"),
            capture_output=True,
            text=True,
            timeout=90,
            check=True,
        )
        expected = dict(zip(told, ["acknowledged", "refused", "acknowledged"], strict=True))
        with running(store.example("consumer.py", "--brokers", kafka.brokers)):  # what the first one left, if any
            wait_until(lambda: store.states() == expected, 60, "the acknowledgements")
    assert sorted(printed(took.stdout)) == [told[0], told[2]]
    assert set(store.kept()) <= set(range(3, 7))
    assert store.kept()


def test_the_receiver_takes_what_our_deliverer_pushes(store: Store, kafka: Kafka) -> None:
    with admin.connect(kafka.brokers) as client:
        admin.create_topics(client, 1, 1, 1, share_specs(store.partner))
    port = free_port()
    agree(store, f"http://127.0.0.1:{port}/events")
    with endpoints(store):
        assert stream(store, PUSH)["delivery"]["endpoint_url"] == f"http://127.0.0.1:{port}/events"
    told = [store.tell(1), store.tell(2, readable=False)]
    with running(store.example("push.py", "--port", str(port))) as receiver:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/", 501), 60, "the receiver")
        with running(store.command("deliverer", "--brokers", kafka.brokers)):
            expected = dict(zip(told, ["acknowledged", "refused"], strict=True))
            wait_until(lambda: store.states() == expected, 60, "the answers")
        receiver.terminate()
        assert printed(receiver.communicate()[0]) == told[:1]
    assert set(store.kept()) <= {2, 3}
    assert store.kept()
