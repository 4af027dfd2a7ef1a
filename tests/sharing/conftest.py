from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from history.database import make_engine, migrate
from sharing.database import LOCK, MIGRATIONS


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """Sharing's tables in an empty database, of both kinds that it runs on."""
    postgresql = request.param == "postgresql"
    url = request.getfixturevalue("database") if postgresql else f"sqlite:///{tmp_path}/amana.db"
    engine = make_engine(url)
    migrate(engine, MIGRATIONS, LOCK)
    yield engine
    engine.dispose()
