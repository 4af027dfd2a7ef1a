"""Keyrings: one JSON file of 256-bit keys, each with a purpose and a version.

The file is the secret: mode 600, written whole or not at all, never in configuration or an environment. A stage's file
need hold only the purposes that the stage uses. Versions of a purpose count from 1 without gaps, because pseudonyms are
chained over all of them and envelopes name the one that sealed them.
"""

import fcntl
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NoReturn, get_args

import msgspec

from vault.errors import KeyringError

# `partner` is the root of partners' pseudonyms; `token` and `ledger` are seeds of Ed25519 keys (RFC 8032).
Purpose = Literal["pseudonym", "envelope", "blind_index", "disclosure", "partner", "token", "ledger"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
KEY_BYTES = 32
Keys = dict[Purpose, tuple[bytes, ...]]
Random = Callable[[int], bytes]  # os.urandom


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    purpose: str
    version: int
    key: bytes


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: Literal["amana-keyring-1"]
    keys: tuple[_Entry, ...]


class Keyring:
    """The keys of a file, by purpose; `repr` and errors tell versions and purposes, never a key.

    Not a struct, so that no encoder, comparison or debugger dump of fields gives a key away; it refuses to be pickled.
    """

    __slots__ = ("_keys", "path")

    def __init__(self, keys: Keys, path: Path) -> None:
        self._keys = keys
        self.path = path

    @classmethod
    def create(cls, path: Path, random: Random) -> "Keyring":
        """Write a new file with version 1 of every purpose. Raises KeyringError where one already is."""
        keys: Keys = {purpose: (random(KEY_BYTES),) for purpose in PURPOSES}
        with _locked_folder(path) as folder:
            if path.exists():
                raise KeyringError(f"{path}: already exists; a keyring is never overwritten")
            _write(path, keys, folder)
        return cls(keys, path)

    @classmethod
    def load(cls, path: Path) -> "Keyring":
        """Read a file. Raises KeyringError when others may read it too, or when it is not a whole keyring."""
        try:
            with path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                if mode & 0o077:
                    raise KeyringError(f"{path}: mode is {mode:o}, expected 600; run `chmod 600` on it")
                body = file.read()
        except OSError as error:
            raise KeyringError(f"{path}: {error.strerror}; `amana keys init` creates a keyring") from None
        return cls(_parse(body, path), path)

    @classmethod
    def rotate(cls, path: Path, purpose: Purpose, random: Random) -> "Keyring":
        """Add the next version of one purpose to the file; the earlier stay, since what they made is still kept."""
        with _locked_folder(path) as folder:
            keys = dict(cls.load(path)._keys)
            keys[purpose] = (*keys.get(purpose, ()), random(KEY_BYTES))
            _write(path, keys, folder)
        return cls(keys, path)

    def part(self, path: Path, purposes: Sequence[Purpose]) -> "Keyring":
        """Write a file with all versions of these purposes alone, over an earlier one: what one stage gets.

        Raises KeyringError for a purpose that is not held, and for our own file.
        """
        keys: Keys = {purpose: self.keys(purpose) for purpose in purposes}
        if path.exists() and path.samefile(self.path):
            raise KeyringError(f"{path}: is the whole keyring; expected another file for a part of it")
        with _locked_folder(path) as folder:
            _write(path, keys, folder)
        return Keyring(keys, path)

    def versions(self) -> dict[Purpose, int]:
        """The newest version of each purpose that is held."""
        return {purpose: len(keys) for purpose, keys in self._keys.items()}

    def keys(self, purpose: Purpose) -> tuple[bytes, ...]:
        """All keys of a purpose, version 1 first. Raises KeyringError when there is none."""
        if purpose not in self._keys:
            raise KeyringError(f"{self.path}: holds no key for {purpose}")
        return self._keys[purpose]

    def key(self, purpose: Purpose, version: int) -> bytes:
        """One key. Raises KeyringError when that version is not held."""
        keys = self.keys(purpose)
        if not 1 <= version <= len(keys):
            raise KeyringError(f"{self.path}: holds versions 1 to {len(keys)} for {purpose}, not {version}")
        return keys[version - 1]

    def __repr__(self) -> str:
        held = ", ".join(f"{purpose} 1-{newest}" for purpose, newest in self.versions().items())
        return f"<Keyring {self.path}: {held}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a keyring is not pickled or copied; pass the path of its file")


def _parse(body: bytes, path: Path) -> Keys:
    # The decoder's own messages may quote what it found, here perhaps a key in the wrong place: only the path is told.
    try:
        file = msgspec.json.decode(body, type=_File)
    except msgspec.ValidationError as error:
        where = re.search(r"`(\$[^`]*)`$", str(error))
        raise KeyringError(f"{path}: ill-formed at {where[1] if where else '$'}; expected amana-keyring-1") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise KeyringError(f"{path}: not JSON; expected amana-keyring-1") from None
    return {purpose: tuple(_versions(purpose, file.keys, path)) for purpose in _purposes(file.keys, path)}


def _purposes(entries: Iterable[_Entry], path: Path) -> list[Purpose]:
    found = [entry.purpose for entry in entries]
    for place, purpose in enumerate(found):
        if purpose not in PURPOSES:
            raise KeyringError(f"{path}: unknown purpose at $.keys[{place}]; expected one of {', '.join(PURPOSES)}")
    return [purpose for purpose in PURPOSES if purpose in found]


def _versions(purpose: Purpose, entries: Iterable[_Entry], path: Path) -> Iterator[bytes]:
    of_purpose = sorted((entry for entry in entries if entry.purpose == purpose), key=lambda entry: entry.version)
    for expected, entry in enumerate(of_purpose, start=1):
        if entry.version != expected:
            raise KeyringError(f"{path}: versions of {purpose} must count 1, 2, 3 ...: {expected} is not there once")
        if len(entry.key) != KEY_BYTES:
            raise KeyringError(f"{path}: version {expected} of {purpose} must be a key of {KEY_BYTES} bytes")
        yield entry.key


@contextmanager
def _locked_folder(path: Path) -> Iterator[int]:
    """The file's folder, open for fsync and held for us alone, so that two rotations at once do not lose one."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise KeyringError(f"{path.parent}: {error.strerror}; expected a folder for the keyring") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(folder)


def _write(path: Path, keys: Keys, folder: int) -> None:
    entries = tuple(_Entry(p, v, key) for p, held in keys.items() for v, key in enumerate(held, start=1))
    body = msgspec.json.format(msgspec.json.encode(_File("amana-keyring-1", entries)), indent=2)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(body + b"\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise KeyringError(f"{path}: {error.strerror}; expected a folder that can be written to") from None
    finally:
        temporary.unlink(missing_ok=True)
    os.fsync(folder)
