"""A throw-away authority and certificates for a try: TLS as in earnest, trust that ends in days.

The authority's key is never written: once a folder is made nobody can have it vouch for more. Each name gets a folder
of its own with all that its machine needs, so that one folder can be given away without another.
"""

import ipaddress
import os
import shutil
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from vault.errors import CertificatesError

AUTHORITY = "ca.pem"
OWN = "own.pem"  # a certificate and, before it, its key
ORGANISATION = "Amana development, not for production"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_EARLIER = timedelta(minutes=5)  # for machines whose clocks are behind


class Member(msgspec.Struct, frozen=True):
    """Who gets a folder: with a certificate for a server at its `hosts`, for a client if `certified`, or without one.

    `secrets` are written there as well, by file name.
    """

    name: str
    hosts: tuple[str, ...] = ()
    certified: bool = False
    secrets: Mapping[str, bytes] = {}


def create(folder: Path, members: Iterable[Member], now: datetime, lasting: timedelta) -> None:
    """Write FOLDER/ca.pem, and FOLDER/NAME with ca.pem, own.pem and secrets (mode 600) for each; all of it or nothing.

    Raises CertificatesError where there is anything at `folder`: what is there is never replaced.
    """
    if folder.exists():
        raise CertificatesError(f"{folder}: already exists; certificates are never replaced, name a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    issuer = _Authority(now - _EARLIER, now + lasting)
    _write(unfinished / AUTHORITY, issuer.pem, 0o644)
    for member in members:
        own = unfinished / member.name
        own.mkdir(mode=0o700)
        _write(own / AUTHORITY, issuer.pem, 0o644)
        if member.hosts or member.certified:
            _write(own / OWN, issuer.issue(member), 0o600)
        for name, secret in member.secrets.items():
            _write(own / name, secret, 0o600)
    unfinished.rename(folder)


class _Authority:
    """Lives as long as the command."""

    def __init__(self, since: datetime, until: datetime) -> None:
        self._since, self._until = since, until
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _subject("Amana development authority")
        self._certificate = (
            self._builder(self._subject, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = self._certificate.public_bytes(Encoding.PEM)

    def issue(self, member: Member) -> bytes:
        """The member's key and certificate, as PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if member.hosts else [])]
        builder = (
            self._builder(_subject(member.name), key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if member.hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_alternative(host) for host in member.hosts]), critical=False
            )
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return secret + builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def _builder(self, subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._since)
            .not_valid_after(self._until)
        )


def _subject(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _write(path: Path, body: bytes, mode: int) -> None:
    """With that mode from the beginning: nobody can have opened it before."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(body)
