from pathlib import Path

import pytest

from features import DEFINITIONS, docs


def test_the_page_is_current() -> None:
    assert docs.main(["--check"]) == 0


def test_a_page_that_is_not_current_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(docs, "PAGE", tmp_path / "features.md")
    assert docs.main(["--check"]) == 1
    assert "run `python -m features.docs`" in capsys.readouterr().err
    assert docs.main([]) == 0
    assert docs.main(["--check"]) == 0


def test_every_feature_is_described() -> None:
    described = dict(docs.describe(DEFINITIONS))
    assert tuple(described) == DEFINITIONS.names
    assert all(text.endswith(".") for text in described.values())
    assert described["card.orders.count.1h"] == "The number of orders placed of this card in the last 1h."
