"""Our key set as it is published (RFC 7517), and how it rotates: nobody meets a signature by a key not yet published.

`amana keys rotate token` adds a seed to the keyring; `amana partner jwks` publishes its public half. From then on:

    published        for LEAD_S not used yet: whoever keeps our set for so long at most has it by then
    signs            from `nbf` on, until the next one's `nbf`
    verifies         until `exp`, KEEP_S after it stopped signing: longer than a message may wait to be read
    gone             taken out of the set by the next publication

The file of the set is its own state: `nbf` and `exp` stand in each key, as OpenID Federation 1.0 writes them for keys
of the past; who does not know them reads on (RFC 7517 section 4). A key that leaked is withdrawn at once, with all
before it.
"""

import os
from pathlib import Path
from typing import Literal

import msgspec

from sharing.errors import KeysError
from sharing.tokens.keys import Coordinate, Kid, SigningKey
from vault.keyring import Keyring

DAY_S = 24 * 3600
LEAD_S = DAY_S
KEEP_S = 30 * DAY_S
READ_AGAIN_S = 60


class PublishedKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A public key; `nbf` and `exp` in seconds. Without `exp` nothing has followed it yet."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: Coordinate
    kid: Kid
    use: Literal["sig"]
    alg: Literal["Ed25519"]
    nbf: int
    exp: int | None = None


class KeySet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What partners fetch; the oldest first."""

    keys: tuple[PublishedKey, ...] = ()

    def write(self, path: Path) -> None:
        """The file whole or not at all; anyone may read it."""
        temporary = path.with_name(f".{path.name}.new")
        try:
            temporary.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")
            os.replace(temporary, path)  # noqa: PTH105 - so that the error names the file
        except OSError as error:
            raise KeysError(f"{path}: {error.strerror}; expected a folder that can be written to") from None

    @classmethod
    def load(cls, path: Path) -> "KeySet":
        """Read a published set. Raises KeysError; a file that is not there is a set of none."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except FileNotFoundError:
            return cls()
        except OSError as error:
            raise KeysError(f"{path}: {error.strerror}; expected our published key set") from None
        except msgspec.ValidationError as error:
            raise KeysError(f"{path}: {error}; expected our published key set") from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise KeysError(f"{path}: not JSON; expected our published key set") from None


def signing_keys(keyring: Keyring) -> tuple[SigningKey, ...]:
    """All keys of the keyring's purpose `token`, the oldest first."""
    return tuple(SigningKey(seed) for seed in keyring.keys("token"))


def published(before: KeySet, held: tuple[SigningKey, ...], now_s: int) -> KeySet:
    """The set to publish now: the newest held key is in it, what has had its time is not. Again, it changes nothing.

    Raises KeysError where the set names a key that is not held: someone else could sign as us.
    """
    ours = {key.kid for key in held}
    if strange := [key.kid for key in before.keys if key.kid not in ours]:
        raise KeysError(f"the published set holds {strange[0]}, which the keyring does not; expected our keys alone")
    newest = held[-1]
    if not before.keys:
        # The first set, or one that was lost: whatever older keys signed may still be on its way.
        return KeySet((*(_entry(key, now_s, now_s + KEEP_S) for key in held[:-1]), _entry(newest, now_s)))
    kept = [key for key in before.keys if key.exp is None or key.exp > now_s]
    if newest.kid in {key.kid for key in kept}:
        return KeySet(tuple(kept))
    starts = now_s + LEAD_S
    ended = [key if key.exp else msgspec.structs.replace(key, exp=starts + KEEP_S) for key in kept]
    return KeySet((*ended, _entry(newest, starts)))


def withdrawn(held: tuple[SigningKey, ...], now_s: int) -> KeySet:
    """The newest key alone, signing at once: for when an earlier one is in other hands. What that signed is void."""
    return KeySet((_entry(held[-1], now_s),))


class Following:
    """What a Sealer takes: the key that signs at a time, by the published file as it is then.

    A process that runs for weeks changes over when the file says so. Where the next key is not held yet, for the
    keyring was rotated after the start, it goes on with the last that it holds while that one is published, and then
    signs no more: KeysError. `since_s`: when it started; a clock that is put back does not undo a key's start.
    """

    def __init__(self, path: Path, held: tuple[SigningKey, ...], since_s: int) -> None:
        self._path = path
        self._held = held
        self._since_s = since_s
        self._read_s = since_s
        self._set = KeySet.load(path)
        signing_key(self._set, held, since_s)  # at the start, the key that signs must be here

    def __call__(self, now_s: int) -> SigningKey:
        now_s = max(now_s, self._since_s)
        if now_s - self._read_s >= READ_AGAIN_S:
            self._set, self._read_s = KeySet.load(self._path), now_s
        ours = {key.kid for key in self._held}
        return signing_key(KeySet(tuple(key for key in self._set.keys if key.kid in ours)), self._held, now_s)


def signing_key(key_set: KeySet, held: tuple[SigningKey, ...], now_s: int) -> SigningKey:
    """The held key that signs now. Raises KeysError when the set has none."""
    due = [key for key in key_set.keys if key.nbf <= now_s and (key.exp is None or key.exp > now_s)]
    if not due:
        raise KeysError("the published key set has no key that signs now; `amana partner jwks` publishes one")
    # Of two with the same start the later in the set: a lost set is published anew with all of them starting now.
    kid = max(enumerate(due), key=lambda place: (place[1].nbf, place[0]))[1].kid
    found = next((key for key in held if key.kid == kid), None)
    if found is None:
        raise KeysError(f"the published set says that {kid} signs, which the keyring does not hold")
    return found


def _entry(key: SigningKey, nbf: int, exp: int | None = None) -> PublishedKey:
    return PublishedKey(kty="OKP", crv="Ed25519", x=key.x, kid=key.kid, use="sig", alg="Ed25519", nbf=nbf, exp=exp)
