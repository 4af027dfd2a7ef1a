"""Model versions on disk: a folder a version, and a file `current` that names the one in use (docs/models.md).

A model file is read only if the manifest's signature is by a key that is trusted, the content hash of every file of the
version is the manifest's, and every type in it is on the closed list below; it never runs code. Versions are written
whole or not at all and never change.
"""

import io
import json
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import sklearn
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier

from models import populations, signing
from models.card import CARD, card, plots
from models.errors import ArtifactRefused, BadKey, NoModel
from models.manifest import Manifest, decode, encode, manifest_of, sha256_of
from models.parsing import ALONE
from models.populations import Populations
from models.probing import probes, refuse_chunk_dependent
from models.scoring import HistScorer
from models.signing import Signer
from models.training import Trained

MODEL, MANIFEST, SIGNATURE, CURRENT = "model.skops", "manifest.json", "manifest.sig", "current"
POPULATIONS = "populations.json"
_VERSION = re.compile(r"[0-9]{8}-[0-9a-f]{10}")
_BOOSTING = "sklearn.ensemble._hist_gradient_boosting"

# Every (loader, module, class) that a file of ours holds. skops itself would trust several hundred types more.
_CLOSED = frozenset(
    {
        ("ObjectNode", f"{_BOOSTING}.gradient_boosting", "HistGradientBoostingClassifier"),
        ("ObjectNode", f"{_BOOSTING}.binning", "_BinMapper"),
        ("ObjectNode", f"{_BOOSTING}.predictor", "TreePredictor"),
        ("ObjectNode", "sklearn.preprocessing._label", "LabelEncoder"),
        ("ObjectNode", "sklearn._loss.loss", "HalfBinomialLoss"),
        ("ObjectNode", "sklearn._loss.link", "LogitLink"),
        ("ObjectNode", "sklearn._loss.link", "Interval"),
        ("LossNode", "sklearn._loss._loss", "CyHalfBinomialLoss"),
        ("RandomGeneratorNode", "numpy.random._generator", "Generator"),
        ("NdArrayNode", "numpy", "ndarray"),
        ("NdArrayNode", "numpy", "uint64"),
        ("DictNode", "builtins", "dict"),
        ("ListNode", "builtins", "list"),
        ("TupleNode", "builtins", "tuple"),
        ("JsonNode", "builtins", "str"),
        ("TypeNode", "builtins", "str"),
    }
)
_BEYOND_SKOPS = [f"{_BOOSTING}.predictor.TreePredictor"]  # of ours, what skops does not trust by itself

_UNREADABLE = (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, RecursionError)


class Checked(msgspec.Struct, frozen=True):
    """A version's manifest, whose signature holds, and `content`: the SHA-256 of it, and so of all of the version."""

    manifest: Manifest
    content: str


def save(folder: Path, trained: Trained, signer: Signer | None = None, public: Path | None = None) -> str:
    """Registers a version and returns its name; the same training has the same name and is not written again.

    The first of a folder is in use from then on; a later one when it is promoted. By default it is signed by the key
    beside the folder, which is made where there is none. Raises ChunkDependent, BadKey.
    """
    folder.mkdir(parents=True, exist_ok=True)
    signer = signer or signing.signer_of(folder)
    refuse_stranger(folder, signer, public)
    model = skops.io.dumps(trained.model, compression=zipfile.ZIP_DEFLATED)
    manifest = manifest_of(trained)
    target = folder / manifest.version
    if not target.exists():
        scorer = _scorer(manifest, _decode(model, target / MODEL))
        refuse_chunk_dependent(scorer, probes(trained.model, len(trained.names)))
        _write_version(folder, target, _files(manifest, model, trained, signer))
    with suppress(FileExistsError):
        _write_new_text(folder / CURRENT, manifest.version + "\n")
    return manifest.version


