import copy
import pickle
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from models import signing
from models.errors import BadKey


def test_a_signing_key_can_be_read_by_its_owner_alone_and_its_public_file_by_all(tmp_path):
    public = signing.create(tmp_path / "models.key")
    assert public == tmp_path / "models.pub"
    assert stat.S_IMODE((tmp_path / "models.key").stat().st_mode) == 0o600
    assert public.read_bytes() == signing.signer(tmp_path / "models.key").public
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models.key", "models.pub"]


@pytest.mark.parametrize("there", ["models.key", "models.pub"])
def test_a_key_is_never_overwritten(tmp_path, there):
    (tmp_path / there).write_text("mine")
    with pytest.raises(BadKey, match="already exists; keys are never overwritten"):
        signing.create(tmp_path / "models.key")
    assert (tmp_path / there).read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == [there]


def test_a_signature_is_of_one_content_by_one_key(tmp_path):
    trusted = signing.trusted(signing.create(tmp_path / "one.key"))
    signing.create(tmp_path / "other.key")
    one, other = signing.signer(tmp_path / "one.key"), signing.signer(tmp_path / "other.key")
    assert trusted.signed(b"content", one.sign(b"content"))
    assert not trusted.signed(b"content ", one.sign(b"content"))
    assert not trusted.signed(b"content", other.sign(b"content"))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_signing_key_that_others_can_reach_is_refused(tmp_path, mode):
    signing.create(tmp_path / "models.key")
    (tmp_path / "models.key").chmod(mode)
    with pytest.raises(BadKey, match=f"mode is {mode:o}, expected 600"):
        signing.signer(tmp_path / "models.key")


def rsa():
    return generate_private_key(65_537, 2048)


RSA_PRIVATE = rsa().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
RSA_PUBLIC = rsa().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("content", [b"", b"secret words", b"\xff", RSA_PRIVATE])
def test_what_is_no_signing_key_is_refused_without_a_word_of_it(tmp_path, content):
    path = tmp_path / "models.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(BadKey) as caught:
        signing.signer(path)
    assert str(caught.value) == f"{path}: expected an Ed25519 private key, PEM"


@pytest.mark.parametrize("content", [b"", b"words", b"\xff", RSA_PUBLIC, RSA_PRIVATE])
def test_what_is_no_public_key_is_refused(tmp_path, content):
    (tmp_path / "models.pub").write_bytes(content)
    with pytest.raises(BadKey, match="expected Ed25519 public keys, PEM, and nothing else"):
        signing.trusted(tmp_path / "models.pub")


@pytest.mark.parametrize("more", [b"words", RSA_PUBLIC, b"-----BEGIN PUBLIC KEY-----\nAA\n-----END PUBLIC KEY-----\n"])
def test_a_public_file_with_something_else_in_it_is_refused(tmp_path, more):
    public = signing.create(tmp_path / "models.key")
    public.write_bytes(public.read_bytes() + more)
    with pytest.raises(BadKey, match="and nothing else"):
        signing.trusted(public)


def test_no_signing_key_gets_the_name_of_a_public_file(tmp_path):
    with pytest.raises(BadKey, match="expected another name for the signing key"):
        signing.create(tmp_path / "models.pub")
    assert not list(tmp_path.iterdir())


def test_missing_keys_are_said_with_what_to_do(tmp_path):
    with pytest.raises(BadKey, match="`amana models keys` makes a signing key"):
        signing.signer(tmp_path / "absent.key")
    with pytest.raises(BadKey, match="expected the public key of those who make models"):
        signing.trusted(tmp_path / "absent.pub")


def test_the_key_beside_a_folder_is_made_once_and_never_where_only_its_public_file_is(tmp_path):
    folder = tmp_path / "models"
    first = signing.signer_of(folder)
    assert signing.signer_of(folder).public == first.public
    signing.signing_path(folder).unlink()
    with pytest.raises(BadKey, match="`amana models keys` makes a signing key"):
        signing.signer_of(folder)


def test_a_signer_is_neither_printed_nor_copied(tmp_path):
    signer = signing.signer_of(tmp_path / "models")
    assert "Ed25519" not in repr(signer)
    for leak in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(signer)
