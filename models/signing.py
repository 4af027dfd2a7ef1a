"""Who may make models: an Ed25519 key signs a version's manifest, and workers hold its public half alone.

The signing key is a PEM file of mode 600 where models are trained; by default it lies beside their folder, `models.key`
beside `models`. The public file, `models.pub`, may hold several keys, one after another: any of them is believed, so
that a new key can be brought in before the old one goes.
"""

import os
import re
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from models.errors import BadKey

_CONTEXT = b"amana model manifest 1\n"  # so that a signature means nothing anywhere else
_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----\n?", re.DOTALL)


class Signer:
    """Signs; the key can be neither printed nor pickled."""

    __slots__ = ("_key",)

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    def sign(self, manifest: bytes) -> bytes:
        """64 bytes."""
        return self._key.sign(_CONTEXT + manifest)

    @property
    def public(self) -> bytes:
        return _public_pem(self._key)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signing key is not pickled or copied; pass the path of its file")


class Trusted:
    """The public keys of a file."""

    def __init__(self, keys: list[Ed25519PublicKey]) -> None:
        self._keys = keys

    def signed(self, manifest: bytes, signature: bytes) -> bool:
        """Whether one of the keys made the signature for exactly these bytes."""
        for key in self._keys:
            with suppress(InvalidSignature):
                key.verify(signature, _CONTEXT + manifest)
                return True
        return False


def signing_path(folder: Path) -> Path:
    """Where the signing key of a folder of models is, unless somebody says otherwise."""
    return _beside(folder, ".key")


def public_path(folder: Path) -> Path:
    """Where the public key is."""
    return _beside(folder, ".pub")


def create(path: Path) -> Path:
    """Make a signing key at a path, mode 600, and its public file beside it; returns that. Never overwrites a key.

    Raises BadKey.
    """
    if path.suffix == ".pub":  # the signing key would lie where the public one is looked for, to be copied to workers
        raise BadKey(f"{path}: expected another name for the signing key; .pub is for its public file")
    key = Ed25519PrivateKey.generate()
    body = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = path.with_suffix(".pub")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if public.exists():
            raise BadKey(f"{public}: already exists; keys are never overwritten")
        _write_new(path, body, 0o600)
        _write_new(public, _public_pem(key), 0o644)
    except FileExistsError as error:
        raise BadKey(f"{error.filename2 or path}: already exists; keys are never overwritten") from None
    except OSError as error:
        raise BadKey(f"{path}: {error.strerror}; expected a folder that can be written to") from None
    return public


def signer(path: Path) -> Signer:
    """The signing key of a file. Raises BadKey where others may read it, or where it is none."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            body = file.read()
    except OSError as error:
        raise BadKey(f"{path}: {error.strerror}; `amana models keys` makes a signing key") from None
    if mode & 0o077:
        raise BadKey(f"{path}: mode is {mode:o}, expected 600; run `chmod 600` on it")
    try:
        key = load_pem_private_key(body, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None  # without a word of what it holds
    if not isinstance(key, Ed25519PrivateKey):
        raise BadKey(f"{path}: expected an Ed25519 private key, PEM")
    return Signer(key)


def signer_of(folder: Path) -> Signer:
    """The signing key beside a folder of models; made, with its public file, where neither is there yet."""
    path = signing_path(folder)
    if not path.exists() and not public_path(folder).exists():
        with suppress(BadKey):  # somebody else made one just now, or the reading of it says what is wrong
            create(path)
    return signer(path)


def trusted(path: Path) -> Trusted:
    """The keys of a public file, one or more. Raises BadKey."""
    try:
        body = path.read_bytes()
    except OSError as error:
        raise BadKey(
            f"{path}: {error.strerror}; expected the public key of those who make models, from beside their signing key"
        ) from None
    try:
        keys = [load_pem_public_key(pem) for pem in _PEM.findall(body)]
    except (ValueError, UnsupportedAlgorithm):
        keys = []
    found = [key for key in keys if isinstance(key, Ed25519PublicKey)]
    if not found or len(found) != len(keys) or _PEM.sub(b"", body).strip():
        raise BadKey(f"{path}: expected Ed25519 public keys, PEM, and nothing else")
    return Trusted(found)


def _beside(folder: Path, suffix: str) -> Path:
    whole = folder.absolute()
    return whole.with_name(whole.name + suffix)


def _public_pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _write_new(path: Path, body: bytes, mode: int) -> None:
    """Whole or not at all; raises FileExistsError where there is a file already."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
