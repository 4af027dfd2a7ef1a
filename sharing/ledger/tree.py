"""The tree of RFC 6962, section 2.1: hashes, which subtrees a proof is made of, and how a proof is checked (RFC 9162).

Nothing here knows where hashes are kept. A *node* is (level, place): the whole subtree over the leaves from
place * 2^level on, 2^level of them; level 0 are the leaves. A *span* is a half-open range of leaves.
"""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from hashlib import sha256

Node = tuple[int, int]
Span = tuple[int, int]

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(body: bytes) -> bytes:
    return sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """0x01 before two hashes, 0x00 before a leaf: no leaf can be passed off as a node."""
    return sha256(b"\x01" + left + right).digest()


def cover(span: Span) -> list[Node]:
    """The whole subtrees that make up a span, the largest first. The span starts where one of its size may."""
    start, end = span
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


def folded(span: Span, hashes: Mapping[Node, bytes]) -> bytes:
    """The hash over a span. Raises KeyError, with the node, where one is not among the hashes."""
    nodes = cover(span)
    if not nodes:
        return EMPTY_ROOT
    value = hashes[nodes[-1]]
    for node in reversed(nodes[:-1]):
        value = node_hash(hashes[node], value)
    return value


def inclusion(place: int, size: int) -> list[Span]:
    """Whose hashes prove that the leaf at `place` is in the tree of `size` leaves: from its sibling upwards."""
    if not 0 <= place < size:
        raise ValueError(f"expected a place below {size}, not {place}")
    start, end, spans = 0, size, []
    while end - start > 1:
        middle = start + _left(end - start)
        if place < middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start = middle
    return spans[::-1]


def consistency(old: int, new: int) -> list[Span]:
    """Whose hashes prove that the tree of `new` leaves begins with the tree of `old` leaves."""
    if not 0 <= old <= new:
        raise ValueError(f"expected a size of at most {new}, not {old}")
    if old == 0:
        return []
    start, end, spans = 0, new, []
    while end != old:
        middle = start + _left(end - start)
        if old <= middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start = middle
    if start:  # the old tree's last part is no tree that the verifier has the root of
        spans.append((start, end))
    return spans[::-1]


def grown(size: int, peaks: MutableMapping[int, bytes], added: Iterable[bytes]) -> Iterator[tuple[Node, bytes]]:
    """The subtrees that become whole as leaf hashes are added to a tree of `size`.

    `peaks` has the hashes of its rightmost whole subtrees by level, at least those of `merged`; it is kept up to date.
    """
    for place, value in enumerate(added, size):
        level, hashed = 0, value
        while place >> level & 1:
            hashed = node_hash(peaks.pop(level), hashed)
            level += 1
            yield (level, place >> level), hashed
        peaks[level] = hashed


def merged(size: int, count: int) -> list[Node]:
    """The nodes of a tree of `size` that become parts of larger ones when `count` leaves are added: one on average."""
    grown_to = size + count
    return [
        (level, (size >> level) - 1)
        for level in range(size.bit_length())
        if size >> level & 1 and size >> (level + 1) != grown_to >> (level + 1)
    ]


def included(place: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof leads from a leaf's hash to the root (RFC 9162, section 2.1.3.2)."""
    if not 0 <= place < size or not _hashes(leaf, root, *proof):
        return False
    at, last, value = place, size - 1, leaf
    for step in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            value = node_hash(step, value)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            value = node_hash(value, step)
        at, last = at >> 1, last >> 1
    return last == 0 and value == root


def consistent(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that the new tree begins with the old one (RFC 9162, section 2.1.4.2)."""
    if not 0 <= old <= new or not _hashes(old_root, new_root, *proof):
        return False
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    if old == new:
        return not proof and old_root == new_root
    steps = list(proof) if old & (old - 1) else [old_root, *proof]
    return bool(steps) and _both_roots(old, new, steps) == (old_root, new_root)


def _both_roots(old: int, new: int, steps: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    older = newer = steps[0]
    for step in steps[1:]:
        if last == 0:
            return None
        if at & 1 or at == last:
            older, newer = node_hash(step, older), node_hash(step, newer)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            newer = node_hash(newer, step)
        at, last = at >> 1, last >> 1
    return (older, newer) if last == 0 else None


def _hashes(*values: bytes) -> bool:
    return all(len(value) == HASH_BYTES for value in values)


def _left(count: int) -> int:
    """How many of `count` leaves, two or more, the left subtree has: the largest power of two below it."""
    return 1 << ((count - 1).bit_length() - 1)
