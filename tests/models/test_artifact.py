import functools
import hashlib
import json
import os
import pickle
import zipfile

import msgspec
import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from models import artifact
from models.errors import ArtifactRefused, NoModel


@pytest.fixture
def folder(tmp_path, trained):
    artifact.save(tmp_path / "models", trained)
    return tmp_path / "models"


@pytest.fixture
def version(folder):
    return artifact.current(folder)


def put_in_place(folder, version, model, *, adjust_hash):
    """What an attacker who can write the folder does; with `adjust_hash` the manifest is made to agree."""
    (folder / version / "model.skops").write_bytes(model)
    if adjust_hash:
        path = folder / version / "manifest.json"
        manifest = json.loads(path.read_text())
        path.write_text(json.dumps({**manifest, "model_sha256": hashlib.sha256(model).hexdigest()}))


class Bomb:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def test_a_saved_model_scores_the_same_bytes_after_loading(folder, scorer, matrix):
    loaded = artifact.load(folder)
    assert loaded.scores(matrix).tobytes() == scorer.scores(matrix).tobytes()
    assert loaded.reasons(matrix[:20]) == scorer.reasons(matrix[:20])
    assert (loaded.version, loaded.definitions, loaded.names) == (scorer.version, scorer.definitions, scorer.names)
    assert loaded.policy == scorer.policy


def test_the_same_training_is_the_same_version_and_is_not_written_again(folder, version, trained):
    before = (folder / version / "model.skops").stat().st_mtime_ns
    assert artifact.save(folder, trained) == version
    assert (folder / version / "model.skops").stat().st_mtime_ns == before
    assert sorted(path.name for path in folder.iterdir()) == [version, "current"]


def test_another_training_is_another_version_and_the_current_one(folder, version, trained):
    later = msgspec.structs.replace(trained, until_ms=trained.until_ms + 86_400_000, seed=8)
    second = artifact.save(folder, later)
    assert second != version
    assert artifact.current(folder) == second
    assert [manifest.version for manifest in artifact.versions(folder)] == [version, second]
    assert artifact.load(folder, version).version == version


def test_a_version_is_named_by_the_day_its_window_ends(version):
    assert version.startswith("20260531-")


@pytest.mark.parametrize("position", [0, 100, -1])
def test_a_changed_byte_is_refused(folder, version, position):
    path = folder / version / "model.skops"
    model = bytearray(path.read_bytes())
    model[position] ^= 1
    path.write_bytes(model)
    with pytest.raises(ArtifactRefused, match=r"model\.skops: content hash [0-9a-f]{64}, the manifest says"):
        artifact.load(folder)


@pytest.mark.parametrize("adjust_hash", [False, True])
def test_a_pickle_in_the_models_place_is_refused_and_nothing_runs(folder, version, tmp_path, adjust_hash):
    put_in_place(folder, version, pickle.dumps(Bomb(tmp_path / "ran")), adjust_hash=adjust_hash)
    with pytest.raises(ArtifactRefused):
        artifact.load(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "foreign",
    [
        functools.partial(os.mkdir, "ran"),
        LogisticRegression(),
        {"model": np.random.default_rng(1).bit_generator},
    ],
)
def test_types_outside_the_closed_list_are_refused_though_the_hash_agrees(folder, version, foreign):
    put_in_place(folder, version, skops.io.dumps(foreign), adjust_hash=True)
    with pytest.raises(ArtifactRefused, match="types outside the closed list"):
        artifact.load(folder)


def test_a_pickle_inside_the_archive_is_refused_and_nothing_runs(folder, version, tmp_path):
    path = folder / version / "model.skops"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content if name == "schema.json" else pickle.dumps(Bomb(tmp_path / "ran")))
    put_in_place(folder, version, path.read_bytes(), adjust_hash=True)
    with pytest.raises(ArtifactRefused):
        artifact.load(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [{"a": 1}, [1, 2]])
def test_a_closed_type_that_is_no_classifier_is_refused(folder, version, content):
    put_in_place(folder, version, skops.io.dumps(content), adjust_hash=True)
    with pytest.raises(ArtifactRefused):
        artifact.load(folder)


def test_a_model_of_another_scikit_learn_is_refused(folder, version):
    path = folder / version / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "scikit_learn": "0.1"}))
    with pytest.raises(ArtifactRefused, match=r"written by scikit-learn 0\.1, this is .*: train again"):
        artifact.load(folder)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": 1}', "\x00"])
def test_a_manifest_that_is_not_ours_is_refused(folder, version, content):
    (folder / version / "manifest.json").write_text(content)
    with pytest.raises(ArtifactRefused, match=r"manifest\.json"):
        artifact.load(folder)


def test_a_manifest_of_another_version_is_refused(folder, version):
    (folder / version).rename(folder / "20260101-0123456789")
    with pytest.raises(ArtifactRefused, match=f"a manifest of version {version}"):
        artifact.load(folder, "20260101-0123456789")


def test_without_a_model_the_error_says_how_to_make_one(tmp_path):
    with pytest.raises(NoModel, match="`amana train` makes one"):
        artifact.load(tmp_path)
    assert artifact.versions(tmp_path / "absent") == []


@pytest.mark.parametrize("name", ["20260101-0123456789", "../outside", "", ".", "current"])
def test_a_version_that_is_not_there_is_named(folder, name):
    with pytest.raises(NoModel, match="has no model version"):
        artifact.read_manifest(folder, name)


def test_a_write_that_fails_leaves_no_version_and_no_remains(tmp_path, trained, monkeypatch):
    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.rename", full)
    with pytest.raises(OSError, match="No space left"):
        artifact.save(tmp_path, trained)
    assert list(tmp_path.iterdir()) == []


def test_the_card_says_what_the_model_is_and_how_good(folder, version):
    card = (folder / version / "README.md").read_text()
    assert card.startswith(f"# Model {version}\n")
    assert "- Orders from 2026-05-28 to 2026-05-31; learned from the first 3000\n" in card
    assert "| auc | 0.9" in card


def test_the_manifest_and_the_card_have_the_cost_table_and_what_follows_from_it(folder, version, trained):
    manifest = json.loads((folder / version / "manifest.json").read_text())
    assert manifest["policy"]["costs"]["review_cents"] == 200.0
    assert manifest["policy"]["price_cents"] == trained.policy.price_cents
    card = (folder / version / "README.md").read_text()
    review_at, block_at = trained.policy.thresholds(100.0)
    assert f"| 100 USD | {review_at:.4g} | {block_at:.4g} |\n" in card
    assert "| review minutes | 5 |\n" in card


def test_a_manifest_of_an_older_amana_is_refused_with_what_to_do(folder, version):
    path = folder / version / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "background": []}))
    with pytest.raises(ArtifactRefused, match="a version of an older Amana must be trained again"):
        artifact.load(folder)
