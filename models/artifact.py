"""Model versions on disk: a folder a version, and a file `current` that names the one in use.

A model file is read only if its content hash is the manifest's and every type in it is on the closed list below; it
never runs code. Versions are written whole or not at all and never change.
"""

import hashlib
import io
import json
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import sklearn
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier

from models.errors import ArtifactRefused, NoModel
from models.policy import Policy
from models.scoring import HistScorer
from models.training import Metrics, Settings, Trained

MODEL, MANIFEST, CARD, CURRENT = "model.skops", "manifest.json", "README.md", "current"
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


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be known of a version; `policy` has the cost table and the price of reviews."""

    version: str
    definitions: str
    names: tuple[str, ...]
    from_ms: int
    until_ms: int
    seed: int
    settings: Settings
    learned_orders: int
    learned_frauds: int
    metrics: Metrics
    policy: Policy
    offset: float
    fingerprint: str
    drift: tuple[tuple[str, float], ...] = ()
    scikit_learn: str
    model_sha256: str


def save(folder: Path, trained: Trained) -> str:
    """Writes a version, makes it the current one and returns its name; the same training has the same name."""
    folder.mkdir(parents=True, exist_ok=True)
    model = skops.io.dumps(trained.model, compression=zipfile.ZIP_DEFLATED)
    manifest = _manifest(trained, hashlib.sha256(model).hexdigest())
    target = folder / manifest.version
    if not target.exists():
        _write_version(folder, target, manifest, model)
    _replace_text(folder / CURRENT, manifest.version + "\n")
    return manifest.version


def load(folder: Path, version: str | None = None) -> HistScorer:
    """The scorer of a version, by default the current one. Raises NoModel or ArtifactRefused."""
    manifest = read_manifest(folder, version or current(folder))
    path = folder / manifest.version / MODEL
    model = path.read_bytes() if path.is_file() else b""
    found = hashlib.sha256(model).hexdigest()
    if found != manifest.model_sha256:
        raise ArtifactRefused(f"{path}: content hash {found}, the manifest says {manifest.model_sha256}")
    if manifest.scikit_learn != sklearn.__version__:
        raise ArtifactRefused(
            f"{path}: written by scikit-learn {manifest.scikit_learn}, this is {sklearn.__version__}: train again"
        )
    return HistScorer(
        version=manifest.version,
        definitions=manifest.definitions,
        names=manifest.names,
        policy=manifest.policy,
        model=_decode(model, path),
        offset=manifest.offset,
    )


def current(folder: Path) -> str:
    """The name of the version in use. Raises NoModel."""
    try:
        return (folder / CURRENT).read_text().strip()
    except FileNotFoundError:
        raise NoModel(f"{folder} has no current model; `amana train` makes one") from None


def versions(folder: Path) -> list[Manifest]:
    """All versions, oldest training window first."""
    names = [path.name for path in folder.iterdir() if _VERSION.fullmatch(path.name)] if folder.is_dir() else []
    return [read_manifest(folder, name) for name in sorted(names)]


def read_manifest(folder: Path, version: str) -> Manifest:
    """Raises NoModel where there is no such version, ArtifactRefused for a manifest that is not ours."""
    path = folder / version / MANIFEST
    if not _VERSION.fullmatch(version) or not path.is_file():
        raise NoModel(f"{folder} has no model version {version!r}")
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except msgspec.DecodeError as error:
        raise ArtifactRefused(f"{path}: {error}; a version of an older Amana must be trained again") from None
    if manifest.version != version:
        raise ArtifactRefused(f"{path}: a manifest of version {manifest.version}")
    return manifest


def _manifest(trained: Trained, model_sha256: str) -> Manifest:
    """The version's name: the day its window ends, and a digest of all but the file (whose bytes differ each time)."""
    shared = {name: getattr(trained, name) for name in Trained.__struct_fields__ if name in Manifest.__struct_fields__}
    digest = hashlib.sha256(msgspec.json.encode(shared, order="deterministic")).hexdigest()[:10]
    day = datetime.fromtimestamp(trained.until_ms / 1000, UTC).strftime("%Y%m%d")
    return Manifest(version=f"{day}-{digest}", scikit_learn=sklearn.__version__, model_sha256=model_sha256, **shared)


def _write_version(folder: Path, target: Path, manifest: Manifest, model: bytes) -> None:
    temporary = Path(tempfile.mkdtemp(prefix=".", dir=folder))
    try:
        (temporary / MODEL).write_bytes(model)
        (temporary / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
        (temporary / CARD).write_text(card(manifest))
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


def _decode(data: bytes, path: Path) -> HistGradientBoostingClassifier:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            foreign = set(_types_in(json.loads(archive.read("schema.json")))) - _CLOSED
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


def _drift(manifest: Manifest) -> str:
    if not manifest.drift:
        return "No feature's population changed between the orders learned from and those judged on."
    named = ", ".join(f"{name} ({value:.2f})" for name, value in manifest.drift)
    return f"Features whose population changed in between, with their stability index: {named}."


def card(manifest: Manifest) -> str:
    """The model card, in Markdown."""
    first, last = (datetime.fromtimestamp(ms / 1000, UTC).date() for ms in (manifest.from_ms, manifest.until_ms - 1))
    metrics = msgspec.structs.asdict(manifest.metrics)
    rows = "\n".join(
        f"| {name.replace('_', ' ')} | {value:.4g} |" for name, value in metrics.items() if value is not None
    )
    return f"""# Model {manifest.version}

The probability that an order is fraud, from {len(manifest.names)} features (definitions {manifest.definitions}).
For screening orders of the store whose history it learned from; not for judging persons, not for other stores.

- Orders from {first} to {last}; learned from the first {manifest.learned_orders}
  ({manifest.learned_frauds} fraud), judged on the later {manifest.metrics.orders}.
- Gradient-boosted trees, scikit-learn {manifest.scikit_learn}, seed {manifest.seed}.
- The outcome of an order is the one that is expected to cost least. Beside its own cost a review must save
  {manifest.policy.price_cents / 100:.2f} US dollars: chosen on the judged orders so that the analysts have time, so the
  shares and precisions below are a little optimistic.
- {_drift(manifest)}

| on the judged orders | |
|---|---|
{rows}

| an order of | is reviewed from | is blocked from |
|---|---|---|
{_thresholds(manifest.policy)}

| cost table | |
|---|---|
{_costs(manifest.policy)}
"""


def _thresholds(policy: Policy) -> str:
    amounts = sorted({10.0, 100.0, 1_000.0, policy.typical_usd})
    at = [(amount, *policy.thresholds(amount)) for amount in amounts]
    return "\n".join(f"| {amount:,.0f} USD | {review:.4g} | {block:.4g} |" for amount, review, block in at)


def _costs(policy: Policy) -> str:
    costs = msgspec.structs.asdict(policy.costs)
    return "\n".join(f"| {name.replace('_', ' ')} | {value:,.4g} |" for name, value in costs.items())
