"""A console with made cases, and Debian's Chromium to look at it with."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

import history.database
import sharing.database
from events.facts import Entities
from history.database import make_engine
from history.index import Index
from history.pages import Page as Seen
from review.access.accounts import Account
from review.access.roles import Role
from review.console.app import console
from review.console.house import House, furnished
from review.database import upgrade
from review.joining import JoiningStore
from review.opener import Known, Vault, open_case
from review.store import SubjectKeyTable
from sharing.contracts import FOLDER, load
from tests.harness.server import MissingServer
from tests.harness.site import Site
from tests.review.examples import NOW_MS, PASSWORD, WORD, decision, vault
from tests.sharing.orders import ORDER
from vault.keyring import Keyring

PATH = (Seen(NOW_MS - 120_000, "/basket", 200, None), Seen(NOW_MS - 95_000, "/pay", None, None))
CONTRACTS = [load(path) for path in sorted(FOLDER.glob("*.yaml"))]


class Clock:
    """The server's time, which a test sets."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


@contextmanager
def served(
    folder: Path, cases: int, people: dict[str, tuple[Role, ...]], clock: Callable[[], int] = lambda: NOW_MS
) -> Iterator[tuple[str, House]]:
    """The console's address and what it works with: so many open cases, an account for each name."""
    engine = make_engine(f"sqlite:///{folder}/amana.db")
    upgrade(engine)
    history.database.upgrade(engine)
    history.database.migrate(engine, sharing.database.MIGRATIONS, sharing.database.LOCK)
    held = vault(Keyring.create(folder / "keyring.json", os.urandom), SubjectKeyTable(engine))
    house = furnished(engine, *held, os.urandom, clock, https=False, contracts=CONTRACTS, private=engine)
    for name, roles in people.items():
        house.access.add(Account(username=name, roles=roles, password=PASSWORD), "cli:root", NOW_MS)
    house.cases.take_in_all(
        open_case(
            decision(n, order_id=f"ord-{n}"),
            msgspec.structs.replace(ORDER, order_id=f"ord-{n}"),
            held,
            NOW_MS - n,
            Known(PATH),
        )
        for n in range(cases)
    )
    seen = Entities(customer="c" * 22, card="k" * 22, ip="i" * 22)
    Index(engine).record(
        [(decision(n, order_id=f"ord-{n}", entities=seen, shadow=("new",)), NOW_MS) for n in range(cases)]
    )
    with Site(console(house)) as site:
        yield site.url, house
    engine.dispose()


def take_in_two_of_one_card(house: House) -> tuple[str, str]:
    """Two orders, which are one case: the ids of the first, which leads, and of the second, which is joined to it."""
    cases = [
        open_case(
            decision(n, order_id=f"ord-{n}", entities=Entities(card="shared")),
            msgspec.structs.replace(ORDER, order_id=f"ord-{n}"),
            Vault(house.envelopes, house.blind),
            NOW_MS,
        )
        for n in (90, 91)
    ]
    JoiningStore(house.engine).take_in_all(cases)
    return cases[0].decision_id, cases[1].decision_id


@contextmanager
def chromium() -> Iterator[Browser]:
    """Raises MissingServer where it is not installed."""
    program = shutil.which("chromium")
    if program is None:
        raise MissingServer("chromium is not installed: `make servers` installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


def sign_in(page: Page, url: str, name: str) -> None:
    page.goto(f"{url}/sign-in")
    page.fill("[name=username]", name)
    page.fill("[name=password]", WORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url("**/queue")


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong with the page (WCAG 2 A and AA, and its best practices): rule and place."""
    found = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {node['html'][:120]}" for rule in found for node in rule["nodes"]]
