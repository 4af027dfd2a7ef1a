"""Certificates for a try: who is vouched for, for how long, and who can read what."""

import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from vault.certificates import LOOPBACK, Member, create
from vault.errors import CertificatesError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MEMBERS = (
    Member("kafka", ("kafka", *LOOPBACK)),
    Member("admin", certified=True, secrets={"word": b"open\n"}),
    Member("screen", secrets={"word": b"sesame\n"}),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "deep" / "secrets"
    create(made, MEMBERS, NOW, timedelta(days=30))
    return made


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_a_folder_holds_what_its_machine_needs_and_nothing_of_others(folder: Path) -> None:
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {
        "ca.pem",
        "kafka/ca.pem",
        "kafka/own.pem",
        "admin/ca.pem",
        "admin/own.pem",
        "admin/word",
        "screen/ca.pem",
        "screen/word",
    }
    assert (folder / "screen" / "word").read_bytes() == b"sesame\n"


def test_only_their_owner_can_read_keys_and_passwords(folder: Path) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}
    assert modes == {"ca.pem": 0o644, "own.pem": 0o600, "word": 0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_dir()} == {0o700}


def test_the_authoritys_key_is_nowhere(folder: Path) -> None:
    public = certificate(folder / "ca.pem").public_key()
    keys = [load_pem_private_key(path.read_bytes(), None) for path in folder.rglob("own.pem")]
    assert len(keys) == 2
    assert public not in [key.public_key() for key in keys]


def test_a_server_is_vouched_for_at_its_names_alone_and_a_client_at_none(folder: Path) -> None:
    server, client = certificate(folder / "kafka" / "own.pem"), certificate(folder / "admin" / "own.pem")
    named = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in named] == ["kafka", "localhost", "127.0.0.1", "::1"]
    uses = [cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value for cert in (server, client)]
    assert [ExtendedKeyUsageOID.SERVER_AUTH in use for use in uses] == [True, False]
    with pytest.raises(x509.ExtensionNotFound):
        client.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_it_ends_in_days_and_says_what_it_is_for(folder: Path) -> None:
    for path in (folder / "ca.pem", folder / "kafka" / "own.pem"):
        found = certificate(path)
        assert found.not_valid_after_utc == NOW + timedelta(days=30)
        (organisation,) = found.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        assert organisation.value == "Amana development, not for production"


def test_the_authority_vouches_for_its_own_and_for_no_other_authoritys(folder: Path, tmp_path: Path) -> None:
    create(tmp_path / "other", MEMBERS, NOW, timedelta(days=1))
    own = certificate(folder / "kafka" / "own.pem")
    own.verify_directly_issued_by(certificate(folder / "ca.pem"))
    with pytest.raises(InvalidSignature):
        own.verify_directly_issued_by(certificate(tmp_path / "other" / "ca.pem"))
    ssl.create_default_context(cafile=folder / "ca.pem").load_cert_chain(folder / "kafka" / "own.pem")


def test_what_is_there_is_not_replaced(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(CertificatesError, match="already exists; certificates are never replaced"):
        create(folder, MEMBERS, NOW, timedelta(days=30))
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
