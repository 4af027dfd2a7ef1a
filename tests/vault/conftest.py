import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.vault.fakes import Subjects
from vault.keyring import Keyring


@pytest.fixture
def subjects() -> Subjects:
    return Subjects()


@pytest.fixture
def counting() -> Callable[[int], bytes]:
    """Bytes that count up instead of random ones: never the same twice, the same in every run."""
    numbers = itertools.count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


@pytest.fixture
def path(tmp_path: Path, counting: Callable[[int], bytes]) -> Path:
    path = tmp_path / "keyring.json"
    Keyring.create(path, counting)
    return path
