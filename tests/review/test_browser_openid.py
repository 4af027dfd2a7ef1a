"""In a real browser, and by the command itself: off to an identity provider on another address, and back signed in."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from socket import socket

import httpx2
import msgspec
import pytest
from playwright.sync_api import Browser
from starlette.types import ASGIApp, Receive, Scope, Send

from history.database import make_engine
from review.access.openid import OpenID
from review.access.provider import Provider, client
from review.console.app import console
from review.console.house import House
from review.database import upgrade
from tests.harness.site import Site
from tests.harness.waiting import wait_until
from tests.review.browsing import chromium, served, violations
from tests.review.examples import NOW_MS
from tests.review.oidc_provider import CLIENT, SECRET, provided
from tests.review.oidc_provider import Provider as Foreign
from vault.keyring import Keyring

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # Playwright's pipe outlives its loop


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@contextmanager
def linked(house: House, foreign: Foreign) -> Iterator[str]:
    """The console's address, served with a way to the provider."""
    held: list[ASGIApp] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await held[0](scope, receive, send)

    with Site(app) as site, client() as http:
        settings = OpenID(
            issuer=foreign.url, client_id=CLIENT, console=site.url, loopback=True, roles={"fraud": ("analyst",)}
        )
        held.append(console(house._replace(provider=Provider(settings, SECRET, http, lambda: 0.0))))
        yield site.url


@pytest.mark.parametrize("locale", ["en", "ar"])
def test_a_person_signs_in_at_the_provider_and_out_again(tmp_path: Path, browser: Browser, locale: str) -> None:
    with served(tmp_path, 1, {}) as (_, house), provided(NOW_MS // 1000) as foreign, linked(house, foreign) as url:
        page, said = browser.new_context(locale=locale).new_page(), []
        page.on("console", lambda message: said.append(message.text))
        page.goto(f"{url}/queue?view=mine")
        assert violations(page) == []
        page.click("a.primary")
        page.wait_for_url(f"{url}/queue?view=mine")
        assert page.inner_text(".who .name") == "noura"
        assert page.get_attribute("html", "lang") == locale
        page.click("form[action='/sign-out'] button")
        page.wait_for_url("**/sign-in?out=1")
        assert page.get_attribute("[role=status] a", "href").startswith(f"{foreign.url}/bye?")  # type: ignore[union-attr]
        assert violations(page) == []
        assert said == []
        page.context.close()


def free_port() -> int:
    with closing(socket()) as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


def test_the_command_serves_it_by_a_file(tmp_path: Path) -> None:

    address = f"sqlite:///{tmp_path}/amana.db"
    engine = make_engine(address)
    upgrade(engine)
    engine.dispose()
    Keyring.create(tmp_path / "keyring.json", os.urandom)
    (tmp_path / "secret").write_text(SECRET)
    port = free_port()
    with provided(int(time.time())) as foreign:
        settings = {
            "issuer": foreign.url, "client_id": CLIENT, "client_secret_file": "secret", "loopback": True,
            "console": f"http://127.0.0.1:{port}", "roles": {"fraud": ["analyst"]},
        }  # fmt: skip
        (tmp_path / "openid.yaml").write_bytes(msgspec.json.encode(settings))
        where = ["--database", address, "--keyring", tmp_path / "keyring.json"]
        command = [sys.executable, "-m", "streams.cli", "console", *where, "--port", port]
        process = subprocess.Popen([*map(str, command), "--oidc", str(tmp_path / "openid.yaml")])
        try:
            with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, follow_redirects=True) as person:
                wait_until(lambda: answers(person), 60, "the console")
                page = person.get("/sign-in/openid", params={"next": "/overview"})
                assert (page.status_code, page.url.path) == (200, "/overview")
        finally:
            process.terminate()
            process.wait(timeout=20)


def answers(person: httpx2.Client) -> bool:
    try:
        return person.get("/sign-in").status_code == 200
    except httpx2.TransportError:
        return False
