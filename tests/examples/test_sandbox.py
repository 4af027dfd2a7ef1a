"""`amana partner sandbox` and the partners' examples together, as the README beside them says."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click
import httpx2
import pytest
from joserfc import jws

from sharing.contracts import FOLDER
from sharing.tokens.keys import imported, load_partner, public_jwks
from streams.cli import main
from streams.sandbox_store import Store
from streams.sandbox_ways import Message
from tests.harness import Kafka
from tests.harness.waiting import free_port, wait_until
from tests.sharing.sealed import ACQUIRER_KID, ACQUIRER_SIGNS, PARTNERS, sealed

EXAMPLES = Path(__file__).parents[2] / "examples" / "partner"
ENVIRONMENT = {**os.environ, "PYTHONUNBUFFERED": "1"}


def sandbox(folder: Path, *options: str, partner: str = "acquirer") -> list[str]:
    base = [sys.executable, "-m", "streams.cli", "partner", "sandbox", partner, "--make-keys"]
    return [*base, "--keys", str(folder), *options]


def example(folder: Path, script: str, *options: str, partner: str = "acquirer") -> list[str]:
    keys = ("--keys", f"{folder}/{partner}.private.json", "--jwks", f"{folder}/jwks.json")
    who = ("--partner", partner, "--issuer", "https://store.example")
    return [sys.executable, str(EXAMPLES / script), *who, *keys, *options]


def started(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=ENVIRONMENT)


@pytest.fixture
def another(tmp_path: Path) -> tuple[str, str]:
    """A partner of this test alone, since the broker is shared, and its contract's file."""
    name = f"p{uuid.uuid4().hex[:12]}"
    contract = (FOLDER / "acquirer.yaml").read_text().replace("partner: acquirer", f"partner: {name}")
    path = tmp_path / "contract.yaml"
    path.write_text(contract)
    return name, str(path)


def ids(lines: str) -> list[str]:
    """The messages that the sandbox says it sent, each once."""
    return list(dict.fromkeys(line.split()[0] for line in lines.splitlines()))


def printed(lines: str) -> list[str]:
    return [json.loads(line)["jti"] for line in lines.splitlines()]


def finished(command: list[str], code: int = 0) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False, env=ENVIRONMENT)
    assert ran.returncode == code, ran.stderr
    return ran


def test_the_consumer_acknowledges_all_that_the_sandbox_sends_by_kafka(
    kafka: Kafka, tmp_path: Path, another: tuple[str, str]
) -> None:
    name, contract = another
    to = ("--contract", contract)
    finished(sandbox(tmp_path, *to, "--out", str(tmp_path / "out"), partner=name))  # makes the keys that both need
    send = sandbox(tmp_path, *to, "--brokers", kafka.brokers, "--wait", "60", partner=name)
    with started(send) as sending:
        took = finished(example(tmp_path, "consumer.py", "--brokers", kafka.brokers, "--count", "8", partner=name))
        sent, _ = sending.communicate(timeout=90)
    assert printed(took.stdout) == ids(sent)
    assert len(ids(sent)) == 8
    assert sending.returncode == 0


def test_what_nobody_acknowledges_is_told_by_its_id(kafka: Kafka, tmp_path: Path, another: tuple[str, str]) -> None:
    name, contract = another
    options = ("--contract", contract, "--brokers", kafka.brokers, "--wait", "1", "--count", "1")
    late = finished(sandbox(tmp_path, *options, partner=name), code=1)
    assert [line for line in late.stderr.splitlines() if "acknowledged" in line] == [
        f"{jti} not acknowledged" for jti in ids(late.stdout)
    ]


def test_the_receiver_takes_all_that_the_sandbox_pushes(tmp_path: Path) -> None:
    finished(sandbox(tmp_path, "--out", str(tmp_path / "out")))
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    command = example(tmp_path, "push.py", "--port", str(port))
    with started(command) as receiver:
        wait_until(_listens(url), 30, "the receiver")
        sent = finished(sandbox(tmp_path, "--push", url))
        receiver.terminate()
        assert printed(receiver.communicate()[0]) == ids(sent.stdout)


