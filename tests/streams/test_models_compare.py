"""`amana models compare`: two versions side by side, and on the same orders."""

import shutil
from pathlib import Path

import msgspec
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from features.definitions import DEFINITIONS
from history import parquet
from models import artifact
from streams.cli import main
from tests.streams.judged import NAMES, START_MS, TOLD_BY, learnt, vectors
from tests.streams.made_models import trained_small


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions of the same definitions, of 1,200 orders and of 2,400."""
    made = tmp_path_factory.mktemp("compared") / "models"
    learnt(made, seed=1)
    learnt(made, orders=2_400, seed=2)
    return made


def names(folder: Path) -> tuple[str, str]:
    """The smaller one's first."""
    one, other = sorted(artifact.names(folder), key=lambda name: artifact.read_manifest(folder, name).orders)
    return one, other


def compare(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["models", "compare", *arguments, "--models", str(folder)], env={"COLUMNS": "150"})


def rows_of(text: str) -> list[list[str]]:
    lines = [line.strip("│┃").replace("┃", "│").split("│") for line in text.splitlines()]
    return [[cell.strip() for cell in line] for line in lines if len(line) == 4]


def orders(path: Path, at_ms: int, frauds: bool = True) -> Path:
    """Of which eight and more orders of a card are fraud, in truth."""
    matrix = vectors(500, 9)
    table = pd.DataFrame(matrix, columns=list(NAMES)).assign(
        decision_id=[f"T:1:{at}" for at in range(500)],
        occurred_at_ms=at_ms,
        label=(matrix[:, TOLD_BY] >= 8).astype(int) * frauds,
    )
    parquet.write(table, path, DEFINITIONS.hash)
    return path


def test_two_versions_stand_side_by_side(folder: Path) -> None:
    one, other = names(folder)
    result = compare(folder, one, other)
    assert result.exit_code == 0, result.output
    rows = {row[0]: row[1:] for row in rows_of(result.stdout)}
    assert rows["orders learned from"] == ["1,200", "2,400", "+1,200"]
    assert rows["features that drifted"] == ["0", "0", ""]
    assert "trees" not in rows  # in which they do not differ
    assert "On 500 orders" not in result.stdout


def test_on_the_same_orders_both_are_judged_by_what_came_of_these(folder: Path, tmp_path: Path) -> None:
    one, other = names(folder)
    result = compare(folder, one, other, "--vectors", str(orders(tmp_path / "later.parquet", START_MS)))
    assert result.exit_code == 0, result.output
    part = result.stdout.partition("On 500 orders of later.parquet")[2]
    rows = {row[0]: row[1:] for row in rows_of(part)}
    frauds = str(int((vectors(500, 9)[:, TOLD_BY] >= 8).sum()))
    assert (rows["orders"], rows["frauds"]) == (["500", "500", ""], [frauds, frauds, ""])
    assert min(float(rows["auc"][0]), float(rows["auc"][1])) > 0.99
    assert set(rows) >= {"flagged by it alone", "frauds among these", "flagged precision"}
    assert result.stderr == ""


def test_orders_that_a_version_learned_from_are_named(folder: Path, tmp_path: Path) -> None:
    one, other = names(folder)
    path = orders(tmp_path / "known.parquet", START_MS - 8 * 86_400_000)
    result = compare(folder, one, other, "--vectors", str(path))
    assert result.stderr.splitlines() == [
        f"{name} learned in the time of 500 of these orders: it may know them" for name in (one, other)
    ]


def test_what_cannot_be_compared_is_one_clear_line(folder: Path, tmp_path: Path) -> None:
    one, other = names(folder)
    absent = compare(folder, "20260101-0123456789", other)
    assert (absent.exit_code, absent.stderr.count("\n")) == (1, 1)
    assert "has no model version '20260101-0123456789'" in absent.stderr
    genuine = orders(tmp_path / "genuine.parquet", START_MS, frauds=False)
    alone = compare(folder, one, other, "--vectors", str(genuine))
    assert "expected orders with fraud among them and others: 0 of 500 are" in alone.stderr
    shutil.copytree(folder.parent, tmp_path / "copied")
    copied = tmp_path / "copied" / folder.name
    foreign = artifact.save(copied, msgspec.structs.replace(trained_small(), definitions="d" * 32))
    mixed = compare(copied, one, foreign, "--vectors", str(genuine))
    assert "no order's vector is both's" in mixed.stderr
