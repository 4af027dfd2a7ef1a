"""Checks what Amana's disclosure ledger gave you, without Amana: Python 3.11 and the `cryptography` package alone.

    python verify.py receipt 17.tlog-proof --key ledger.keys
    python verify.py receipt 17.tlog-proof --key ledger.keys --sealed message.jwe
    python verify.py receipt 17.tlog-proof --key ledger.keys --opening 17.opening.json --payload payload.json
    python verify.py consistency consistency.txt --kept old.checkpoint --key ledger.keys
    python verify.py export ledger.txt --key ledger.keys --kept old.checkpoint --receipt 17.tlog-proof

`ledger.keys` are the ledger's public keys, one a line, which you got when you signed your contract or began your audit:
not together with what you check. Exit code 0: it is as it says. 1: it is not, and why. 2: wrongly called.

What is checked: RFC 6962 (the Merkle tree, SHA-256), RFC 9162 section 2.1 (proofs), C2SP signed-note, tlog-checkpoint,
tlog-proof, and tlog-witness for the form of a consistency proof (c2sp.org).
"""

import argparse
import base64
import hashlib
import hmac
import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Keys = dict[tuple[str, bytes], Ed25519PublicKey]
NUMBER = re.compile(r"0|[1-9][0-9]{0,15}")


class Wrong(Exception):
    """What is not as it says."""


class Checkpoint(NamedTuple):
    origin: str
    size: int
    root: bytes


class Receipt(NamedTuple):
    place: int
    leaf: bytes
    proof: list[bytes]
    checkpoint: Checkpoint


# --- RFC 6962, section 2.1, and RFC 9162, sections 2.1.3.2 and 2.1.4.2


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """Takes leaf hashes one after another; keeps only the roots of the whole subtrees."""

    def __init__(self) -> None:
        self.size = 0
        self.peaks: list[bytes] = []

    def add(self, value: bytes) -> None:
        self.peaks.append(value)
        place = self.size
        while place & 1:
            right, left = self.peaks.pop(), self.peaks.pop()
            self.peaks.append(node_hash(left, right))
            place >>= 1
        self.size += 1

    def root(self) -> bytes:
        if not self.peaks:
            return hashlib.sha256(b"").digest()
        value = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            value = node_hash(peak, value)
        return value


def check_inclusion(receipt: Receipt) -> None:
    place, last, value = receipt.place, receipt.checkpoint.size - 1, leaf_hash(receipt.leaf)
    fits = place <= last
    for step in receipt.proof:
        fits = fits and last > 0
        if place & 1 or place == last:
            value = node_hash(step, value)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            value = node_hash(value, step)
        place, last = place >> 1, last >> 1
    if not fits or last != 0 or value != receipt.checkpoint.root:
        raise Wrong(f"entry {receipt.place} is not what the checkpoint has there")


def check_consistency(old: Checkpoint, new: Checkpoint, proof: list[bytes]) -> None:
    if old.origin != new.origin:
        raise Wrong(f"the checkpoints are of two ledgers: {old.origin} and {new.origin}")
    if old.size > new.size:
        raise Wrong(
            f"entries {new.size} to {old.size - 1} are gone: the kept checkpoint has {old.size}, this {new.size}"
        )
    changed = Wrong(f"entries 0 to {old.size - 1} are not those of the kept checkpoint: the ledger was rewritten")
    if old.size in {0, new.size}:
        if proof or old.root != (new.root if old.size else Tree().root()):
            raise changed
        return
    steps = proof if old.size & (old.size - 1) else [old.root, *proof]
    place, last = old.size - 1, new.size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    fits, older = bool(steps), steps[0] if steps else b""
    newer = older
    for step in steps[1:]:
        fits = fits and last > 0
        if place & 1 or place == last:
            older, newer = node_hash(step, older), node_hash(step, newer)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            newer = node_hash(newer, step)
        place, last = place >> 1, last >> 1
    if not fits or last != 0 or (older, newer) != (old.root, new.root):
        raise changed


# --- C2SP signed-note and tlog-checkpoint


def decoded(text: str, length: int | None = None) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError:
        value = b""
    if base64.b64encode(value).decode() != text or length not in {None, len(value)}:
        raise Wrong("expected base64" + (f" of {length} bytes" if length else ""))
    return value


def key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n\x01" + public).digest()[:4]


