import pytest

from simulator.journal import Simulated
from simulator.settings import Settings
from simulator.store import simulate


@pytest.fixture(scope="session")
def month() -> list[Simulated]:
    """A store of the default size and difficulty."""
    return list(simulate(Settings(seed=5)))