def refuse_stranger(folder: Path, signer: Signer, public: Path | None = None) -> None:
    """Raises BadKey where those who load from the folder would not believe the signer: nobody could use the version."""
    keys = signing.public_path(folder) if public is None else public
    probe = b"of this key?"
    if (public is not None or keys.exists()) and not signing.trusted(keys).signed(probe, signer.sign(probe)):
        raise BadKey(
            f"{keys}: does not hold the public half of the signing key, so that nobody would load what it signs: "
            "append it (it lies beside the signing key), or name the file that workers read with --models-key"
        )


def load(
    folder: Path, version: str | None = None, public: Path | None = None, content: str | None = None
) -> HistScorer:
    """The scorer of a version, by default of the one in use, once all of its files are as they were signed.

    `public` is the file of public keys, by default the one beside the folder; `content` the hash that the version must
    have, if only one will do. Raises NoModel, ArtifactRefused or BadKey.
    """
    checked = check(folder, version or current(folder), public)
    manifest, path = checked.manifest, folder / checked.manifest.version / MODEL
    if content is not None and content != checked.content:
        raise ArtifactRefused(f"{path.parent}: content hash {checked.content}, expected {content}")
    model = _contents(folder / manifest.version, manifest)[MODEL]
    if manifest.scikit_learn != sklearn.__version__:
        raise ArtifactRefused(
            f"{path}: written by scikit-learn {manifest.scikit_learn}, this is {sklearn.__version__}: train again"
        )
    return _scorer(manifest, _decode(model, path))


def check(folder: Path, version: str, public: Path | None = None) -> Checked:
    """A version's manifest and content hash; its other files are looked at by `load`.

    Raises NoModel where there is no such version, ArtifactRefused for a manifest that is not ours, BadKey.
    """
    path = folder / version / MANIFEST
    if not _VERSION.fullmatch(version) or not path.is_file():
        raise NoModel(f"{folder} has no model version {version!r}")
    body = path.read_bytes()
    signature = path.with_name(SIGNATURE)
    if not signature.is_file():
        raise ArtifactRefused(f"{path}: not signed; a version of an older Amana must be trained again")
    keys = signing.public_path(folder) if public is None else public
    if not signing.trusted(keys).signed(body, signature.read_bytes()):
        raise ArtifactRefused(f"{path}: the signature is not of this content by a key in {keys}")
    try:
        manifest = decode(body)
    except msgspec.DecodeError as error:
        raise ArtifactRefused(f"{path}: {error}; a version of an older Amana must be trained again") from None
    if manifest.version != version:
        raise ArtifactRefused(f"{path}: a manifest of version {manifest.version}")
    return Checked(manifest, sha256_of(body))


def verified(folder: Path, version: str, public: Path | None = None) -> Manifest:
    """As `check`, and every file of the version is as the manifest says; the model is not read.

    Raises NoModel, ArtifactRefused, BadKey.
    """
    manifest = check(folder, version, public).manifest
    _contents(folder / version, manifest)
    return manifest


def trained_on(folder: Path, version: str, public: Path | None = None) -> Populations | None:
    """How the orders were spread that a version was trained on; None where an older Amana has not kept it.

    Raises NoModel, ArtifactRefused, BadKey.
    """
    manifest = check(folder, version, public).manifest
    body = _contents(folder / version, manifest).get(POPULATIONS)
    try:
        return None if body is None else populations.decode(body)
    except msgspec.DecodeError as error:
        raise ArtifactRefused(f"{folder / version / POPULATIONS}: {error}") from None


def read_manifest(folder: Path, version: str, public: Path | None = None) -> Manifest:
    """As `check`, the manifest alone."""
    return check(folder, version, public).manifest


def current(folder: Path) -> str:
    """The name of the version in use. Raises NoModel."""
    try:
        return (folder / CURRENT).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise NoModel(f"{folder} has no current model; `amana train` makes one") from None
    except UnicodeDecodeError:
        raise ArtifactRefused(f"{folder / CURRENT}: expected the name of a version") from None


def names(folder: Path) -> list[str]:
    """Of all versions, oldest training window first."""
    return sorted(path.name for path in folder.iterdir() if _VERSION.fullmatch(path.name)) if folder.is_dir() else []