def read_keys(path: str) -> Keys:
    keys: Keys = {}
    for line in read(path).decode("utf-8", "replace").split():
        name, _, rest = line.partition("+")
        shown, _, encoded = rest.partition("+")
        public = decoded(encoded, 33)
        if public[:1] != b"\x01" or key_id(name, public[1:]).hex() != shown:
            raise Wrong(f"{path}: expected Ed25519 keys like store.example/ledger+1a2b3c4d+AUgH..., one a line")
        keys[name, bytes.fromhex(shown)] = Ed25519PublicKey.from_public_bytes(public[1:])
    return keys


def open_checkpoint(note: bytes, keys: Keys) -> Checkpoint:
    """The checkpoint, if a key that we trust for its origin signed it, and no key that we trust signed it wrongly."""
    body, found, tail = note.decode("utf-8", "replace").rpartition("\n\n")
    text, lines = body + "\n", body.split("\n")
    if not found or len(lines) < 3 or not all(lines) or not NUMBER.fullmatch(lines[1]):
        raise Wrong("not a signed checkpoint: expected origin, size, root, an empty line, signatures")
    signed_by = set()
    for line in tail.removesuffix("\n").split("\n"):
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        signed = decoded(encoded)
        if dash != "—":
            raise Wrong("not a signed checkpoint: a signature's line begins with a dash")
        if key := keys.get((name, signed[:4])):
            try:
                key.verify(signed[4:], text.encode())
            except InvalidSignature:
                raise Wrong("the checkpoint's signature does not fit its text") from None
            signed_by.add(name)
    if lines[0] not in signed_by:
        raise Wrong("the checkpoint is signed by no key that you trust")
    return Checkpoint(lines[0], int(lines[1]), decoded(lines[2], 32))


# --- files


def read(path: str) -> bytes:
    return Path(path).read_bytes()


def read_receipt(path: str, keys: Keys) -> Receipt:
    head, _, note = read(path).partition(b"\n\n")
    lines = head.decode("utf-8", "replace").split("\n")
    if lines[0] != "c2sp.org/tlog-proof@v1" or len(lines) < 3 or not lines[1].startswith("extra "):
        raise Wrong(f"{path}: not a receipt with its leaf: expected c2sp.org/tlog-proof@v1, then extra, then index")
    proof = [decoded(line, 32) for line in lines[3:]]
    return Receipt(number(lines[2], "index"), decoded(lines[1][6:]), proof, open_checkpoint(note, keys))


def proven(path: str, keys: Keys) -> Receipt:
    """A receipt that proves what it says; one among several is named."""
    found = read_receipt(path, keys)
    try:
        check_inclusion(found)
    except Wrong as wrong:
        raise Wrong(f"{path}: {wrong}") from None
    return found


def number(line: str, word: str) -> int:
    name, _, digits = line.partition(" ")
    if name != word or not NUMBER.fullmatch(digits):
        raise Wrong(f"expected a line with `{word}` and a number")
    return int(digits)


def read_leaves(file: BinaryIO) -> Iterator[bytes]:
    """The export's leaves; what follows its empty line is left to be read."""
    for line in file:
        if line == b"\n":
            return
        yield line.removesuffix(b"\n")
    raise Wrong("the export ends before its checkpoint")


# --- what is asked


def receipt(given: argparse.Namespace) -> None:
    keys = read_keys(given.key)
    found = read_receipt(given.file, keys)
    check_inclusion(found)
    leaf = json.loads(found.leaf)
    print(f"entry {found.place} of {found.checkpoint.origin} is in the tree of {found.checkpoint.size} entries:")
    print("\n".join(f"  {name}: {shown(name, leaf[name])}" for name in leaf))
    if given.sealed:
        if decoded(leaf.get("sealed", "")) != hashlib.sha256(read(given.sealed)).digest():
            raise Wrong(f"{given.sealed} is not the message that this entry is about")
        print(f"{given.sealed} is the message that it is about")
    if given.opening:
        check_opening(leaf, json.loads(read(given.opening)), read(given.payload))
        print("the opening and the payload are what it was committed to")


def check_opening(leaf: dict[str, Any], opening: dict[str, Any], payload: bytes) -> None:
    parts = [opening["case_id"].encode(), opening["jti"].encode(), payload]
    framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    committed = hmac.new(decoded(opening["salt"], 32), framed, hashlib.sha256).digest()
    if not hmac.compare_digest(committed, decoded(leaf.get("commitment", ""))):
        raise Wrong("the entry is not about this case, message and payload")


