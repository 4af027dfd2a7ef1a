"""The partners' examples, run as a partner runs them: against the real broker, and against the RFCs' own words."""

import ast
import base64
import json
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import httpx2
import pytest
from joserfc import jws
from kafka import KafkaConsumer, KafkaProducer

from events import admin
from events.topics import share_ack_topic, share_specs, share_topic
from sharing.tokens import PartnerKeys, Sealer, SigningKey, verify_acknowledgement
from sharing.tokens.keys import partner_keys
from tests.harness import Kafka
from tests.harness.waiting import free_port, wait_until
from tests.sharing.delivery.tls import Authority
from tests.sharing.sealed import EVENT, ISSUER, JWKS, NOW_MS, OURS, PARTNERS, private_set, public_set

FOLDER = Path(__file__).parents[2] / "examples" / "partner"
SCRIPTS = sorted(FOLDER.glob("*.py"))


class Partner(NamedTuple):
    """A partner with files as it has them, and who seals to it."""

    name: str
    folder: Path
    keys: PartnerKeys
    sealer: Sealer

    def sealed(self, number: int, **fields: object) -> bytes:
        payload = json.dumps({"outcome": "block", **fields}, separators=(",", ":")).encode()
        return self.sealer.seal(self.name, jti(number), "case-1", EVENT, payload, NOW_MS)

    def command(self, script: str, *arguments: str) -> list[str]:
        files = ("--keys", f"{self.folder}/private.json", "--jwks", f"{self.folder}/jwks.json")
        return [sys.executable, str(FOLDER / script), "--partner", self.name, "--issuer", ISSUER, *files, *arguments]


ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
CHECKPOINT = f"store.example/ledger\n42\n{ROOT}\n\n\u2014 store.example/ledger A\n".encode()


def jti(number: int) -> str:
    return f"{number:022}"


@pytest.fixture
def partner(tmp_path: Path) -> Partner:
    name, own = f"p{uuid.uuid4().hex[:12]}", private_set(80)
    (tmp_path / "private.json").write_text(json.dumps(own))
    (tmp_path / "jwks.json").write_text(json.dumps(JWKS))
    keys = partner_keys(name, public_set(own), name)
    return Partner(name, tmp_path, keys, Sealer(ISSUER, OURS, {name: keys}))


def told(lines: str) -> list[tuple[str, dict[str, Any]]]:
    return [(claims["jti"], claims["events"][EVENT]) for claims in map(json.loads, lines.splitlines())]


def to_others(partner: Partner) -> dict[str, bytes]:
    """Tokens that a partner must not take, by the word of RFC 8935 for why."""
    keys, other = {partner.name: partner.keys}, {"carrier": partner.keys}
    return {
        "invalid_issuer": Sealer("https://other.example", OURS, keys).seal(
            partner.name, jti(91), "case-1", EVENT, b"{}", NOW_MS
        ),
        "invalid_audience": Sealer(ISSUER, OURS, other).seal("carrier", jti(92), "case-1", EVENT, b"{}", NOW_MS),
        "invalid_key": Sealer(ISSUER, OURS, PARTNERS).seal("carrier", jti(93), "case-1", EVENT, b"{}", NOW_MS),
        "invalid_request": b"not a token",
    }


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_an_example_is_short_and_needs_nothing_of_ours(script: Path) -> None:
    text = script.read_text()
    assert len(text.splitlines()) < 60
    imported = {name.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module or "" for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)}
    others = {name.partition(".")[0] for name in imported} - set(sys.stdlib_module_names)
    assert others <= {"joserfc", "kafka", "httpx2"}


def test_all_examples_open_a_token_by_the_same_words() -> None:
    assert [path.name for path in SCRIPTS] == ["consumer.py", "poll.py", "push.py"]
    found = [
        ast.dump(node)
        for path in SCRIPTS
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == "opened"
    ]
    assert len(found) == 3
    assert len(set(found)) == 1


# Kafka


