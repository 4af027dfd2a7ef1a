"""Against the vectors that the transparency-dev project publishes for RFC 6962 (merkle: testonly, proof, rfc6962)."""

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharing.ledger.tree import (
    EMPTY_ROOT,
    Node,
    Span,
    consistency,
    consistent,
    cover,
    folded,
    grown,
    included,
    inclusion,
    leaf_hash,
    merged,
    node_hash,
)

LEAVES = [
    bytes.fromhex(leaf)
    for leaf in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSIONS = {  # (place, size): the proof
    (0, 1): [],
    (0, 2): ["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"],
    (1, 2): ["6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}
CONSISTENCIES = {  # (old size, new size): the proof
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
    (6, 7): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}


def tree_of(leaves: Sequence[bytes]) -> dict[Node, bytes]:
    """All whole subtrees, as the store keeps them."""
    hashes = [leaf_hash(leaf) for leaf in leaves]
    return {(0, place): hashed for place, hashed in enumerate(hashes)} | dict(grown(0, {}, hashes))


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def proof_of(spans: list[Span], leaves: Sequence[bytes]) -> list[bytes]:
    return [folded(span, tree_of(leaves)) for span in spans]


def test_hashes_are_those_of_the_published_hasher() -> None:
    assert leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert node_hash(b"N123", b"N456").hex() == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"
    assert EMPTY_ROOT.hex() == ROOTS[0]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones(size: int) -> None:
    assert folded((0, size), tree_of(LEAVES[:size])).hex() == ROOTS[size]
    assert naive_root(LEAVES[:size]).hex() == ROOTS[size]


@pytest.mark.parametrize(("place", "size"), INCLUSIONS)
def test_inclusion_proofs_are_the_published_ones(place: int, size: int) -> None:
    proof = proof_of(inclusion(place, size), LEAVES[:size])
    assert [step.hex() for step in proof] == INCLUSIONS[place, size]
    assert included(place, size, leaf_hash(LEAVES[place]), proof, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "new"), CONSISTENCIES)
def test_consistency_proofs_are_the_published_ones(old: int, new: int) -> None:
    proof = proof_of(consistency(old, new), LEAVES[:new])
    assert [step.hex() for step in proof] == CONSISTENCIES[old, new]
    assert consistent(old, new, bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new]), proof)


@pytest.mark.parametrize(("place", "size"), INCLUSIONS)
def test_corrupt_inclusion_proofs_fail_as_the_published_probes_do(place: int, size: int) -> None:
    leaf, root = leaf_hash(LEAVES[place]), bytes.fromhex(ROOTS[size])
    proof = [bytes.fromhex(step) for step in INCLUSIONS[place, size]]
    other = sha256(b"some other hash").digest()
    probes = [
        (place - 1, size, leaf, proof, root),
        (place + 1, size, leaf, proof, root),
        (place ^ 2, size, leaf, proof, root),
        (place, size * 2, leaf, proof, root),
        (place, size // 2, leaf, proof, root),
        (place, size, b"WrongLeaf", proof, root),
        (place, size, leaf, proof, EMPTY_ROOT),
        (place, size, leaf, proof, other),
        (place, size, leaf, [*proof, b""], root),
        (place, size, leaf, [*proof, root], root),
        (place, size, leaf, [b"", *proof], root),
        (place, size, leaf, [root, *proof], root),
        *((place, size, leaf, flipped, root) for flipped in flips(proof, 8)),
    ]
    if proof:
        probes.append((place, size, leaf, proof[:-1], root))
        probes.append((place, size, leaf, [proof[0], other, *proof[1:]], root))
    for probe in probes:
        assert not included(*probe), probe[:2]


@pytest.mark.parametrize(("old", "new"), [key for key in CONSISTENCIES if CONSISTENCIES[key]])
def test_corrupt_consistency_proofs_fail_as_the_published_probes_do(old: int, new: int) -> None:
    older, newer = bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new])
    proof = [bytes.fromhex(step) for step in CONSISTENCIES[old, new]]
    for probe in [
        (old - 1, new, older, newer, proof),
        (old + 1, new, older, newer, proof),
        (old ^ 2, new, older, newer, proof),
        (old, new * 2, older, newer, proof),
        (old, new // 2, older, newer, proof),
        (old, new, b"WrongRoot", newer, proof),
        (old, new, older, b"WrongRoot", proof),
        (old, new, newer, older, proof),
        (old, new, older, newer, []),
        *((old, new, older, newer, [*proof, extra]) for extra in (b"", older, newer)),
        *((old, new, older, newer, [extra, *proof]) for extra in (b"", older, newer, proof[0])),
        (old, new, older, newer, proof[:-1]),
        *((old, new, older, newer, flipped) for flipped in flips(proof, 16)),
    ]:
        assert not consistent(*probe), probe[:2]


@pytest.mark.parametrize(
    ("old", "new", "proof"), [(1, 0, []), (2, 1, []), (1, 2, []), (0, 0, [EMPTY_ROOT]), (1, 1, [EMPTY_ROOT])]
)
def test_sizes_that_go_back_and_proofs_too_short_or_too_long_are_refused(
    old: int, new: int, proof: list[bytes]
) -> None:
    assert not consistent(old, new, bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new]), proof)


