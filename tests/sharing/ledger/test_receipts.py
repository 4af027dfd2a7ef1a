import msgspec
import pytest

from sharing.errors import BadProof
from sharing.ledger.leaves import body_of
from sharing.ledger.receipts import Consistency, Opening, Receipt, consistency_of, receipt_of
from sharing.ledger.tree import Span, consistency, folded, grown, inclusion, leaf_hash
from tests.sharing.ledger.made import SALT, SIGNER, TRUSTED, bodies, of_every_kind, told

HASHES = [leaf_hash(body) for body in bodies(9)]
TREE = {(0, place): value for place, value in enumerate(HASHES)} | dict(grown(0, {}, HASHES))


def over(spans: list[Span]) -> tuple[bytes, ...]:
    return tuple(folded(span, TREE) for span in spans)


def note(size: int) -> bytes:
    return SIGNER.sign(size, folded((0, size), TREE))


def receipt(place: int, size: int = 9) -> Receipt:
    return Receipt(place, bodies(9)[place], over(inclusion(place, size)), note(size))


def proof(old: int, new: int = 9) -> Consistency:
    return Consistency(old, over(consistency(old, new)), note(new))


def test_a_receipt_is_a_tlog_proof_whose_extra_data_is_the_leaf() -> None:
    lines = receipt(8).text().decode().split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1].startswith("extra eyJhdF9tcyI6MTgwMDAwMDAwMDAwOCwi")
    assert lines[2] == "index 8"
    assert lines[4] == ""
    assert lines[5:7] == ["store.example/ledger", "9"]


def test_a_receipt_holds_no_salt_no_case_and_no_message_id() -> None:
    text = receipt(3).text() + bodies(9)[3]
    for secret in (SALT, b"case-3", b"jti-3", b"outcome"):
        assert secret not in text


@pytest.mark.parametrize("size", [1, 2, 8, 9])
def test_receipts_of_trees_of_any_size_read_as_written_and_hold(size: int) -> None:
    for place in range(size):
        found = receipt_of(receipt(place, size).text())
        assert found == receipt(place, size)
        assert found.checked(TRUSTED).size == size


def test_a_receipt_without_its_leaf_needs_the_leaf_beside_it() -> None:
    bare = receipt_of(msgspec.structs.replace(receipt(3), body=b"").text())
    assert bare.checked(TRUSTED, HASHES[3]).size == 9
    with pytest.raises(BadProof, match="does not hold its leaf"):
        bare.checked(TRUSTED)
    with pytest.raises(BadProof, match="entry 3 is not what the checkpoint of 9 entries has there"):
        bare.checked(TRUSTED, HASHES[4])


@pytest.mark.parametrize(
    "changed",
    [
        {"place": 4},
        {"place": 9},
        {"body": body_of(told(77))},
        {"proof": ()},
        {"proof": receipt(4).proof},
        {"checkpoint": note(8)},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_changed_receipt_does_not_hold(changed: dict[str, object]) -> None:
    with pytest.raises(BadProof, match="is not what the checkpoint of"):
        receipt_of(msgspec.structs.replace(receipt(3), **changed).text()).checked(TRUSTED)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"tlog-proof@v1", b"tlog-proof@v2"),
        (b"index 3", b"index 03"),
        (b"index 3", b"index -3"),
        (b"index 3", b"place 3"),
        (b"extra ", b"extra !"),
        (b"\n\n", b"\n"),
        (b"c2sp", "جـ".encode()),
        (b"index 3\n", b"index 3\n" + b"A" * 43 + b"=\n" + b"AAAA\n"),
        (b"index 3\n", b"index 3\n" + (b"A" * 43 + b"=\n") * 64),
        (b"index 3\n", b"index 3\n" + b"#" * 70_000 + b"\n"),
    ],
)
def test_what_is_no_receipt_is_refused(old: bytes, new: bytes) -> None:
    text = receipt(3).text()
    assert old in text
    with pytest.raises(BadProof):
        receipt_of(text.replace(old, new, 1)).checked(TRUSTED)


@pytest.mark.parametrize("old", range(10))
def test_consistency_proofs_read_as_written_and_hold(old: int) -> None:
    found = consistency_of(proof(old).text())
    assert found == proof(old)
    assert found.checked(TRUSTED, TRUSTED.opened(note(old))).size == 9


def test_a_kept_checkpoint_of_a_rewritten_tree_does_not_hold() -> None:
    kept = TRUSTED.opened(SIGNER.sign(5, HASHES[0]))
    with pytest.raises(BadProof, match="entries 0 to 4 are not those of the kept checkpoint"):
        proof(5).checked(TRUSTED, kept)


def test_a_proof_for_another_size_than_the_kept_checkpoints_is_refused() -> None:
    with pytest.raises(BadProof, match=r"the proof is from 5 entries of store\.example/ledger"):
        proof(5).checked(TRUSTED, TRUSTED.opened(note(4)))


@pytest.mark.parametrize("text", [b"", b"old 5\n", b"old x\n\n", b"older 5\n\n", b"old 5\nAAAA\n\n"])
def test_what_is_no_consistency_proof_is_refused(text: bytes) -> None:
    with pytest.raises(BadProof):
        consistency_of(text)


def test_an_opening_opens_its_own_leaf_and_payload_and_nothing_else() -> None:
    opening = Opening(place=3, case_id="case-3", jti="jti-3", salt=SALT)
    payload = b'{"outcome":"block"}'
    assert opening.opens(bodies(9)[3], payload)
    assert not opening.opens(bodies(9)[3], payload + b" ")
    assert not opening.opens(bodies(9)[4], payload)
    assert not opening.opens(body_of(of_every_kind(0)[1]), payload)
    assert not msgspec.structs.replace(opening, salt=b"short").opens(bodies(9)[3], payload)