def test_the_consumer_prints_what_it_was_told_once_and_its_acknowledgements_are_believed(
    kafka: Kafka, partner: Partner, tmp_path: Path
) -> None:
    with admin.connect(kafka.brokers) as client:
        admin.create_topics(client, 1, 1, 1, share_specs(partner.name))
    producer = KafkaProducer(bootstrap_servers=kafka.brokers)
    bad = to_others(partner)
    sent = [(jti(1), partner.sealed(1)), (jti(1), partner.sealed(1))]
    sent += [(jti(90 + number), token) for number, token in enumerate(bad.values())]
    sent += [(jti(2), partner.sealed(2, reasons=["list.card"]))]
    for size, (key, value) in enumerate(sent, 41):
        headers = [("checkpoint", CHECKPOINT.replace(b"42", str(size).encode()))]
        producer.send(share_topic(partner.name), value, key.encode(), headers).get(30)
    producer.close()
    options = ("--brokers", kafka.brokers, "--count", "2", "--checkpoints", str(tmp_path))
    ran = subprocess.run(
        partner.command("consumer.py", *options), capture_output=True, text=True, timeout=60, check=True
    )
    assert told(ran.stdout) == [
        (jti(1), {"outcome": "block"}),
        (jti(2), {"outcome": "block", "reasons": ["list.card"]}),
    ]
    now_s = int(time.time())
    answers = [
        verify_acknowledgement(each, partner.keys, ISSUER, now_s)
        for each in _read(kafka, share_ack_topic(partner.name), len(sent))
    ]
    assert [each.acks for each in answers if each.acks] == [(jti(1),), (jti(1),), (jti(2),)]
    refused = {key: said.err for each in answers for key, said in each.errs.items()}
    assert refused == {jti(90 + number): why for number, why in enumerate(bad)}
    assert len({each.jti for each in answers}) == len(sent)
    kept = {int(path.stem): path.read_bytes() for path in tmp_path.glob("*.checkpoint")}
    assert sorted(kept) == list(range(41, 41 + len(sent)))
    assert kept[42] == CHECKPOINT


def test_a_consumer_that_is_started_again_goes_on_where_it_was(kafka: Kafka, partner: Partner) -> None:
    with admin.connect(kafka.brokers) as client:
        admin.create_topics(client, 1, 1, 1, share_specs(partner.name))
    producer = KafkaProducer(bootstrap_servers=kafka.brokers)
    for number in (1, 2, 3):
        producer.send(share_topic(partner.name), partner.sealed(number), jti(number).encode()).get(30)
    producer.close()
    run = partner.command("consumer.py", "--brokers", kafka.brokers)
    printed = [
        told(subprocess.run([*run, "--count", count], capture_output=True, text=True, timeout=60, check=True).stdout)
        for count in ("2", "1")
    ]
    assert [[each for each, _ in lines] for lines in printed] == [[jti(1), jti(2)], [jti(3)]]


def _read(kafka: Kafka, topic: str, count: int) -> list[bytes]:
    consumer = KafkaConsumer(
        topic, bootstrap_servers=kafka.brokers, auto_offset_reset="earliest", consumer_timeout_ms=10_000
    )
    try:
        return [record.value for _, record in zip(range(count), consumer, strict=False)]
    finally:
        consumer.close()


# Push, RFC 8935


class Pushed(NamedTuple):
    url: str
    process: subprocess.Popen[str]


