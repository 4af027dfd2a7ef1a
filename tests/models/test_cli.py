import json
import math

import numpy as np
import pytest
from click.testing import CliRunner

from events.facts import Coordinates
from models import artifact
from models.cli import models
from models.decisions import Decision, encode


@pytest.fixture
def folder(tmp_path, trained):
    artifact.save(tmp_path, trained)
    return tmp_path


def test_list_marks_the_version_in_use(folder):
    result = CliRunner().invoke(models, ["list", "--models", str(folder)], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    assert f"* │ {artifact.current(folder)} │ 4,000" in result.stdout


def test_show_prints_the_card_of_the_version_in_use(folder):
    result = CliRunner().invoke(models, ["show"], env={"AMANA_MODELS": str(folder)})
    assert result.exit_code == 0
    assert result.stdout.startswith(f"# Model {artifact.current(folder)}\n")


@pytest.mark.parametrize("arguments", [["list"], ["show"], ["show", "20260101-0123456789"]])
def test_a_folder_without_models_is_one_clear_line(tmp_path, arguments):
    result = CliRunner().invoke(models, [*arguments, "--models", str(tmp_path / "none")])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1


def test_show_refuses_a_changed_model(folder):
    (folder / artifact.current(folder) / "model.skops").write_bytes(b"")
    result = CliRunner().invoke(models, ["show", "--models", str(folder)])
    assert result.exit_code == 1
    assert "content hash" in result.stderr


@pytest.fixture
def decisions(folder, scorer, tmp_path):
    """A file of an order's decision, a later revision by an analyst, and another order's decision by rules alone."""

    def decision(order_id, revision, **more):
        source = Coordinates("orders", "T" * 22, 0, 17)
        made = {"decision_id": source.text(), "source": source, "occurred_at_ms": 1, "outcome": "review"}
        return Decision(order_id=order_id, revision=revision, **(made | {"mode": "model"} | more))

    vector = np.array([14.0, 2.0, 1.0, 1.0, 250.0, np.nan]).astype("<f8").tobytes()
    by_model = {"model": scorer.version, "definitions": scorer.definitions, "vector": vector}
    made = [
        decision("o-1", 1, **by_model),
        decision("o-1", 2, mode="analyst"),
        decision("o-2", 1, mode="rules"),
        decision("o-3", 1, **by_model | {"definitions": "other"}),
    ]
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(b"".join(encode(one) + b"\n" for one in made))
    return path


def explained(folder, decisions, *arguments):
    return CliRunner().invoke(models, ["explain", *arguments, "--models", str(folder), "--decisions", str(decisions)])


def test_explain_says_in_both_languages_why_an_order_was_flagged(folder, decisions):
    result = explained(folder, decisions, "o-1")
    assert result.exit_code == 0, result.stderr
    assert "Number and pace of orders of this card (card.orders.count.1h = 14)" in result.stdout
    assert "عدد الطلبات ووتيرتها لهذه البطاقة (card.orders.count.1h = 14)" in result.stdout
    english = explained(folder, decisions, "o-1", "--language", "en").stdout
    assert english.isascii()
    assert result.stdout.startswith(english)


def test_explain_gives_json_whose_numbers_add_up(folder, decisions):
    found = json.loads(explained(folder, decisions, "o-1", "--json").stdout)
    assert found["base"] + math.fsum(part["weight"] for part in found["parts"]) == pytest.approx(
        found["margin"], rel=0, abs=1e-9
    )


@pytest.mark.parametrize(
    ("order_id", "message"),
    [
        ("o-2", "no decision of that order by a model"),
        ("o-9", "no decision of that order by a model"),
        ("o-3", "has a vector of definitions other; model"),
    ],
)
def test_explain_says_why_it_cannot(folder, decisions, order_id, message):
    result = explained(folder, decisions, order_id)
    assert result.exit_code == 1
    assert message in result.stderr


def test_explain_refuses_a_file_of_something_else(folder, tmp_path):
    (tmp_path / "other.jsonl").write_text('{"order_id": "o-1"}\n')
    result = explained(folder, tmp_path / "other.jsonl", "o-1")
    assert result.exit_code == 1
    assert "a line is no decision" in result.stderr
