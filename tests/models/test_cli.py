import json
import math
import shutil

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from events.facts import Coordinates
from models import artifact, signing
from models.cli import models
from models.decisions import Decision, encode


@pytest.fixture(scope="module")
def registered(tmp_path_factory, trained):
    """One version, with its keys beside; to be copied."""
    folder = tmp_path_factory.mktemp("registered")
    artifact.save(folder / "models", trained)
    return folder


@pytest.fixture
def folder(tmp_path, registered):
    shutil.copytree(registered, tmp_path / "copied")
    return tmp_path / "copied" / "models"


def test_list_marks_the_version_in_use(folder):
    result = CliRunner().invoke(models, ["list", "--models", str(folder)], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    assert f"* │ {artifact.current(folder)} │ 4,000" in result.stdout


def test_list_has_a_versions_whole_name_on_a_narrow_screen_too(folder):
    result = CliRunner().invoke(models, ["list", "--models", str(folder)], env={"COLUMNS": "80"})
    assert artifact.current(folder) in result.stdout


def test_a_word_that_is_no_text_for_the_version_in_use_is_one_clear_line(folder):
    (folder / artifact.CURRENT).write_bytes(b"\xff\xfe")
    result = CliRunner().invoke(models, ["list", "--models", str(folder)])
    assert result.exit_code == 1
    assert result.stderr == f"Error: {folder / 'current'}: expected the name of a version\n"


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


def test_list_shows_the_good_versions_and_fails_for_one_that_is_refused(folder, trained):
    good = artifact.save(folder, msgspec.structs.replace(trained, seed=8))
    (folder / artifact.current(folder) / "manifest.sig").write_bytes(bytes(64))
    result = CliRunner().invoke(models, ["list", "--models", str(folder)], env={"COLUMNS": "120"})
    assert result.exit_code == 1
    assert good in result.stdout
    assert "manifest.json: the signature is not of this content" in result.stderr


def test_list_shows_the_versions_of_a_folder_where_none_is_in_use_and_fails(folder):
    version = artifact.current(folder)
    (folder / artifact.CURRENT).unlink()
    result = CliRunner().invoke(models, ["list", "--models", str(folder)], env={"COLUMNS": "120"})
    assert result.exit_code == 1
    assert version in result.stdout
    assert result.stderr == (f"Error: {folder}: no version is in use; `amana models promote --local` puts one in use\n")


def test_list_refuses_a_version_whose_model_was_changed(folder):
    model = folder / artifact.current(folder) / "model.skops"
    model.write_bytes(model.read_bytes()[:-1] + b"!")
    result = CliRunner().invoke(models, ["list", "--models", str(folder)])
    assert result.exit_code == 1
    assert f"{model}: content hash" in result.stderr


def test_show_ends_with_the_content_hash(folder):
    result = CliRunner().invoke(models, ["show", "--models", str(folder)])
    assert result.stdout.endswith(f"Content hash {artifact.check(folder, artifact.current(folder)).content}.\n")


def test_another_public_key_than_the_signers_is_believed_nothing(folder, tmp_path):
    public = signing.create(tmp_path / "other.key")
    result = CliRunner().invoke(models, ["show", "--models", str(folder), "--models-key", str(public)])
    assert (result.exit_code, f"by a key in {public}" in result.stderr) == (1, True)


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
