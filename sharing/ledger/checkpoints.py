"""Signed checkpoints: C2SP tlog-checkpoint in a C2SP signed note, Ed25519 (docs/adr/0011).

    store.example/ledger                          the origin: which ledger
    2                                             how many leaves
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=  the root of RFC 6962 over them

    — store.example/ledger Az3grlgt...            key id and signature over the three lines

A key is told to partners and auditors as Go's signed notes write it: `name+keyid+base64`.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import NoReturn

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sharing.errors import BadProof
from sharing.ledger.tree import HASH_BYTES

ORIGIN = "amana.example/ledger"
MAX_NOTE_BYTES = 16 * 1024
_ED25519 = b"\x01"  # the type of signature, as signed notes number them
_SIGNERS = 2  # the newest keys sign together, so that partners have until the next rotation to take in a new one
_NAME = re.compile(r"[^\s+]{1,128}")
_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")
_SIGNATURE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/=]+)")
_KEY = re.compile(r"([^\s+]{1,128})\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")


class Checkpoint(msgspec.Struct, frozen=True):
    """The state of a ledger: its first `size` leaves have this root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"


class Signer:
    """Signs checkpoints with a ledger's newest two keys; they can be neither printed nor pickled."""

    __slots__ = ("_keys", "origin")

    def __init__(self, seeds: Sequence[bytes], origin: str = ORIGIN) -> None:
        if not _NAME.fullmatch(origin):
            raise ValueError("expected an origin without spaces and plus signs, such as store.example/ledger")
        self.origin = origin
        self._keys = [Ed25519PrivateKey.from_private_bytes(seed) for seed in seeds]

    def sign(self, size: int, root: bytes) -> bytes:
        """The checkpoint as a signed note, UTF-8; the newest key's signature comes first."""
        text = Checkpoint(self.origin, size, root).text()
        lines = [self._line(key, text) for key in reversed(self._keys[-_SIGNERS:])]
        return "".join([text, "\n", *lines]).encode()

    @property
    def keys(self) -> tuple[str, ...]:
        """The public halves of all versions, the newest last: for partners and auditors."""
        return tuple(verifier_key(self.origin, key.public_key().public_bytes_raw()) for key in self._keys)

    def trusted(self) -> "Trusted":
        return Trusted(self.keys)

    def _line(self, key: Ed25519PrivateKey, text: str) -> str:
        signed = _key_id(self.origin, key.public_key().public_bytes_raw()) + key.sign(text.encode())
        return f"— {self.origin} {_base64(signed)}\n"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signing key is not pickled or copied; pass the path of its keyring")


class Trusted:
    """Public keys, each `name+keyid+base64`. Raises BadProof for one that is none."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = dict(_parsed_key(key) for key in keys)
        if not self._keys:
            raise BadProof("expected the ledger's public key: a line like store.example/ledger+1a2b3c4d+ARp...")

    def opened(self, note: bytes) -> Checkpoint:
        """The checkpoint of a signed note. Raises BadProof where no trusted key signed it, or one did wrongly."""
        text, signatures = split_note(note)
        known = [(name, signed) for name, signed in signatures if (name, signed[:4]) in self._keys]
        checkpoint = _parsed(text)
        if not any(name == checkpoint.origin for name, _ in known):
            raise BadProof(self._untrusted(checkpoint.origin))
        for name, signed in known:
            try:
                self._keys[name, signed[:4]].verify(signed[4:], text.encode())
            except InvalidSignature:
                raise BadProof("the checkpoint's signature does not fit its text") from None
        return checkpoint

    def _untrusted(self, origin: str) -> str:
        """Of another ledger, both are named; the origin was written by who is not trusted, so only as a name is one."""
        ours = sorted({name for name, _ in self._keys})
        if origin in ours or not _NAME.fullmatch(origin) or not origin.isprintable():
            return "the checkpoint is signed by no key that is trusted for its origin"
        return f"the checkpoint is of {origin}; the keys that are trusted are of {', '.join(ours)}"


def verifier_key(name: str, public: bytes) -> str:
    """A public key as partners and auditors are told it."""
    return f"{name}+{_key_id(name, public).hex()}+{_base64(_ED25519 + public)}"


def split_note(note: bytes) -> tuple[str, list[tuple[str, bytes]]]:
    """Text and signatures (name, key id with signature) of a signed note. Raises BadProof."""
    try:
        whole = note.decode() if len(note) <= MAX_NOTE_BYTES else ""
    except UnicodeDecodeError:
        whole = ""
    body, found, tail = whole.rpartition("\n\n")
    lines = tail.removesuffix("\n").split("\n")
    matches = [_SIGNATURE.fullmatch(line) for line in lines]
    if not found or not tail.endswith("\n") or not all(matches) or any(each < " " and each != "\n" for each in whole):
        raise BadProof("not a signed note: expected lines of text, an empty line, and lines that begin with a dash")
    return body + "\n", [(match[1], decoded(match[2])) for match in matches if match]


def decoded(text: str, length: int | None = None) -> bytes:
    """Strict base64. Raises BadProof, also for another length than the one expected."""
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if _base64(value) != text or length not in {None, len(value)}:
        raise BadProof("expected base64" + (f" of {length} bytes" if length else ""))
    return value


def _parsed(text: str) -> Checkpoint:
    lines = text.split("\n")
    if len(lines) < 4 or not all(lines[:-1]) or not _SIZE.fullmatch(lines[1]):
        raise BadProof("not a checkpoint: expected a line each of origin, size and root")
    return Checkpoint(lines[0], int(lines[1]), decoded(lines[2], HASH_BYTES))


def _parsed_key(text: str) -> tuple[tuple[str, bytes], Ed25519PublicKey]:
    match = _KEY.fullmatch(text.strip())
    encoded = decoded(match[3], 1 + 32) if match else b""
    if match is None or encoded[:1] != _ED25519 or _key_id(match[1], encoded[1:]).hex() != match[2]:
        raise BadProof("expected an Ed25519 key as signed notes write it: name+keyid+base64, one a line")
    return (match[1], bytes.fromhex(match[2])), Ed25519PublicKey.from_public_bytes(encoded[1:])


def _key_id(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
