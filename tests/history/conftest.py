import pytest

from history.database import make_engine, upgrade
from history.index import Index


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request, tmp_path):
    url = f"sqlite:///{tmp_path}/amana.db" if request.param == "sqlite" else request.getfixturevalue("database")
    engine = make_engine(url)
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def index(engine):
    return Index(engine)
