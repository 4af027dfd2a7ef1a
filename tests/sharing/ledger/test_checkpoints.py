import pickle

import pytest

from sharing.errors import BadProof
from sharing.ledger.checkpoints import Checkpoint, Signer, Trusted, split_note, verifier_key
from sharing.ledger.tree import EMPTY_ROOT
from tests.sharing.ledger.made import SEED, SIGNER, TRUSTED

ROOT = bytes(range(32))
OTHER = Signer([b"o" * 32], "store.example/ledger")

# Of golang.org/x/mod/sumdb/note: its documented key and note. Not a checkpoint, but a note all the same.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()
# Of C2SP's tlog-checkpoint: the specification's example, whose key is not published.
SPECIFIED = (
    "example.com/behind-the-sofa\n"
    "20852163\n"
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xe"
    "McTOAYQ8=\n"
).encode()


def test_a_checkpoint_is_written_as_c2sp_says() -> None:
    text, [(name, signature)] = split_note(SIGNER.sign(20852163, ROOT))
    assert text == "store.example/ledger\n20852163\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    assert name == "store.example/ledger"
    assert len(signature) == 4 + 64


def test_a_key_is_written_as_go_writes_it() -> None:
    public = bytes.fromhex("1a5cd907143c384c41e830c5bce12aa8817ec5649aaabf2c31388b35b2d744d6")
    assert verifier_key("PeterNeumann", public) == GO_KEY


def test_gos_own_note_has_a_good_signature_and_is_no_checkpoint() -> None:
    text, [(name, signature)] = split_note(GO_NOTE)
    assert (name, signature[:4].hex()) == ("PeterNeumann", "c74f20a3")
    Trusted([GO_KEY])._keys[name, signature[:4]].verify(signature[4:], text.encode())
    with pytest.raises(BadProof, match="not a checkpoint"):
        Trusted([GO_KEY]).opened(GO_NOTE)


def test_the_specifications_example_is_read_and_not_trusted() -> None:
    text, [(name, signature)] = split_note(SPECIFIED)
    assert (text.split("\n")[1], name, len(signature)) == ("20852163", "example.com/behind-the-sofa", 68)
    with pytest.raises(
        BadProof, match=r"is of example\.com/behind-the-sofa; the keys that are trusted are of store\.example"
    ):
        TRUSTED.opened(SPECIFIED)


def test_a_signed_checkpoint_opens() -> None:
    assert TRUSTED.opened(SIGNER.sign(0, EMPTY_ROOT)) == Checkpoint("store.example/ledger", 0, EMPTY_ROOT)
    assert TRUSTED.opened(SIGNER.sign(7, ROOT)) == Checkpoint("store.example/ledger", 7, ROOT)


def test_a_rotated_key_signs_beside_the_one_before_so_that_either_is_enough() -> None:
    rotated = Signer([b"1" * 32, SEED, b"3" * 32], "store.example/ledger")
    note = rotated.sign(7, ROOT)
    assert len(split_note(note)[1]) == 2
    for key in rotated.keys[1:]:
        assert Trusted([key]).opened(note).size == 7
    with pytest.raises(BadProof, match="signed by no key that is trusted"):
        Trusted(rotated.keys[:1]).opened(note)


def test_signatures_of_unknown_keys_are_passed_over() -> None:
    witnessed = SIGNER.sign(7, ROOT) + "— witness.example/w1 AAAAAAAA\n".encode()
    assert TRUSTED.opened(witnessed).size == 7


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b"\n7\n", b"\n8\n", "does not fit its text"),
        (b"\n7\n", b"\n07\n", "not a checkpoint"),
        (b"\n7\n", b"\n-7\n", "not a checkpoint"),
        (b"\n7\n", b"\n7\nmore\n", "expected base64 of 32 bytes"),
        (b"=\n\n", b"=\nmore\n\n", "does not fit its text"),
        (b"AAEC", b"AAED", "does not fit its text"),
        (b"AAEC", b"AA\tC", "not a signed note"),
        (b"store.example/ledger\n7", b"another.example\n7", "is of another.example; the keys"),
        ("— ".encode(), b"- ", "not a signed note"),
        (b"=\n\n", b"=\n", "not a signed note"),
        (b"\n\n", b"\n\n\xff", "not a signed note"),
    ],
)
def test_a_changed_checkpoint_does_not_open(old: bytes, new: bytes, why: str) -> None:
    note = SIGNER.sign(7, ROOT)
    assert old in note
    with pytest.raises(BadProof, match=why):
        TRUSTED.opened(note.replace(old, new, 1))


@pytest.mark.parametrize("note", [b"", b"\n", b"\n\n", b"a\n7\n\n", SIGNER.sign(7, ROOT)[:-1], b"x" * 20_000])
def test_what_is_no_note_is_refused(note: bytes) -> None:
    with pytest.raises(BadProof, match="not a signed note"):
        TRUSTED.opened(note)


def test_another_key_of_the_same_name_is_not_trusted() -> None:
    with pytest.raises(BadProof, match="signed by no key that is trusted"):
        TRUSTED.opened(OTHER.sign(7, ROOT))


def test_a_known_keys_bad_signature_refuses_the_note_although_another_is_good() -> None:
    both = Trusted([*SIGNER.keys, *OTHER.keys])
    good, bad = SIGNER.sign(7, ROOT), OTHER.sign(8, ROOT)
    with pytest.raises(BadProof, match="does not fit its text"):
        both.opened(good + bad.rpartition(b"\n\n")[2])


@pytest.mark.parametrize(
    "key",
    [
        "",
        "store.example/ledger",
        SIGNER.keys[0].replace("+", "-"),
        SIGNER.keys[0].replace("store", "other"),
        SIGNER.keys[0][:-4],
        "PeterNeumann+c74f20a3+Ahpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(BadProof, match="expected"):
        Trusted([key])


def test_no_keys_trust_nobody() -> None:
    with pytest.raises(BadProof, match="expected the ledger's public key"):
        Trusted([])


@pytest.mark.parametrize("origin", ["", "two words", "a+b", "line\nbreak", "x" * 129])
def test_an_origin_that_a_note_cannot_have_is_refused(origin: str) -> None:
    with pytest.raises(ValueError, match="expected an origin"):
        Signer([SEED], origin)


def test_a_signer_is_neither_pickled_nor_shown() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(SIGNER)
    assert SEED.hex() not in repr(SIGNER)


def test_a_checkpoint_of_another_ledger_is_named_beside_those_that_are_trusted() -> None:
    trusted = Trusted([*SIGNER.keys, *Signer([SEED], "first.example/ledger").keys])
    with pytest.raises(BadProof) as caught:
        trusted.opened(Signer([SEED], "other.example/ledger").sign(7, ROOT))
    assert str(caught.value) == (
        "the checkpoint is of other.example/ledger; the keys that are trusted are of first.example/ledger, "
        "store.example/ledger"
    )


@pytest.mark.parametrize("origin", [b"a b", b"a+b", b"a" * 129, "a\u202eb".encode(), "a\x9bb".encode()])
def test_an_origin_that_is_no_name_is_not_repeated(origin: bytes) -> None:
    with pytest.raises(BadProof) as caught:
        TRUSTED.opened(SIGNER.sign(7, ROOT).replace(b"store.example/ledger\n7", origin + b"\n7"))
    assert str(caught.value) == "the checkpoint is signed by no key that is trusted for its origin"
