"""Keys: ours to sign with, partners' to encrypt to and to verify by (RFC 7517, 8037); each named by its thumbprint.

A partner's set is one JSON file, `NAME.json`: exactly one X25519 key with `use` "enc", to which we encrypt, and one to
four Ed25519 keys with `use` "sig", by which its acknowledgements and its client assertions are verified. Several, so
that it can rotate: add the new one, sign with it, take the old one out. A private key in the file is refused. The set's
member `partner` (RFC 7517 allows more members) must be NAME: two files that were exchanged are told by nothing else.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from joserfc.jwk import OKPKey
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode
from msgspec import Meta

from sharing.errors import KeysError
from sharing.opened import opened
from sharing.tokens.edwards import is_sound

Use = Literal["sig", "enc"]
MAX_FILE_BYTES = 64 * 1024
MAX_SIGNERS = 4
PRIVATE = ".private.json"  # what the file with the private halves ends in
NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")  # as a contract's `partner`

# `$` alone also matches before a last newline in Python, so the look-ahead.
Kid = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._~-]{1,64}$(?!\n)", description="a key's id; ours are thumbprints")]
Coordinate = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}$(?!\n)", description="32 bytes, base64url")]


class PublicJwk(msgspec.Struct, frozen=True, kw_only=True):
    """A public key as RFC 7517 and 8037 write it. Members that are not here (`alg`, `exp`) are not read."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519", "X25519"]
    x: Coordinate
    kid: Kid
    use: Use


class SigningKey:
    """One of our Ed25519 keys; `repr` tells its kid alone."""

    __slots__ = ("key", "kid")

    def __init__(self, seed: bytes) -> None:
        """`seed`: 32 bytes, a version of the keyring's purpose `token`."""
        self.key = OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(seed))
        self.kid = thumbprint("Ed25519", self.x)

    @property
    def x(self) -> str:
        """The public key, base64url."""
        return str(self.key.as_dict(private=False)["x"])

    def jwk(self) -> dict[str, str]:
        """The public key as it is published."""
        return {"kty": "OKP", "crv": "Ed25519", "x": self.x, "kid": self.kid, "use": "sig", "alg": "Ed25519"}

    def __repr__(self) -> str:
        return f"<SigningKey {self.kid}>"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a signing key is not pickled or copied; make it anew from the keyring")


class PartnerKeys(msgspec.Struct, frozen=True):
    """A partner's public keys: `recipient` (with `recipient_kid`) to encrypt to, `signers` by kid to verify by."""

    partner: str
    recipient_kid: str
    recipient: OKPKey
    signers: Mapping[str, OKPKey]

    def thumbprints(self) -> list[str]:
        """Of every key, whatever its `kid` says, in an order that does not depend on the file's."""
        return sorted(key.thumbprint() for key in (self.recipient, *self.signers.values()))


def thumbprint(crv: str, x: str) -> str:
    """RFC 7638: SHA-256 over the required members in their order, base64url."""
    members = f'{{"crv":"{crv}","kty":"OKP","x":"{x}"}}'
    return urlsafe_b64encode(hashlib.sha256(members.encode()).digest()).decode()


def partner_keys(partner: str, jwks: object, where: str) -> PartnerKeys:
    """A partner's set from plain JSON; `where` stands for the file in errors. Raises KeysError."""
    found = public_jwks(jwks, where)
    to = [jwk for jwk in found if jwk.use == "enc"]
    by = [jwk for jwk in found if jwk.use == "sig"]
    if len(to) != 1:
        raise KeysError(f'{where}: holds {len(to)} keys with "use": "enc"; expected exactly one, on X25519')
    if not 1 <= len(by) <= MAX_SIGNERS:
        raise KeysError(f'{where}: holds {len(by)} keys with "use": "sig"; expected 1 to {MAX_SIGNERS}, on Ed25519')
    return PartnerKeys(partner, to[0].kid, imported(to[0]), {jwk.kid: imported(jwk) for jwk in by})


