import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from features.definitions import DEFINITIONS
from history.cli import history, train_command
from history.database import make_engine, upgrade
from history.index import Index
from models import artifact, signing
from tests.history.made import decision, label

DAY_MS = 86_400_000
START_MS = 20_454 * DAY_MS  # 1 January 2026


@pytest.fixture
def database(tmp_path):
    """Orders of 100 days, 30 a day; fraud is a card with many orders."""
    url = f"sqlite:///{tmp_path}/amana.db"
    engine = make_engine(url)
    upgrade(engine)
    index = Index(engine)
    vectors = np.floor(np.random.default_rng(0).exponential(2.0, size=(3_000, len(DEFINITIONS.names))))
    at = DEFINITIONS.names.index("card.orders.count.1h")
    index.record(
        [
            (decision(i, at_ms=START_MS + i * DAY_MS // 30, vector=row, definitions=DEFINITIONS.hash), 0)
            for i, row in enumerate(vectors)
        ]
    )
    for i in np.flatnonzero(vectors[:, at] > 8).tolist():
        index.record_label(label(i, f"order-0-{i}", at_ms=START_MS + i * DAY_MS // 30 + 7 * DAY_MS))
    engine.dispose()
    return url


def test_train_makes_a_current_model_that_screening_can_load(database, tmp_path):
    arguments = ["--database", database, "--models", str(tmp_path / "models"), "--review-share", "0.05", "--seed", "3"]
    result = CliRunner().invoke(train_command, arguments)
    assert result.exit_code == 0
    assert result.stderr == (
        "note: only 5 frauds to be judged by: chance alone moves a share of them by some 22 points; only 24 frauds to"
        " learn from (50 or more would say something)\n"
    )
    scorer = artifact.load(tmp_path / "models")
    assert (scorer.definitions, scorer.names) == (DEFINITIONS.hash, DEFINITIONS.names)
    assert f"model {scorer.version}" in result.stdout
    manifest = artifact.read_manifest(tmp_path / "models", scorer.version)
    assert (manifest.seed, manifest.settings.review_share, manifest.metrics.orders) == (3, 0.05, 750)
    assert manifest.metrics.auc > 0.9


def test_train_takes_the_stores_own_costs_and_the_analysts_time(database, tmp_path):
    costs = tmp_path / "costs.yaml"
    costs.write_text("review_cents: 450\n")
    arguments = ["--database", database, "--models", str(tmp_path), "--costs", str(costs), "--reviews-per-day", "1"]
    assert CliRunner().invoke(train_command, arguments).exit_code == 0
    (manifest,) = artifact.versions(tmp_path)
    assert (manifest.policy.costs.review_cents, manifest.settings.reviews_per_day) == (450, 1)
    costs.write_text("review_cost: 450\n")
    refused = CliRunner().invoke(train_command, arguments)
    assert refused.stderr == f"Error: {costs}: Object contains unknown field `review_cost`\n"


def test_train_uses_the_window_and_the_labels_known_by_a_day(database, tmp_path):
    arguments = ["--database", database, "--models", str(tmp_path), "--from", "2026-01-11", "--until", "2026-03-12"]
    assert CliRunner().invoke(train_command, arguments).exit_code == 0
    (manifest,) = artifact.versions(tmp_path)
    assert manifest.learned_orders + manifest.metrics.orders == 60 * 30 - 7 * 30  # less those of the gap
    assert (manifest.from_ms, manifest.version[:8]) == (START_MS + 10 * DAY_MS, "20260311")
    unlabelled = CliRunner().invoke(train_command, [*arguments, "--labels-until", "2026-01-02"])
    assert unlabelled.exit_code == 1
    assert unlabelled.stderr.startswith("Error: the training table must hold fraud and genuine orders both: 0 of 1800")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--database", "nonsense"], "Error: expected a database like"),
        (["--database", "sqlite://"], "Error: the training table has no rows"),
        (["--database", "sqlite://", "--review-share", "1.5"], "Error: expected 0 <= review share <= 1"),
    ],
)
def test_train_says_in_one_line_what_is_wrong(tmp_path, arguments, message):
    result = CliRunner().invoke(train_command, [*arguments, "--models", str(tmp_path / "models")])
    assert result.exit_code == 1
    assert result.stderr.startswith(message)
    assert result.stderr.count("\n") == 1


def test_a_window_that_ends_before_it_begins_is_said_so(database, tmp_path):
    window = ["--from", "2026-03-01", "--until", "2026-02-01"]
    result = CliRunner().invoke(train_command, ["--database", database, "--models", str(tmp_path / "m"), *window])
    assert result.exit_code == 2
    assert "--from 2026-03-01 00:00:00 is not before --until 2026-02-01 00:00:00" in result.stderr


def test_a_key_that_nobody_believes_is_refused_before_the_work(database, tmp_path):
    signing.create(tmp_path / "m.key")
    signing.create(tmp_path / "other.key")
    key = ["--signing-key", str(tmp_path / "other.key")]
    result = CliRunner().invoke(train_command, ["--database", database, "--models", str(tmp_path / "m"), *key])
    assert result.exit_code == 1
    assert "m.pub: does not hold the public half of the signing key" in result.stderr
    assert not (tmp_path / "m").exists()


def test_export_writes_the_training_table(database, tmp_path):
    out = tmp_path / "training.parquet"
    result = CliRunner().invoke(history, ["export", "--database", database, "--out", str(out)])
    assert result.exit_code == 0
    table = pd.read_parquet(out)
    assert table.shape == (3_000, len(DEFINITIONS.names) + 7)
    assert f"3,000 orders, {table['label'].sum()} fraud, {len(DEFINITIONS.names)} features" in result.stdout
