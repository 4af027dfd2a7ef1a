import pytest

from history.database import upgrade
from history.index import Index


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request, migrated):
    return migrated(request.param, upgrade)


@pytest.fixture
def index(engine):
    return Index(engine)