def public_jwks(jwks: object, where: str) -> tuple[PublicJwk, ...]:
    """The keys of a set, each checked: curve, use, kid, length, no private part. Raises KeysError."""
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list):
        raise KeysError(f'{where}: not a JWK set; expected {{"keys": [...]}}')
    found = tuple(_public(key, f"{where}: keys[{place}]") for place, key in enumerate(keys))
    for what, values in (("kid", [jwk.kid for jwk in found]), ("x", [jwk.x for jwk in found])):
        if len(set(values)) != len(values):
            raise KeysError(f"{where}: two keys have the same `{what}`")
    return found


def imported(jwk: PublicJwk) -> OKPKey:
    """The key itself, marked with its use: joserfc refuses it for the other."""
    return OKPKey.import_key({"kty": jwk.kty, "crv": jwk.crv, "x": jwk.x, "kid": jwk.kid, "use": jwk.use})


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raises ValueError for a member that is there twice: which of the two holds, would depend on who reads it."""
    found = dict(members)
    if len(found) != len(members):
        raise ValueError
    return found


def load_partner(path: Path) -> PartnerKeys:
    """Read `NAME.json`. Raises KeysError."""
    if path.name.endswith(PRIVATE):
        raise KeysError(f"{path}: a partner's private set, which stays with the partner; expected NAME.json alone")
    if not NAME.fullmatch(path.stem):
        raise KeysError(f"{path}: a partner's name is lower-case letters, digits and hyphens, at most 32")
    try:
        with opened(path) as file:
            body = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise KeysError(f"{path}: {error.strerror}; expected a partner's JWK set") from None
    if len(body) > MAX_FILE_BYTES:
        raise KeysError(f"{path}: longer than {MAX_FILE_BYTES} bytes")
    try:
        jwks = json.loads(body, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise KeysError(f"{path}: not JSON, or a member twice; expected a partner's JWK set") from None
    found = partner_keys(path.stem, jwks, str(path))
    if (named := jwks.get("partner")) != path.stem:
        why = "no member `partner`, which says whose keys these are" if named is None else "`partner` names another"
        raise KeysError(f'{path}: {why}; expected "partner": "{path.stem}" beside "keys"')
    return found


def load_partners(folder: Path) -> dict[str, PartnerKeys]:
    """Every `NAME.json` of a folder, by NAME. Raises KeysError, also when two partners hold the same key.

    A partner's private file has no business there, and is refused by its name.
    """
    if not folder.is_dir():
        raise KeysError(f"{folder}: no such folder; expected partners' JWK sets, NAME.json each")
    partners = {path.stem: load_partner(path) for path in sorted(folder.glob("*.json"))}
    owners: dict[str, str] = {}
    for name, keys in partners.items():
        for key in (keys.recipient, *keys.signers.values()):
            other = owners.setdefault(str(key.as_dict()["x"]), name)
            if other != name:
                raise KeysError(f"{folder}: {other} and {name} hold the same key; each partner makes its own")
    return partners


def _public(key: object, where: str) -> PublicJwk:
    if not isinstance(key, dict):
        raise KeysError(f"{where}: not a JWK")
    if spoilt := {"d", "k", "p", "q"} & set(key):
        # Whoever could read the file could read it: saying "take the member out" would keep a key that is no secret.
        raise KeysError(f"{where}: holds a private key (`{min(spoilt)}`); make a new pair and send the public half")
    try:
        jwk = msgspec.convert(key, PublicJwk)
    except msgspec.ValidationError as error:
        raise KeysError(f"{where}: {error}") from None
    if jwk.crv != {"sig": "Ed25519", "enc": "X25519"}[jwk.use]:
        raise KeysError(f'{where}: "use": "{jwk.use}" with curve {jwk.crv}; expected sig on Ed25519 or enc on X25519')
    if not _usable(jwk):
        raise KeysError(f"{where}: `x` is not a public key on {jwk.crv}")
    return jwk


def _usable(jwk: PublicJwk) -> bool:
    """Whether the key is a sound one: on X25519 none with which every secret is zero (RFC 7748 section 6.1)."""
    try:
        raw = urlsafe_b64decode(jwk.x.encode())
        if jwk.crv == "Ed25519":
            return is_sound(raw)
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(raw))
    except ValueError:
        return False
    return True
