"""What is written beside a model: everything that is to be known of a version, and the hashes of its files."""

import hashlib
from datetime import UTC, datetime

import msgspec
import sklearn

from models.policy import Policy
from models.training import Metrics, Settings, Trained

_AMOUNTS_USD = (10.0, 100.0, 1_000.0)


class Threshold(msgspec.Struct, frozen=True):
    """The scores from which an order of an amount is reviewed and blocked."""

    amount_usd: float
    review_at: float
    block_at: float


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be known of a version; `policy` has the cost table and the price of reviews, from which `thresholds`
    follow. `files` has the SHA-256 of every other file of the version, by name.
    """

    version: str
    definitions: str
    names: tuple[str, ...]
    from_ms: int
    until_ms: int
    seed: int
    settings: Settings
    orders: int
    frauds: int
    learned_orders: int
    learned_frauds: int
    metrics: Metrics
    policy: Policy
    offset: float
    fingerprint: str
    drift: tuple[tuple[str, float], ...] = ()
    scikit_learn: str
    thresholds: tuple[Threshold, ...]
    files: dict[str, str]


decode = msgspec.json.Decoder(Manifest).decode


def encode(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest, order="deterministic")) + b"\n"


def manifest_of(trained: Trained) -> Manifest:
    """Without `files`. The version's name: the day its window ends, and a digest of all but the files.

    The model file's bytes differ each time it is written; the same training has the same name all the same.
    """
    shared = {name: getattr(trained, name) for name in Trained.__struct_fields__ if name in Manifest.__struct_fields__}
    digest = hashlib.sha256(msgspec.json.encode(shared, order="deterministic")).hexdigest()[:10]
    day = datetime.fromtimestamp(trained.until_ms / 1000, UTC).strftime("%Y%m%d")
    return Manifest(
        version=f"{day}-{digest}",
        scikit_learn=sklearn.__version__,
        thresholds=thresholds_of(trained.policy),
        files={},
        **shared,
    )


def thresholds_of(policy: Policy) -> tuple[Threshold, ...]:
    amounts = sorted({*_AMOUNTS_USD, policy.typical_usd})
    return tuple(Threshold(amount, *policy.thresholds(amount)) for amount in amounts)


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
