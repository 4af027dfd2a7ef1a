"""`amana partner-api` as it runs, asked by the programs that partners copy."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from history.database import make_engine, migrate
from sharing.database import LOCK, MIGRATIONS
from sharing.tokens import Sealer
from tests.harness import wait_until
from tests.sharing.delivery.fakes import Desktop, jti
from tests.sharing.delivery.partners import Partner
from tests.sharing.delivery.tls import Authority
from tests.sharing.sealed import JWKS, OURS
from tests.streams.delivering import KIND, ROOT, Premises

EVENT = "https://schemas.amana.example/event/agency/FraudPreventionAndDetection/v1"


@pytest.fixture
def premises(tmp_path: Path) -> Iterator[Premises]:
    database = f"sqlite:///{tmp_path}/amana.db"
    engine = make_engine(database)
    migrate(engine, MIGRATIONS, LOCK)
    engine.dispose()
    made = Premises(tmp_path, database, {"agency": None})
    (tmp_path / "jwks.json").write_text(json.dumps(JWKS))
    yield made
    made.close()


def _bearer(client: httpx2.Client, issuer: str, partner: Partner) -> dict[str, str]:
    form = {"grant_type": "client_credentials", "client_assertion_type": KIND}
    assertion = partner.asserts(f"{issuer}/oauth/token")
    answer = client.post("/oauth/token", data=form | {"client_assertion": assertion}).raise_for_status()
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_the_poll_client_that_partners_copy_takes_its_messages(premises: Premises) -> None:
    engine = make_engine(premises.database)
    desktop, partner = Desktop(engine), premises.partners["agency"]
    sealer = Sealer(premises.issuer, OURS, {"agency": partner.keys})
    for number in (1, 2):
        sealed = sealer.seal("agency", jti(number), f"case-{number}", EVENT, b'{"outcome":"block"}', 1_790_000_000_000)
        desktop.tell(number, partner="agency", sealed=sealed)
    premises.api("--jwks", str(premises.folder / "jwks.json"))
    with httpx2.Client(base_url=premises.issuer, trust_env=False) as client:
        found = client.get("/.well-known/ssf-configuration").json()
        assert client.get(found["jwks_uri"]).json() == JWKS
        made = client.post("/ssf/stream", json={}, headers=_bearer(client, premises.issuer, partner)).json()
    keys = premises.folder / "private.json"
    keys.write_text(json.dumps(partner.private))
    options: dict[str, Any] = {
        "partner": "agency", "issuer": premises.issuer, "keys": keys, "jwks": premises.folder / "jwks.json",
        "token-url": f"{premises.issuer}/oauth/token", "poll-url": made["delivery"]["endpoint_url"],
    }  # fmt: skip
    line = [sys.executable, str(ROOT / "examples" / "partner" / "poll.py"), "--once"]
    line += [part for name, value in options.items() for part in (f"--{name}", str(value))]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(printed)["jti"] for printed in done.stdout.splitlines()] == [jti(1), jti(2)]
    assert [desktop.state(number) for number in (1, 2)] == ["acknowledged", "acknowledged"]
    engine.dispose()


def test_two_hundred_silent_connections_of_a_stranger_shut_nobody_out(premises: Premises) -> None:
    premises.api("--jwks", str(premises.folder / "jwks.json"))
    with ExitStack() as held:
        for number in range(205):
            silent = held.enter_context(socket.create_connection(("127.0.0.1", premises.port)))
            if number % 2:
                silent.sendall(b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nX-")
        answer = httpx2.get(f"{premises.issuer}/jwks.json", trust_env=False)
    assert (answer.status_code, answer.json()) == (200, JWKS)


def _over_tls(premises: Premises) -> httpx2.Response:
    """Starts the endpoints over TLS; what they say of themselves."""
    authority = Authority(premises.folder)
    certificate, key = authority.issue("127.0.0.1")
    premises.issuer = premises.issuer.replace("http:", "https:")
    premises.start(
        "partner-api", *(option for option in premises.options() if option != "--demo"), "--port",
        str(premises.port), "--certificate", str(certificate), "--private-key", str(key),
    )  # fmt: skip

    with httpx2.Client(verify=authority.trusting(), trust_env=False) as client:
        return _patiently(lambda: client.get(f"{premises.issuer}/.well-known/ssf-configuration"))


def test_it_is_served_over_tls(premises: Premises) -> None:
    assert _over_tls(premises).json()["issuer"] == premises.issuer
    with pytest.raises(httpx2.HTTPError):
        httpx2.get(premises.issuer.replace("https:", "http:"), trust_env=False)


def test_a_stranger_who_never_says_hello_holds_a_socket_for_seconds_alone(premises: Premises) -> None:
    _over_tls(premises)
    with socket.create_connection(("127.0.0.1", premises.port), timeout=30) as silent:  # it would be held for 60 s
        began_s = time.monotonic()
        assert silent.recv(1) == b""
        assert time.monotonic() - began_s > 4.5


def _patiently(ask: Any) -> httpx2.Response:
    found: list[httpx2.Response] = []

    def answered() -> bool:
        try:
            found.append(ask())
        except httpx2.ConnectError:
            return False
        return True

    wait_until(answered, 60, "an answer")
    return found[0]


@pytest.mark.parametrize("more", [["--demo", "--host", "0.0.0.0"], []])
def test_without_tls_it_is_served_to_this_machine_alone_and_only_when_told_so(
    premises: Premises, more: list[str]
) -> None:
    options = [option for option in premises.options() if option != "--demo"]
    line = [sys.executable, "-m", "streams.cli", "partner-api", *options, *more]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert "the partners' endpoints need --certificate and --private-key" in done.stderr
