"""What a leaf says, and the bytes that are hashed: JSON with sorted keys and no spaces (RFC 8785).

A leaf holds no personal value and nothing that opens without a salt. What an entry was about can be shown by who has
the salt, the case, the message's id and its payload: together they give the leaf's commitment. Without the salt a
commitment says nothing, however few payloads there may be: that is what an erasure relies on.
"""

from hashlib import sha256
from typing import Annotated, Literal

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from msgspec import Meta

from sharing.errors import LedgerError
from vault.chain import framed

SALT_BYTES = 32

Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]
Time = Annotated[int, Meta(ge=0, lt=2**53)]
Place = Annotated[int, Meta(ge=0, lt=2**53)]
# `$` alone also matches before a last newline in Python, so the look-ahead.
Word = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$(?!\n)")]
Change = Literal["corrected", "withdrawn", "deleted"]
Answer = Literal["acknowledged", "refused", "overdue"]


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`at_ms` is when it was written, milliseconds since 1970."""

    at_ms: Time


class Disclosed(Entry, frozen=True, tag="disclosed"):
    """One message to one partner. `contract` and `sealed` are SHA-256 of the contract and of the bytes that leave."""

    partner: Word
    contract: Hash
    sealed: Hash
    commitment: Hash


class Superseding(Entry, frozen=True, tag="superseding"):
    """A message that corrects, withdraws or deletes what the entry at `supersedes` told."""

    partner: Word
    contract: Hash
    sealed: Hash
    commitment: Hash
    supersedes: Place
    change: Change


class Answered(Entry, frozen=True, tag="answered"):
    """What a partner said to the message at `place`: `statement` is the SHA-256 of what it signed.

    Overdue is said by us: then the statement is the SHA-256 of nothing.
    """

    partner: Word
    place: Place
    answer: Answer
    statement: Hash


class Audited(Entry, frozen=True, tag="audited"):
    """Something that people or a stage did (`action`); what exactly is in the commitment, as of a message."""

    action: Word
    commitment: Hash


Leaf = Disclosed | Superseding | Answered | Audited

_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(Leaf).decode


def body_of(leaf: Leaf) -> bytes:
    """The bytes that are hashed. Raises LedgerError for values that no leaf may have; names the field alone."""
    body = _encode(leaf)
    leaf_of(body)
    return body


def leaf_of(body: bytes) -> Leaf:
    """Raises LedgerError for bytes that are not exactly as `body_of` writes them."""
    try:
        leaf: Leaf = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        where = str(error).rpartition("`$.")[2].rstrip("`") if isinstance(error, msgspec.ValidationError) else "$"
        raise LedgerError(f"a leaf of the ledger is ill-formed at {where[:32] or '$'}") from None
    if _encode(leaf) != body:
        raise LedgerError("a leaf of the ledger is not written as it must be: sorted keys, no spaces (RFC 8785)")
    return leaf


def sealed_of(leaf: Leaf) -> bytes | None:
    """The hash of the bytes that left, for a leaf about a message."""
    return leaf.sealed if isinstance(leaf, Disclosed | Superseding) else None


def commitment(salt: bytes, case_id: str, jti: str, payload: bytes) -> bytes:
    """HMAC-SHA256 under a 32-byte salt, over the three parts with their lengths before them."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
    mac = HMAC(salt, SHA256())
    mac.update(framed(case_id, jti))
    mac.update(len(payload).to_bytes(4, "big") + payload)
    return mac.finalize()


def hash_of(sealed: bytes) -> bytes:
    """SHA-256 of the bytes that leave, or of a partner's signed statement."""
    return sha256(sealed).digest()
