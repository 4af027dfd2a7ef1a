"""Proofs as files, in the formats of C2SP: text, checked without us (examples/auditor/verify.py).

A **receipt** (tlog-proof): the leaf's own bytes as extra data, its place, the proof, a signed checkpoint.
A **consistency proof** (the body of tlog-witness' add-checkpoint): an old size, the proof, a signed checkpoint: the
tree of the new checkpoint begins with the tree of the old one, that somebody kept.
Neither has a salt, a case or a message's id. An **opening** has them, and is a file of its own, for who is entitled.
"""

import base64
import re
from typing import Literal

import msgspec

from sharing.errors import BadProof
from sharing.ledger.checkpoints import Checkpoint, Trusted, decoded
from sharing.ledger.leaves import SALT_BYTES, Audited, Disclosed, Superseding, commitment, leaf_of
from sharing.ledger.tree import HASH_BYTES, consistent, included, leaf_hash

MAX_PROOF = 63
MAX_FILE_BYTES = 64 * 1024
_RECEIPT = "c2sp.org/tlog-proof@v1"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}")


class Receipt(msgspec.Struct, frozen=True):
    """That a leaf is at a place of the ledger. `body` is empty where the receipt does not say what the leaf is."""

    place: int
    body: bytes
    proof: tuple[bytes, ...]
    checkpoint: bytes

    def text(self) -> bytes:
        extra = f"extra {_base64(self.body)}\n" if self.body else ""
        return f"{_RECEIPT}\n{extra}index {self.place}\n{_lines(self.proof)}\n".encode() + self.checkpoint

    def checked(self, trusted: Trusted, leaf: bytes | None = None) -> Checkpoint:
        """The checkpoint, if it is signed and the leaf (another's hash, or the receipt's own) is in it.

        Raises BadProof.
        """
        checkpoint = trusted.opened(self.checkpoint)
        if leaf is None and not self.body:
            raise BadProof("the receipt does not hold its leaf: expected the leaf's hash beside it")
        hashed = leaf_hash(self.body) if leaf is None else leaf
        if not included(self.place, checkpoint.size, hashed, self.proof, checkpoint.root):
            raise BadProof(f"entry {self.place} is not what the checkpoint of {checkpoint.size} entries has there")
        return checkpoint


class Consistency(msgspec.Struct, frozen=True):
    """That a checkpoint's tree begins with the tree of `old` leaves."""

    old: int
    proof: tuple[bytes, ...]
    checkpoint: bytes

    def text(self) -> bytes:
        return f"old {self.old}\n{_lines(self.proof)}\n".encode() + self.checkpoint

    def checked(self, trusted: Trusted, kept: Checkpoint) -> Checkpoint:
        """The new checkpoint, if it continues the one that was kept. Raises BadProof."""
        new = trusted.opened(self.checkpoint)
        if kept.size != self.old or kept.origin != new.origin:
            raise BadProof(f"the proof is from {self.old} entries of {new.origin}, the kept checkpoint of {kept.size}")
        if not consistent(kept.size, new.size, kept.root, new.root, self.proof):
            raise BadProof(f"entries 0 to {kept.size - 1} are not those of the kept checkpoint: they were changed")
        return new


class Opening(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What opens one leaf's commitment, together with the payload."""

    format: Literal["amana-opening-1"] = "amana-opening-1"
    place: int
    case_id: str
    jti: str
    salt: bytes

    def opens(self, body: bytes, payload: bytes) -> bool:
        """Whether a leaf is about this case, message and payload."""
        leaf = leaf_of(body)
        committed = leaf.commitment if isinstance(leaf, Disclosed | Superseding | Audited) else None
        return len(self.salt) == SALT_BYTES and committed == commitment(self.salt, self.case_id, self.jti, payload)


def receipt_of(data: bytes) -> Receipt:
    """A receipt's file, nothing of it checked yet. Raises BadProof."""
    head, note = _split(data, "a receipt")
    if head.pop(0) != _RECEIPT:
        raise BadProof(f"not a receipt: expected {_RECEIPT} on its first line")
    body = decoded(head.pop(0).removeprefix("extra ")) if head and head[0].startswith("extra ") else b""
    return Receipt(_number(head, "index"), body, _proof(head), note)


def consistency_of(data: bytes) -> Consistency:
    """A consistency proof's file, nothing of it checked yet. Raises BadProof."""
    head, note = _split(data, "a consistency proof")
    return Consistency(_number(head, "old"), _proof(head), note)


def _split(data: bytes, what: str) -> tuple[list[str], bytes]:
    head, found, note = data.partition(b"\n\n")
    if not found or len(data) > MAX_FILE_BYTES or not head.isascii():
        raise BadProof(f"not {what}: expected lines of text, an empty line, and a signed checkpoint")
    return head.decode().split("\n"), note


def _number(head: list[str], word: str) -> int:
    name, _, number = head.pop(0).partition(" ") if head else ("", "", "")
    if name != word or not _NUMBER.fullmatch(number):
        raise BadProof(f"expected a line with `{word}` and a number")
    return int(number)


def _proof(head: list[str]) -> tuple[bytes, ...]:
    if len(head) > MAX_PROOF:
        raise BadProof(f"expected at most {MAX_PROOF} hashes")
    return tuple(decoded(line, HASH_BYTES) for line in head)


def _lines(hashes: tuple[bytes, ...]) -> str:
    return "".join(f"{_base64(each)}\n" for each in hashes)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
