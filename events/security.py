"""How Kafka is reached: over TLS, as whom, with what to prove it. Every client of ours takes it from here.

Addresses travel as text through many hands; `Brokers` is that text together with how to be let in, so that no hand can
pass the one on without the other. Text that came from elsewhere is reached in plain, which a secured broker refuses.
"""

import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, get_args

import msgspec

from events.addresses import addresses
from events.errors import BadSecurity

Protocol = Literal["PLAINTEXT", "SSL", "SASL_SSL"]  # a password in plain (SASL_PLAINTEXT) is no choice
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
MECHANISM = "SCRAM-SHA-512"
_PREFIX = "AMANA_KAFKA_"
VARIABLES = tuple(_PREFIX + name for name in ("PROTOCOL", "CA", "USER", "PASSWORD_FILE", "CERTIFICATE"))
_PORT = re.compile(r":\d+$")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Security(msgspec.Struct, frozen=True):
    """Paths and a name, never a secret: files are read when a client is made.

    `ca` has the authorities that may vouch for a broker (PEM). `password_file` has the SCRAM password of `user`;
    `certificate` has a client's certificate and key in one PEM, for the protocol SSL.
    """

    protocol: Protocol = "PLAINTEXT"
    ca: Path | None = None
    user: str | None = None
    password_file: Path | None = None
    certificate: Path | None = None

    def context(self) -> ssl.SSLContext | None:
        """TLS 1.3, the broker's name and its authority checked. Raises BadSecurity for a file that cannot be used."""
        if self.protocol == "PLAINTEXT":
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate)
        except (OSError, ssl.SSLError) as error:
            raise BadSecurity(
                f"{self.ca} or {self.certificate}: {type(error).__name__}; expected PEM files that can be read"
            ) from None
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return context

    def password(self) -> str | None:
        """What the password's file says. Raises BadSecurity where it says nothing."""
        if self.password_file is None:
            return None
        try:
            found = self.password_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BadSecurity(f"{self.password_file}: {type(error).__name__}; expected a password's file") from None
        if not found:
            raise BadSecurity(f"{self.password_file}: empty; expected one line with the password")
        return found


class Brokers(str):
    """Kafka's addresses, HOST:PORT with commas between them, and how to be let in there."""

    __slots__ = ("security",)
    security: Security

    def __new__(cls, text: str, security: Security) -> Self:
        made = super().__new__(cls, text)
        made.security = security
        return made

    def __reduce__(self) -> tuple[type["Brokers"], tuple[str, Security]]:
        return Brokers, (str(self), self.security)


def security_of(brokers: str) -> Security:
    """How these brokers are reached."""
    return brokers.security if isinstance(brokers, Brokers) else Security()


def kafka_configs(brokers: str) -> dict[str, Any]:
    """The settings that kafka-python and aiokafka call alike. Raises BadSecurity."""
    security = security_of(brokers)
    if security.protocol == "PLAINTEXT":
        return {}
    configs: dict[str, Any] = {"security_protocol": security.protocol, "ssl_context": security.context()}
    if security.protocol == "SASL_SSL":
        configs |= {
            "sasl_mechanism": MECHANISM,
            "sasl_plain_username": security.user,
            "sasl_plain_password": security.password(),
        }
    return configs


def secured(brokers: str, environment: Mapping[str, str]) -> Brokers:
    """Addresses with what the environment's AMANA_KAFKA_* say of them.

    Raises BadSecurity where these do not fit each other, and where brokers on other machines would be reached in plain
    without anybody having said so; BadAddress.
    """
    given = {name: environment.get(name) or None for name in VARIABLES}
    protocol = given[VARIABLES[0]]
    hosts = addresses(brokers)
    if protocol is None:
        _only_loopback(hosts, given)
        return Brokers(",".join(hosts), Security())
    if protocol not in PROTOCOLS:
        raise BadSecurity(f"{VARIABLES[0]}: expected one of {', '.join(PROTOCOLS)}")
    _, ca, user, password_file, certificate = given.values()
    _complete(protocol, given)
    return Brokers(",".join(hosts), Security(protocol, _path(ca), user, _path(password_file), _path(certificate)))


def _only_loopback(hosts: list[str], given: Mapping[str, str | None]) -> None:
    if lonely := [name for name, value in given.items() if value]:
        raise BadSecurity(f"{', '.join(lonely)}: without {VARIABLES[0]}; expected it to be SASL_SSL or SSL")
    if far := [host for host in hosts if _PORT.sub("", host) not in _LOOPBACK]:
        raise BadSecurity(
            f"brokers {', '.join(far)} are not on this machine and {VARIABLES[0]} is not set: expected SASL_SSL "
            "(docs/security.md), or PLAINTEXT where nobody can listen"
        )


def _complete(protocol: str, given: Mapping[str, str | None]) -> None:
    needed = {"PLAINTEXT": (), "SSL": VARIABLES[4:], "SASL_SSL": VARIABLES[2:4]}[protocol]
    if missing := [name for name in needed if not given[name]]:
        raise BadSecurity(f"{VARIABLES[0]} is {protocol}: expected {' and '.join(missing)} as well")


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
