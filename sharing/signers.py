"""Who may sign contracts: people with an Ed25519 key each (RFC 8032), by name and role, in a file of public keys.

A signature is over the contract's hash and the signer's name, so that it means nothing on another contract or under
another name. One key under two names is refused, or one person could sign for two.
"""

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from joserfc.util import urlsafe_b64encode
from msgspec import Meta

from events.legible import length_seen
from sharing import located
from sharing.contracts import Contract, PersonName, Signature, text_of
from sharing.errors import ContractError
from sharing.tokens.keys import thumbprint
from vault.chain import framed

DEMO = Path(__file__).with_name("contracts") / "demo" / "signers.yaml"
DEMO_PEOPLE = ("noura", "faisal", "maha")
_SHORTEST_ROLE = 3
_CONTEXT = b"amana contract 1\n"  # so that a signature means nothing anywhere else


class Signer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A person. `demo`: the key is open to everybody, and nothing that it signs is believed in production."""

    name: PersonName
    role: Annotated[str, Meta(min_length=_SHORTEST_ROLE, max_length=64)]
    key: Annotated[bytes, Meta(min_length=32, max_length=32)]
    demo: bool = False


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    signers: Annotated[tuple[Signer, ...], Meta(min_length=1)]


class Signers:
    """The people of a file. `demo`: whether those whose keys are open count."""

    def __init__(self, people: Mapping[str, Signer], origin: str, demo: bool = False) -> None:
        self._people = people
        self._origin = origin
        self._demo = demo

    @classmethod
    def load(cls, path: Path, demo: bool = False) -> "Signers":
        """Read a file. Raises ContractError with file, line and what was expected."""
        source = located.read(text_of(path), str(path))
        try:
            signers = msgspec.convert(source.plain, _File).signers
        except msgspec.ValidationError as error:
            raise ContractError(located.told(str(error), source, str(path), {})) from None
        for place, signer in enumerate(signers):
            if any(signer.name == other.name or signer.key == other.key for other in signers[:place]):
                line = source.line(f"$.signers[{place}]")
                raise ContractError(f"{path}:{line}: {signer.name}: one person has one name and one key")
            if length_seen(signer.role) < _SHORTEST_ROLE:
                line = source.line(f"$.signers[{place}].role")
                raise ContractError(f"{path}:{line}: role: expected {_SHORTEST_ROLE} characters or more that are seen")
        return cls({signer.name: signer for signer in signers}, str(path), demo)

    def role(self, name: str) -> str:
        """What the person is, and whether the key is one that everybody can make."""
        person = self._people[name]
        return f"{person.role}, by an open key" if person.demo else person.role

    def thumbprints(self) -> list[str]:
        """Of every person's key (RFC 7638): what may be said of a file of signers without a name."""
        return sorted(thumbprint("Ed25519", urlsafe_b64encode(each.key).decode()) for each in self._people.values())

    def check(self, contract: Contract, name: str) -> None:
        """Raises ContractError, `name` standing for the contract's file, unless every signature is a known person's."""
        for signature in contract.signatures:
            signer = self._people.get(signature.signer)
            if signer is None:
                raise ContractError(f"{name}: signed by {signature.signer}, who is not in {self._origin}")
            if signer.demo and not self._demo:
                raise ContractError(f"{name}: signed by {signer.name} with a key for demonstrations, open to everybody")
            if not _holds(signer, signature, contract):
                raise ContractError(f"{name}: the signature of {signer.name} is not of what the contract now says")


def sign(contract: Contract, signer: str, key: Ed25519PrivateKey) -> Signature:
    """A person's signature on the contract as it stands."""
    return Signature(signer=signer, signature=key.sign(_message(contract, signer)))


def create_key(path: Path) -> bytes:
    """Make a signing key at the path (PEM, mode 600), never over another; returns its public half.

    Raises ContractError.
    """
    key = Ed25519PrivateKey.generate()
    body = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            try:
                file.write(body)
                file.flush()
            except OSError:
                path.unlink()  # a piece of a key would stand in the way of the next try
                raise
    except OSError as error:
        raise ContractError(f"{path}: {error.strerror}; expected a new file in a folder that there is") from None
    return key.public_key().public_bytes_raw()


def read_key(path: Path) -> Ed25519PrivateKey:
    """A signing key. Raises ContractError where others may read it, or where it is none."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            body = file.read()
    except OSError as error:
        raise ContractError(f"{path}: {error.strerror}; `amana contracts key` makes a signing key") from None
    if mode & 0o077:
        raise ContractError(f"{path}: mode is {mode:o}, expected 600; run `chmod 600` on it")
    try:
        key = load_pem_private_key(body, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None  # without a word of what it holds
    if not isinstance(key, Ed25519PrivateKey):
        raise ContractError(f"{path}: expected an Ed25519 private key, PEM")
    return key


def demo_key(name: str) -> Ed25519PrivateKey:
    """The key that a made-up person signs the shipped contracts with: everybody can make it, from the name alone."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"amana demo signer: {name}".encode()).digest())


def _holds(signer: Signer, signature: Signature, contract: Contract) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(signer.key).verify(signature.signature, _message(contract, signer.name))
    except InvalidSignature:
        return False
    return True


def _message(contract: Contract, signer: str) -> bytes:
    return _CONTEXT + framed(signer, contract.hash())