def test_a_receiver_with_another_key_refuses_and_the_sandbox_fails(tmp_path: Path) -> None:
    for folder in ("ours", "theirs"):
        finished(sandbox(tmp_path / folder, "--out", str(tmp_path / "out")))
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    command = example(tmp_path / "theirs", "push.py", "--port", str(port))
    with started(command) as receiver:
        wait_until(_listens(url), 30, "the receiver")
        refused = finished(sandbox(tmp_path / "ours", "--push", url, "--count", "1"), code=1)
        receiver.terminate()
    first, second = ids(refused.stdout)
    assert refused.stderr.splitlines()[1:] == [f"{first} refused: invalid_key", f"{second} refused: invalid_key"]


def test_the_poll_client_takes_all_that_the_sandbox_has(tmp_path: Path) -> None:
    finished(sandbox(tmp_path, "--out", str(tmp_path / "out")))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    serve = sandbox(tmp_path, "--poll", f"127.0.0.1:{port}", "--wait", "60")
    ask = ("--token-url", f"{url}/token", "--poll-url", f"{url}/poll", "--once")
    with started(serve) as serving:
        wait_until(_listens(url), 30, "the sandbox's store")
        took = finished(example(tmp_path, "poll.py", *ask))
        sent, _ = serving.communicate(timeout=90)
    assert printed(took.stdout) == ids(sent)
    assert serving.returncode == 0


def _listens(url: str) -> Callable[[], bool]:
    def listens() -> bool:
        try:
            return httpx2.get(url).status_code == 501
        except httpx2.HTTPError:
            return False

    return listens


# The sandbox's store refuses what a store must.


@pytest.fixture
def store() -> Store:
    made = Store([Message("A" * 22, "disclosure", sealed(), {})], PARTNERS["acquirer"], lambda: 1_767_225_600)
    made.url = "http://127.0.0.1:8936"
    return made


def assertion(**changes: object) -> dict[str, list[str]]:
    said: dict[str, object] = {"iss": "acquirer", "sub": "acquirer", "aud": "http://127.0.0.1:8936/token", "jti": "1"}
    said |= {"exp": 1_767_225_660} | changes
    header = {"alg": "Ed25519", "typ": "JWT", "kid": ACQUIRER_KID}
    token = jws.serialize_compact(header, json.dumps(said), ACQUIRER_SIGNS, algorithms=["Ed25519"])
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    return {"grant_type": ["client_credentials"], "client_assertion_type": [kind], "client_assertion": [token]}


def test_the_sandboxs_store_gives_access_for_an_assertion_once(store: Store) -> None:
    status, answer = store.token(assertion())
    assert status == 200
    assert store.poll(f"Bearer {answer['access_token']}", {})[0] == 200
    assert store.token(assertion()) == (401, {"error": "invalid_client"})


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "carrier"},
        {"sub": "carrier"},
        {"aud": "https://store.example/token"},
        {"exp": 1_767_225_600},
        {"exp": 1_767_226_201},
        {"exp": "tomorrow"},
        {"jti": None},
    ],
)
def test_the_sandboxs_store_refuses_an_assertion_that_is_not_for_it(store: Store, changes: dict[str, object]) -> None:
    assert store.token(assertion(**changes)) == (401, {"error": "invalid_client"})


def test_the_sandboxs_store_gives_nothing_without_access(store: Store) -> None:
    assert store.token({}) == (400, {"error": "unsupported_grant_type"})
    assert store.token(assertion() | {"client_assertion": ["x.y.z"]}) == (401, {"error": "invalid_client"})
    assert store.poll("", {}) == (401, {})
    assert store.poll("Bearer guessed", {}) == (401, {})


