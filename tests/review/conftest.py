import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page

from review.database import upgrade
from review.desk import Desk
from review.opener import Vault
from review.store import CaseStore, SubjectKeyTable
from tests.harness.patterns import Migrated
from tests.review.browsing import chromium
from tests.review.examples import vault as vault_of
from vault.keyring import Keyring


@pytest.fixture
def keyring_path(tmp_path: Path) -> Path:
    path = tmp_path / "keyring.json"
    Keyring.create(path, os.urandom)
    return path


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/amana.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, migrated: Migrated) -> sa.Engine:
    """An empty case database, on SQLite and on PostgreSQL."""
    return migrated(request.param, upgrade)


@pytest.fixture
def store(engine: sa.Engine) -> CaseStore:
    return CaseStore(engine)


@pytest.fixture
def desk(engine: sa.Engine) -> Desk:
    """Whose verdicts leave at once."""
    return Desk(engine, leaves_ms=0)


@pytest.fixture
def vault(engine: sa.Engine, keyring_path: Path) -> Vault:
    return vault_of(Keyring.load(keyring_path), SubjectKeyTable(engine))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """In a context of its own: nobody is signed in."""
    context = browser.new_context()
    yield context.new_page()
    context.close()
