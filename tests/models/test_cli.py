import pytest
from click.testing import CliRunner

from models import artifact
from models.cli import models


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