def test_the_sandboxs_store_holds_a_message_until_it_is_acknowledged(store: Store) -> None:
    bearer = f"Bearer {store.token(assertion())[1]['access_token']}"
    held = {"sets": {"A" * 22: sealed_text(store)}, "moreAvailable": False}
    assert store.poll(bearer, {"maxEvents": 0}) == (200, {"sets": {}, "moreAvailable": True})
    assert store.poll(bearer, {}) == (200, held)
    assert store.poll(bearer, {"ack": "A"})[0] == 400
    assert store.poll(bearer, {}) == (200, held)
    assert store.poll(bearer, {"ack": ["A" * 22]}) == (200, {"sets": {}, "moreAvailable": False})


def sealed_text(store: Store) -> str:
    return store.answers.waiting["A" * 22].decode()


def test_the_sandboxs_published_set_is_one_that_a_partner_can_read(tmp_path: Path) -> None:
    finished(sandbox(tmp_path, "--out", str(tmp_path / "out"), "--count", "1"))
    (key,) = public_jwks(json.loads((tmp_path / "jwks.json").read_text()), "jwks.json")
    assert imported(key).kid == key.kid
    assert load_partner(tmp_path / "acquirer.json").partner == "acquirer"
    assert time.time() - json.loads((tmp_path / "jwks.json").read_text())["keys"][0]["nbf"] < 120


# The README


def commands() -> list[list[str]]:
    """Every command of the README's shell blocks, its lines put together."""
    blocks = re.findall(r"```sh\n(.*?)```", (EXAMPLES / "README.md").read_text(), re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line.removesuffix("&"), comments=True) for line in lines if not line.startswith(" ")]


@pytest.mark.parametrize("command", [each for each in commands() if each and each[0] == "amana"], ids=" ".join)
def test_the_readmes_amana_commands_have_the_options_that_they_are_given(command: list[str]) -> None:
    group, name, *rest = command[1:]
    found = main.get_command(click.Context(main), group)
    assert isinstance(found, click.Group)
    inner = found.commands[name]
    assert inner.make_context(name, list(rest)).params  # raises for what it does not know, or misses


@pytest.mark.parametrize("command", [each for each in commands() if each and each[0] == "python"], ids=" ".join)
def test_the_readmes_programs_have_the_options_that_they_are_given(command: list[str]) -> None:
    shown = finished([sys.executable, str(EXAMPLES / command[1]), "--help"]).stdout
    options = [word for word in command if word.startswith("--")]
    assert [option for option in options if option not in shown] == []


def test_the_readme_shows_all_three_programs() -> None:
    assert {each[1] for each in commands() if each and each[0] == "python"} == {"consumer.py", "poll.py", "push.py"}


@pytest.mark.skipif(shutil.which("curl") is None, reason="the README's reader has curl")
def test_the_readmes_wait_before_the_poll_ends_when_somebody_listens(tmp_path: Path) -> None:
    names = [each[0] for each in commands() if each and {"--poll", "--poll-url", "--retry"} & set(each)]
    assert names == ["amana", "curl", "python"]
    (wait,) = [each for each in commands() if each and each[0] == "curl"]
    (tmp_path / "sandbox").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = [*wait[:-1], wait[-1].replace("8936", str(port))]
    with subprocess.Popen(line, cwd=tmp_path) as waiting:
        time.sleep(1.5)
        assert waiting.poll() is None
        with ThreadingHTTPServer(("127.0.0.1", port), BaseHTTPRequestHandler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            assert waiting.wait(30) == 0
            server.shutdown()
            thread.join()


def test_the_readmes_event_has_the_form_that_the_sandbox_sends(tmp_path: Path) -> None:
    finished(sandbox(tmp_path, "--out", str(tmp_path / "out"), "--count", "1"))
    (event,) = json.loads((tmp_path / "out" / "001.json").read_text())["events"]
    assert f'"events": {{"{event}":' in (EXAMPLES / "README.md").read_text()