def versions(folder: Path, public: Path | None = None) -> list[Manifest]:
    """All versions, oldest training window first."""
    return [read_manifest(folder, name, public) for name in names(folder)]


def use(folder: Path, version: str) -> None:
    """Makes a version the current one."""
    _replace_text(folder / CURRENT, version + "\n")


def _files(manifest: Manifest, model: bytes, trained: Trained, signer: Signer) -> dict[str, bytes]:
    """All files of a version: the manifest has the others' hashes, and the signature is over the manifest."""
    files = {MODEL: model, **plots(trained.drawn, trained.metrics)}
    if trained.populations is not None:
        files[POPULATIONS] = populations.encode(trained.populations)
    shown = msgspec.structs.replace(manifest, files=dict.fromkeys(files, ""))
    files[CARD] = card(shown).encode()
    whole = encode(msgspec.structs.replace(manifest, files={name: sha256_of(body) for name, body in files.items()}))
    return {**files, MANIFEST: whole, SIGNATURE: signer.sign(whole)}


def _contents(target: Path, manifest: Manifest) -> dict[str, bytes]:
    """The files that the manifest names, unchanged, and no others in the folder."""
    expected = {*manifest.files, MANIFEST, SIGNATURE}
    found = {path.name for path in target.iterdir()}
    if found != expected:
        strange = ", ".join(sorted(expected ^ found))
        raise ArtifactRefused(f"{target}: expected the files of its manifest; missing or added: {strange}")
    contents = {name: (target / name).read_bytes() for name in manifest.files}
    for name, body in contents.items():
        if (digest := sha256_of(body)) != manifest.files[name]:
            raise ArtifactRefused(f"{target / name}: content hash {digest}, the manifest says {manifest.files[name]}")
    if MODEL not in contents:
        raise ArtifactRefused(f"{target}: no {MODEL}")
    return contents


def _scorer(manifest: Manifest, model: HistGradientBoostingClassifier) -> HistScorer:
    return HistScorer(
        version=manifest.version,
        definitions=manifest.definitions,
        names=manifest.names,
        policy=manifest.policy,
        model=model,
        offset=manifest.offset,
    )


def _write_version(folder: Path, target: Path, files: dict[str, bytes]) -> None:
    temporary = Path(tempfile.mkdtemp(prefix=".", dir=folder))
    try:
        for name, body in files.items():
            (temporary / name).write_bytes(body)
        temporary.chmod(0o755)
        temporary.rename(target)
    except OSError:
        if not target.exists():  # otherwise another process has just written the same version
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace_text(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)


def _write_new_text(path: Path, text: str) -> None:
    """Raises FileExistsError where there is a file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    try:
        os.link(temporary, path)
    finally:
        temporary.unlink()


def _decode(data: bytes, path: Path) -> HistGradientBoostingClassifier:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            foreign = set(_types_in(json.loads(archive.read("schema.json")))) - _CLOSED
        with ALONE:
            model = None if foreign else skops.io.loads(data, trusted=_BEYOND_SKOPS)
    except _UNREADABLE as error:
        raise ArtifactRefused(f"{path}: not a model file: {type(error).__name__}") from None
    if foreign:
        named = ", ".join(sorted(f"{module}.{name} ({loader})" for loader, module, name in foreign))
        raise ArtifactRefused(f"{path}: types outside the closed list: {named}")
    if not isinstance(model, HistGradientBoostingClassifier):
        raise ArtifactRefused(f"{path}: holds a {type(model).__name__}, not a classifier")
    return model


def _types_in(node: Any) -> Iterator[tuple[str, str, str]]:
    if isinstance(node, dict):
        if "__loader__" in node or "__class__" in node or "__module__" in node:
            yield (str(node.get("__loader__")), str(node.get("__module__")), str(node.get("__class__")))
        for child in node.values():
            yield from _types_in(child)
    elif isinstance(node, list):
        for child in node:
            yield from _types_in(child)