def shown(name: str, value: Any) -> str:
    if name == "at_ms":
        return f"{datetime.fromtimestamp(value / 1000, UTC).isoformat(timespec='milliseconds')}"
    return str(value)


def consistency(given: argparse.Namespace) -> None:
    keys = read_keys(given.key)
    head, _, note = read(given.file).partition(b"\n\n")
    lines = head.decode("utf-8", "replace").split("\n")
    kept, new = open_checkpoint(read(given.kept), keys), open_checkpoint(note, keys)
    if number(lines[0], "old") != kept.size:
        raise Wrong(f"the proof is for another size than the kept checkpoint's, {kept.size}")
    check_consistency(kept, new, [decoded(line, 32) for line in lines[1:]])
    print(f"the ledger of {new.size} entries begins with the {kept.size} entries of the kept checkpoint, unchanged")


def export(given: argparse.Namespace) -> None:
    """One pass: the roots at the kept checkpoints' sizes, the leaves at the receipts' places, the root at the end."""
    keys = read_keys(given.key)
    receipts = [(path, proven(path, keys)) for path in given.receipt]
    kept = [(path, open_checkpoint(read(path), keys)) for path in given.kept]
    kept += [(path, found.checkpoint) for path, found in receipts]
    leaves: dict[int, list[tuple[str, bytes]]] = {}
    for path, found in receipts:
        leaves.setdefault(found.place, []).append((path, found.leaf))
    waiting = sorted(kept, key=lambda each: -each[1].size)
    tree, agreed = Tree(), 0
    file = sys.stdin.buffer if given.file == "-" else Path(given.file).open("rb")  # noqa: SIM115
    with file:
        agreed = compare(tree, agreed, waiting)
        for leaf in read_leaves(file):
            for path, expected in leaves.get(tree.size, []):
                if leaf != expected:
                    raise Wrong(f"entry {tree.size} is not what {path} is for")
            tree.add(leaf_hash(leaf))
            agreed = compare(tree, agreed, waiting)
        whole = open_checkpoint(file.read(1 << 20), keys)
    compare(tree, agreed, [("the export's own checkpoint", whole)])
    if whole.size != tree.size:
        raise Wrong(f"the export has {tree.size} entries, and its own checkpoint says {whole.size}")
    for path, checkpoint in reversed(waiting):
        raise Wrong(f"entries {tree.size} to {checkpoint.size - 1} are gone: {path} was signed over {checkpoint.size}")
    if any(checkpoint.origin != whole.origin for _, checkpoint in kept):
        raise Wrong("a kept checkpoint is of another ledger")
    print(f"{whole.origin}: {whole.size} entries are what was signed; {len(kept)} kept checkpoints agree")


def compare(tree: Tree, agreed: int, waiting: list[tuple[str, Checkpoint]]) -> int:
    """Take the checkpoints of the tree's size off the end of those that wait; the last size that agrees."""
    while waiting and waiting[-1][1].size == tree.size:
        path, checkpoint = waiting.pop()
        if checkpoint.root != tree.root():
            raise Wrong(f"entries {agreed} to {tree.size - 1} are not what was signed in {path}")
        agreed = tree.size
    return agreed


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked = parser.add_subparsers(required=True)
    for name, function in (("receipt", receipt), ("consistency", consistency), ("export", export)):
        one = asked.add_parser(name)
        one.set_defaults(function=function)
        one.add_argument("file")
        one.add_argument("--key", required=True, help="the ledger's public keys, one a line")
        if function is receipt:
            one.add_argument("--sealed", help="the message as it came: is the receipt for it?")
            one.add_argument("--opening", help="what opens the commitment, for who is entitled to it")
            one.add_argument("--payload", help="the payload that the commitment is over")
        if function is consistency:
            one.add_argument("--kept", required=True, help="the checkpoint that you kept")
        if function is export:
            one.add_argument("--kept", action="append", default=[], help="a checkpoint that you kept")
            one.add_argument("--receipt", action="append", default=[], help="a receipt that you kept")
    given = parser.parse_args(arguments)
    if bool(getattr(given, "opening", None)) != bool(getattr(given, "payload", None)):
        parser.error("--opening and --payload go together")
    try:
        given.function(given)
    except Wrong as wrong:
        print(f"NOT VERIFIED: {wrong}", file=sys.stderr)
        return 1
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        print(f"NOT VERIFIED: a file cannot be read as it should: {type(error).__name__}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
