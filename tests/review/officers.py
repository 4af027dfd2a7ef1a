"""A console with partners, three privacy officers and an analyst, and a browser for each."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import sqlalchemy as sa
from starlette.testclient import TestClient

import history.database
import sharing.database
from review import tables
from review.access.accounts import Account
from review.access.roles import Role
from review.console.app import console
from review.console.house import House, furnished
from review.opener import Vault, open_case
from sharing.contracts import FOLDER, load
from tests.review.examples import NOW_MS, PASSWORD, WORD, decision
from tests.sharing.orders import ORDER

CASE = "topic:0:17"
PEOPLE: dict[str, Role] = {
    "noura": "privacy_officer",
    "saud": "privacy_officer",
    "layla": "privacy_officer",
    "analyst": "analyst",
    "auditor": "auditor",
}
CONTRACTS = [load(path) for path in sorted(FOLDER.glob("*.yaml"))]


def partnered(engine: sa.Engine, vault: Vault) -> House:
    history.database.migrate(engine, sharing.database.MIGRATIONS, sharing.database.LOCK)
    house = furnished(engine, *vault, os.urandom, lambda: NOW_MS, https=False, contracts=CONTRACTS, private=engine)
    for name, role in PEOPLE.items():
        house.access.add(Account(username=name, roles=(role,), password=PASSWORD), "cli:root", NOW_MS)
    house.cases.take_in(open_case(decision(), ORDER, vault, NOW_MS))
    return house


class Browser:
    """Signed in; a form goes out with the session's mark."""

    def __init__(self, client: TestClient, name: str) -> None:
        self._client = client
        mark = _mark(client.get("/sign-in"))
        answer = client.post("/sign-in", data={"csrf": mark, "username": name, "password": WORD})
        assert answer.status_code == 303

    def get(self, path: str) -> httpx2.Response:
        return self._client.get(path)

    def post(self, path: str, **fields: str) -> httpx2.Response:
        return self._client.post(path, data={"csrf": _mark(self.get("/queue")), **fields})


@contextmanager
def browser(house: House, name: str) -> Iterator[Browser]:
    with TestClient(console(house), follow_redirects=False) as client:
        yield Browser(client, name)


def trail(house: House) -> list[tuple[str, str, str | None]]:
    """Who did what to which case, the oldest first."""
    held = tables.audit.c
    with house.engine.connect() as connection:
        rows = connection.execute(sa.select(held.actor, held.action, held.case_id).order_by(held.place))
        return [(actor, action, case_id) for actor, action, case_id in rows]


def _mark(page: httpx2.Response) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
    assert found is not None
    return found[1]