def test_every_tree_begins_with_the_empty_one_and_no_other_root_passes_for_it() -> None:
    assert consistent(0, 3, EMPTY_ROOT, bytes.fromhex(ROOTS[3]), [])
    assert not consistent(0, 3, bytes.fromhex(ROOTS[1]), bytes.fromhex(ROOTS[3]), [])


def flips(proof: list[bytes], bit: int) -> list[list[bytes]]:
    """The proof with one bit of one step the other way."""
    return [
        [bytes([step[0] ^ bit]) + step[1:] if at == each else step for at, step in enumerate(proof)]
        for each in range(len(proof))
    ]


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=70), st.data())
def test_any_tree_proves_what_the_rfc_read_word_for_word_says(leaves: list[bytes], data: st.DataObject) -> None:
    size = len(leaves)
    place = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(0, size))
    root = naive_root(leaves)
    assert folded((0, size), tree_of(leaves)) == root
    assert included(place, size, leaf_hash(leaves[place]), proof_of(inclusion(place, size), leaves), root)
    proof = proof_of(consistency(old, size), leaves)
    assert consistent(old, size, naive_root(leaves[:old]), root, proof)


@given(st.integers(0, 200), st.integers(1, 200))
def test_a_tree_grows_by_reading_only_the_subtrees_that_become_parts_of_larger_ones(size: int, count: int) -> None:
    hashes = [leaf_hash(b"%d" % number) for number in range(size + count)]
    whole = {(0, place): value for place, value in enumerate(hashes)} | dict(grown(0, {}, hashes))
    peaks = {level: whole[level, place] for level, place in merged(size, count)}
    made = dict(grown(size, peaks, hashes[size:]))
    assert made == {
        (level, place): value for (level, place), value in whole.items() if level and (place + 1) << level > size
    }
    assert all(node in cover((0, size)) for node in merged(size, count))


def test_one_more_leaf_reads_one_subtree_on_average() -> None:
    assert sum(len(merged(size, 1)) for size in range(1 << 12)) < 1 << 12


@pytest.mark.parametrize(("place", "size"), [(0, 0), (3, 3), (-1, 2)])
def test_a_place_outside_the_tree_has_no_proof(place: int, size: int) -> None:
    with pytest.raises(ValueError, match="expected a place below"):
        inclusion(place, size)


@pytest.mark.parametrize(("old", "new"), [(4, 3), (-1, 2)])
def test_a_size_larger_than_the_tree_has_no_proof(old: int, new: int) -> None:
    with pytest.raises(ValueError, match=f"expected a size of at most {new}"):
        consistency(old, new)
