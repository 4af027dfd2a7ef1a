import pytest
import sqlalchemy as sa

from history.database import migrate
from sharing.database import LOCK, MIGRATIONS
from tests.harness.patterns import Migrated


def with_tables(engine: sa.Engine) -> None:
    migrate(engine, MIGRATIONS, LOCK)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, migrated: Migrated) -> sa.Engine:
    """Sharing's tables in an empty database, of both kinds that it runs on."""
    return migrated(request.param, with_tables)
