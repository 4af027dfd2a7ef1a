"""What the demo says where its store is too small."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from features.definitions import DEFINITIONS
from history.database import make_engine, upgrade
from history.index import Index
from models.errors import UntrainableTable
from streams.demo import learn
from tests.history.made import decision


def test_a_store_without_known_fraud_says_what_to_ask_for_instead(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/amana.db")
    upgrade(engine)
    index = Index(engine)
    width = len(DEFINITIONS.names)
    made = [decision(n, at_ms=n * 3_600_000, vector=(1.0,) * width, definitions=DEFINITIONS.hash) for n in range(40)]
    index.record([(each, each.occurred_at_ms) for each in made])
    with pytest.raises(UntrainableTable, match="give more --orders-per-day or --days \\(400 and 28 are enough\\)"):
        learn(cast("Any", SimpleNamespace(index=index)), tmp_path / "models", 10**9)
    assert not (tmp_path / "models").exists()
    engine.dispose()
