"""Keyed one-way names for values: 128 bits of HMAC-SHA256, chained over the versions of a key (RFC 2104, FIPS 180-4).

A name under version n + 1 is the HMAC of the name under version n, so stored names are rotated without the values that
they stand for, and names made before and after a rotation can be brought together.
"""

import base64
import hmac
from struct import pack
from typing import Generic, TypeVar

from vault.keyring import Keyring, Purpose

NAME_LENGTH = 22  # 16 bytes in unpadded base64url


K = TypeVar("K", bound=str)


def framed(*parts: str) -> bytes:
    """The parts, each with its length before it, so that ("ab", "c") and ("a", "bc") never meet."""
    encoded = [part.encode() for part in parts]
    return b"".join([pack(">I", len(part)) + part for part in encoded])


def named(key: bytes, message: bytes) -> str:
    """HMAC-SHA256 cut to 128 bits: 22 characters of unpadded base64url."""
    return base64.urlsafe_b64encode(hmac.digest(key, message, "sha256")[:16])[:NAME_LENGTH].decode()


class Chain(Generic[K]):
    """Names under all versions of one purpose's keys. Give it canonical values: it changes nothing in them."""

    __slots__ = ("_first", "_framed_kinds", "_keys", "_later")

    def __init__(self, keyring: Keyring, purpose: Purpose) -> None:
        self._keys = keyring.keys(purpose)
        self._first, *self._later = self._keys
        self._framed_kinds: dict[str, bytes] = {}  # kinds are few, values are not

    def __call__(self, kind: K, canonical: str) -> str:
        """The current name of a value of that kind. About 3 microseconds, and 3 more for each later version."""
        framed_kind = self._framed_kinds.get(kind) or self._framed_kinds.setdefault(kind, framed(kind))
        value = canonical.encode()
        name = named(self._first, framed_kind + pack(">I", len(value)) + value)
        for key in self._later:
            name = named(key, name.encode())
        return name

    def rotate(self, name: str, version: int) -> str:
        """The current name for one that was made when `version` was the newest."""
        if not 1 <= version <= len(self._keys):
            raise ValueError(f"version must be from 1 to {len(self._keys)}, not {version}")
        for key in self._keys[version:]:
            name = named(key, name.encode())
        return name

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, {len(self._keys)} versions>"
