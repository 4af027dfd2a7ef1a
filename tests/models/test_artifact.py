import functools
import hashlib
import json
import os
import pickle
import shutil
import zipfile

import msgspec
import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from models import artifact, signing
from models.errors import ArtifactRefused, BadKey, ChunkDependent, NoModel
from models.forest import Forest


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


@pytest.fixture
def version(folder):
    return artifact.current(folder)


def put_in_place(folder, version, model, *, signed):
    """What an attacker does who can write the folder; `signed`: one who has stolen the signing key too."""
    (folder / version / "model.skops").write_bytes(model)
    files = json.loads((folder / version / "manifest.json").read_text())["files"]
    rewrite_manifest(folder, version, signed, files={**files, "model.skops": hashlib.sha256(model).hexdigest()})


def rewrite_manifest(folder, version, signed=True, **changed):
    path = folder / version / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    if signed:
        sign(folder, version)


def sign(folder, version, signer=None):
    signer = signer or signing.signer_of(folder)
    manifest = (folder / version / "manifest.json").read_bytes()
    (folder / version / "manifest.sig").write_bytes(signer.sign(manifest))


def flip(path, position=0):
    body = bytearray(path.read_bytes())
    body[position] ^= 1
    path.write_bytes(body)


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


def test_another_training_is_another_version_and_the_one_in_use_stays_until_it_is_promoted(folder, version, trained):
    later = msgspec.structs.replace(trained, until_ms=trained.until_ms + 86_400_000, seed=8)
    second = artifact.save(folder, later)
    assert second != version
    assert artifact.current(folder) == version
    artifact.use(folder, second)
    assert artifact.current(folder) == second
    assert [manifest.version for manifest in artifact.versions(folder)] == [version, second]
    assert artifact.load(folder, version).version == version


def test_a_version_is_named_by_the_day_its_window_ends(version):
    assert version.startswith("20260531-")


FILES = (
    "README.md",
    "calibration.svg",
    "found.svg",
    "manifest.json",
    "manifest.sig",
    "model.skops",
    "populations.json",
    "precision.svg",
    "roc.svg",
)


def test_a_version_has_a_model_a_card_with_plots_and_a_signed_manifest(folder, version):
    assert tuple(sorted(path.name for path in (folder / version).iterdir())) == FILES


@pytest.mark.parametrize("position", [0, 100, -1])
def test_a_changed_byte_of_the_model_is_refused(folder, version, position):
    flip(folder / version / "model.skops", position)
    with pytest.raises(ArtifactRefused, match=r"model\.skops: content hash [0-9a-f]{64}, the manifest says"):
        artifact.load(folder)