@pytest.fixture
def receiver(partner: Partner) -> Iterator[Pushed]:
    port = free_port()
    with subprocess.Popen(
        partner.command("push.py", "--port", str(port), "--checkpoints", str(partner.folder)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        url = f"http://127.0.0.1:{port}/"
        wait_until(lambda: _answers(url), 30, "the receiver to come up")
        yield Pushed(url, process)
        process.kill()


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url).status_code == 501
    except httpx2.HTTPError:
        return False


def push(url: str, token: bytes) -> httpx2.Response:
    headers = {"Content-Type": "application/secevent+jwt", "Accept": "application/json"}
    headers["Amana-Checkpoint"] = base64.urlsafe_b64encode(CHECKPOINT).decode()
    return httpx2.post(url, content=token, headers=headers, timeout=30)


def test_the_receiver_takes_a_token_once_and_says_so_with_202_and_no_body(partner: Partner, receiver: Pushed) -> None:
    for number in (1, 1, 2):
        answer = push(receiver.url, partner.sealed(number))
        assert (answer.status_code, answer.content) == (202, b"")
    assert (partner.folder / "42.checkpoint").read_bytes() == CHECKPOINT
    receiver.process.terminate()
    assert [name for name, _ in told(receiver.process.stdout.read())] == [jti(1), jti(2)]  # type: ignore[union-attr]


def test_the_receiver_says_why_it_does_not_take_a_token(partner: Partner, receiver: Pushed) -> None:
    for why, token in to_others(partner).items():
        answer = push(receiver.url, token)
        assert answer.status_code == 400
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json() == {"err": why, "description": "not taken"}
    assert push(receiver.url, b"").json()["err"] == "invalid_request"
    assert push(receiver.url, partner.sealed(1)[:-2]).json()["err"] in {"invalid_key", "invalid_request"}
    assert not (partner.folder / "42.checkpoint").exists()
    assert push(receiver.url, partner.sealed(1)).status_code == 202


def test_the_receiver_takes_a_token_by_a_key_that_was_published_while_it_ran(
    partner: Partner, receiver: Pushed
) -> None:
    new = SigningKey(b"n" * 32)
    token = Sealer(ISSUER, new, {partner.name: partner.keys}).seal(partner.name, jti(1), "case-1", EVENT, b"{}", NOW_MS)
    assert push(receiver.url, token).json()["err"] == "invalid_key"
    (partner.folder / "jwks.json").write_text(json.dumps({"keys": [OURS.jwk(), new.jwk()]}))
    assert push(receiver.url, token).status_code == 202
    assert push(receiver.url, partner.sealed(2)).status_code == 202


def test_who_connects_to_the_receiver_and_never_says_hello_keeps_nobody_waiting(partner: Partner) -> None:
    authority, port = Authority(partner.folder), free_port()
    tls = [str(path) for path in authority.issue("127.0.0.1")]
    with subprocess.Popen(partner.command("push.py", "--port", str(port), "--tls", *tls)) as process:
        try:
            wait_until(lambda: _listens(port), 30, "the receiver to come up")
            with socket.create_connection(("127.0.0.1", port)):
                answer = httpx2.post(
                    f"https://127.0.0.1:{port}/", content=partner.sealed(1), verify=authority.trusting(), timeout=8
                )
            assert answer.status_code == 202
        finally:
            process.kill()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


# Poll, RFC 8936, with private_key_jwt, RFC 7523


class Store:
    """What a store's two endpoints do, by the RFCs: as strict as ours, and an access token is good for one poll."""

    def __init__(self, partner: Partner) -> None:
        self.partner = partner
        self.waiting: dict[str, str] = {}
        self.acked: list[str] = []
        self.errors: dict[str, dict[str, str]] = {}
        self.assertions: list[str] = []
        self.living = ""
        self.polls: list[dict[str, Any]] = []
        self.url = ""

    def token(self, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        assert form["grant_type"] == ["client_credentials"]
        assert form["client_assertion_type"] == ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
        (assertion,) = form["client_assertion"]
        key = next(iter(self.partner.keys.signers.values()))
        found = jws.deserialize_compact(assertion, key, algorithms=["Ed25519"])
        assert found.headers() == {"alg": "Ed25519", "typ": "JWT", "kid": key.kid}
        said = json.loads(found.payload)
        assert (said["iss"], said["sub"], said["aud"]) == (self.partner.name, self.partner.name, f"{self.url}/token")
        assert 0 < said["exp"] - said["iat"] <= 60
        assert said["jti"] not in self.assertions
        self.assertions.append(said["jti"])
        self.living = f"t{len(self.assertions)}"
        return 200, {"access_token": self.living, "token_type": "Bearer", "expires_in": 60}

    def poll(self, bearer: str | None, ask: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if not self.living or bearer != f"Bearer {self.living}":
            return 401, {"err": "authentication_failed", "description": "expected a living access token"}
        self.living = ""
        self.polls.append(ask)
        self.acked += ask.get("ack", [])
        self.errors |= ask.get("setErrs", {})
        for name in (*ask.get("ack", []), *ask.get("setErrs", {})):
            self.waiting.pop(name, None)
        sets = dict(list(self.waiting.items())[:2])
        return 200, {"sets": sets, "moreAvailable": len(sets) < len(self.waiting)}


@pytest.fixture
def store(partner: Partner) -> Iterator[Store]:
    made = Store(partner)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/token":
                status, answer = made.token(parse_qs(body.decode()))
            else:
                status, answer = made.poll(self.headers["Authorization"], json.loads(body))
            raw = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.send_header("Amana-Checkpoint", base64.urlsafe_b64encode(CHECKPOINT).decode())
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield made
        server.shutdown()
        thread.join()


def test_the_poll_client_takes_everything_and_acknowledges_or_refuses_each(partner: Partner, store: Store) -> None:
    store.waiting = {jti(number): partner.sealed(number).decode() for number in (1, 2, 3)}
    bad = to_others(partner)
    store.waiting |= {jti(90 + place): token.decode() for place, token in enumerate(bad.values())}
    where = ("--token-url", f"{store.url}/token", "--poll-url", f"{store.url}/poll", "--once")
    where += ("--checkpoints", str(partner.folder))
    ran = subprocess.run(
        partner.command("poll.py", *where),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert [name for name, _ in told(ran.stdout)] == [jti(1), jti(2), jti(3)]
    assert store.acked == [jti(1), jti(2), jti(3)]
    assert store.errors == {jti(90 + place): {"err": why, "description": "not taken"} for place, why in enumerate(bad)}
    assert store.waiting == {}
    assert store.polls[0] == {"returnImmediately": True}
    assert len(store.assertions) == len(store.polls) == 5  # with a 401 before each, and nothing was lost by one
    assert (partner.folder / "42.checkpoint").read_bytes() == CHECKPOINT
