"""Keys from keys: HKDF with SHA-256 (RFC 5869), so that one root gives a key to each use and none tells of another."""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vault.chain import framed


def hkdf(root: bytes, info: bytes, salt: bytes = b"", length: int = 32) -> bytes:
    """`length` bytes of key for what `info` names."""
    return HKDF(SHA256(), length, salt or None, info).derive(root)


def key_for(root: bytes, *use: str) -> bytes:
    """The 32-byte key for a use that is named in parts, each framed by its length."""
    return hkdf(root, framed(*use))