@pytest.mark.parametrize("position", [0, 40, -1])
@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_in_any_file_is_refused(folder, version, name, position):
    flip(folder / version / name, position)
    with pytest.raises(ArtifactRefused, match=f"{name.replace('.sig', '.json')}: "):
        artifact.load(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_version_with_a_file_missing_is_refused(folder, version, name):
    (folder / version / name).unlink()
    with pytest.raises(NoModel if name == "manifest.json" else ArtifactRefused):
        artifact.load(folder)


def test_a_version_with_a_file_too_many_is_refused(folder, version):
    (folder / version / "model.pkl").write_bytes(b"")
    with pytest.raises(ArtifactRefused, match=r"missing or added: model\.pkl"):
        artifact.load(folder)


@pytest.mark.parametrize("signature", [b"", bytes(64), bytes(65), b"x" * 10_000])
def test_what_is_no_signature_is_refused(folder, version, signature):
    (folder / version / "manifest.sig").write_bytes(signature)
    with pytest.raises(ArtifactRefused, match="the signature is not of this content by a key in "):
        artifact.load(folder)


def test_a_version_without_a_signature_is_refused(folder, version):
    (folder / version / "manifest.sig").unlink()
    with pytest.raises(ArtifactRefused, match=r"manifest\.json: not signed"):
        artifact.load(folder)


def test_a_version_that_another_key_signed_is_refused_until_that_key_is_believed_too(folder, version, tmp_path):
    public = signing.create(tmp_path / "other.key")
    sign(folder, version, signing.signer(tmp_path / "other.key"))
    with pytest.raises(ArtifactRefused, match="the signature is not of this content by a key in "):
        artifact.load(folder)
    assert artifact.load(folder, public=public).version == version
    both = tmp_path / "both.pub"
    both.write_bytes(signing.public_path(folder).read_bytes() + public.read_bytes())
    assert artifact.load(folder, public=both).version == version


def test_a_version_without_a_public_key_to_hold_it_against_is_refused(folder, version):
    signing.public_path(folder).unlink()
    with pytest.raises(BadKey, match="expected the public key of those who make models"):
        artifact.load(folder)


def test_what_nobody_would_believe_is_not_registered(tmp_path, trained):
    folder = tmp_path / "models"
    first = artifact.save(folder, trained)
    public = signing.create(tmp_path / "other.key")
    other, another = signing.signer(tmp_path / "other.key"), msgspec.structs.replace(trained, seed=8)
    with pytest.raises(BadKey, match=r"models\.pub: does not hold the public half of the signing key"):
        artifact.save(folder, another, other)
    assert artifact.names(folder) == [first]
    version = artifact.save(folder, another, other, public)  # of workers that read that file
    assert artifact.load(folder, version, public).version == version


def test_a_signature_is_not_good_for_another_version(folder, version, trained):
    later = artifact.save(folder, msgspec.structs.replace(trained, seed=8))
    (folder / version / "manifest.sig").write_bytes((folder / later / "manifest.sig").read_bytes())
    with pytest.raises(ArtifactRefused, match="the signature is not of this content"):
        artifact.load(folder, version)


def test_only_the_content_that_was_asked_for_will_do(folder, version):
    content = artifact.check(folder, version).content
    assert content == hashlib.sha256((folder / version / "manifest.json").read_bytes()).hexdigest()
    assert artifact.load(folder, version, content=content).version == version
    with pytest.raises(ArtifactRefused, match=f"content hash {content}, expected {'0' * 64}"):
        artifact.load(folder, version, content="0" * 64)


@pytest.mark.parametrize("signed", [False, True])
def test_a_pickle_in_the_models_place_is_refused_and_nothing_runs(folder, version, tmp_path, signed):
    put_in_place(folder, version, pickle.dumps(Bomb(tmp_path / "ran")), signed=signed)
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
    put_in_place(folder, version, skops.io.dumps(foreign), signed=True)
    with pytest.raises(ArtifactRefused, match="types outside the closed list"):
        artifact.load(folder)


def test_a_pickle_inside_the_archive_is_refused_and_nothing_runs(folder, version, tmp_path):
    path = folder / version / "model.skops"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content if name == "schema.json" else pickle.dumps(Bomb(tmp_path / "ran")))
    put_in_place(folder, version, path.read_bytes(), signed=True)
    with pytest.raises(ArtifactRefused):
        artifact.load(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [{"a": 1}, [1, 2]])
def test_a_closed_type_that_is_no_classifier_is_refused(folder, version, content):
    put_in_place(folder, version, skops.io.dumps(content), signed=True)
    with pytest.raises(ArtifactRefused):
        artifact.load(folder)


def test_a_model_of_another_scikit_learn_is_refused(folder, version):
    rewrite_manifest(folder, version, scikit_learn="0.1")
    with pytest.raises(ArtifactRefused, match=r"written by scikit-learn 0\.1, this is .*: train again"):
        artifact.load(folder)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": 1}', "\x00"])
def test_a_manifest_that_is_not_ours_is_refused(folder, version, content):
    (folder / version / "manifest.json").write_text(content)
    sign(folder, version)
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
    assert "- Learned from 4000 orders from 2026-05-28 to 2026-05-31 (" in card
    assert "in the same way from the first 3000\n" in card
    assert "| auc | 0.9" in card
    assert "![Calibration](calibration.svg)\n" in card
    assert (folder / version / "calibration.svg").read_bytes().startswith(b'<svg role="img" aria-label="Calibration"')


def test_the_manifest_and_the_card_have_the_cost_table_and_what_follows_from_it(folder, version, trained):
    manifest = json.loads((folder / version / "manifest.json").read_text())
    assert manifest["policy"]["costs"]["review_cents"] == 200.0
    assert manifest["policy"]["price_cents"] == trained.policy.price_cents
    card = (folder / version / "README.md").read_text()
    review_at, block_at = trained.policy.thresholds(100.0)
    assert f"| 100 USD | {review_at:.4g} | {block_at:.4g} |\n" in card
    assert "| review minutes | 5 |\n" in card


def test_a_manifest_of_an_older_amana_is_refused_with_what_to_do(folder, version):
    rewrite_manifest(folder, version, background=[])
    with pytest.raises(ArtifactRefused, match="a version of an older Amana must be trained again"):
        artifact.load(folder)


def test_a_model_whose_scores_depend_on_their_chunk_is_not_registered(tmp_path, trained, monkeypatch):
    whole = Forest.margins
    monkeypatch.setattr(Forest, "margins", lambda self, matrix: whole(self, matrix) + 1e-15 * (len(matrix) % 7))
    with pytest.raises(ChunkDependent, match=r"[0-9]+ of 600 scores are others in chunks of"):
        artifact.save(tmp_path / "models", trained)
    assert artifact.versions(tmp_path / "models") == []
