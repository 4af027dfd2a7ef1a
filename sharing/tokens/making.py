"""Making a partner's key pair: what a partner does on its own machine, and what tries do for it."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from joserfc.jwk import OKPKey

from sharing.errors import KeysError
from sharing.tokens.keys import NAME, PRIVATE

Random = Callable[[int], bytes]  # os.urandom


def private_set(random: Random) -> dict[str, Any]:
    """A new set: one X25519 key to be encrypted to, one Ed25519 key to sign with; each named by its thumbprint."""
    pair = (
        (X25519PrivateKey.from_private_bytes(random(32)), "enc", "ECDH-ES"),
        (Ed25519PrivateKey.from_private_bytes(random(32)), "sig", "Ed25519"),
    )
    return {"keys": [_jwk(OKPKey.import_key(key), use, alg) for key, use, alg in pair]}


def public_half(private: dict[str, Any]) -> dict[str, Any]:
    """What the store gets."""
    return {"keys": [{name: value for name, value in key.items() if name != "d"} for key in private["keys"]]}


def write_pair(folder: Path, partner: str, random: Random) -> tuple[Path, Path]:
    """Make a pair: `PARTNER.private.json` (mode 600) and `PARTNER.json`. Raises KeysError; it never overwrites."""
    if not NAME.fullmatch(partner):
        raise KeysError(f"{partner}: a partner's name is lower-case letters, digits and hyphens, at most 32")
    private, public = folder / f"{partner}{PRIVATE}", folder / f"{partner}.json"
    for path in (private, public):
        if path.exists():
            raise KeysError(f"{path}: already exists; a key is never overwritten")
    made = private_set(random)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(private, made, 0o600)
        _write(public, {"partner": partner, **public_half(made)}, 0o644)
    except OSError as error:
        place = error.filename or folder  # a full disk names no file
        raise KeysError(f"{place}: {error.strerror}; expected a folder that can be written to") from None
    return private, public


def load_private(path: Path) -> dict[str, Any]:
    """A set that `write_pair` made. Raises KeysError."""
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise KeysError(f"{path}: {error.strerror}; expected a private JWK set") from None
    except (ValueError, RecursionError):
        raise KeysError(f"{path}: not JSON; expected a private JWK set") from None
    if not isinstance(found, dict) or not isinstance(found.get("keys"), list):
        raise KeysError(f"{path}: not a JWK set")
    return found


def _jwk(key: OKPKey, use: str, alg: str) -> dict[str, Any]:
    return {**key.as_dict(private=True), "kid": key.thumbprint(), "use": use, "alg": alg}


def _write(path: Path, jwks: dict[str, Any], mode: int) -> None:
    """A new file, whole or not at all: a piece of one would stand in the way of the next try."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        try:
            file.write(json.dumps(jwks, indent=2) + "\n")
            file.flush()
        except OSError:
            path.unlink()
            raise
