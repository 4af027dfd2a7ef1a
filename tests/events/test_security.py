"""How Kafka is reached, from the environment: nothing in plain by accident, no secret but in a file."""

import pickle
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from events.cli import topics
from events.errors import BadSecurity
from events.security import Brokers, Security, kafka_configs, secured, security_of
from vault.certificates import Member, create

SCRAM = {
    "AMANA_KAFKA_PROTOCOL": "SASL_SSL",
    "AMANA_KAFKA_CA": "ca.pem",
    "AMANA_KAFKA_USER": "screen",
    "AMANA_KAFKA_PASSWORD_FILE": "word",
}


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    made = tmp_path / "secrets"
    members = [Member("screen", secrets={"word": b"sesame\n"}), Member("admin", certified=True)]
    create(made, members, datetime.now(UTC), timedelta(days=1))
    return made


def test_brokers_on_this_machine_are_reached_in_plain_without_a_word() -> None:
    for text in ("127.0.0.1:9092", "localhost", "[::1]:9092,127.0.0.1:9093"):
        assert secured(text, {}).security == Security()
        assert kafka_configs(secured(text, {})) == {}


@pytest.mark.parametrize("text", ["kafka:9092", "127.0.0.1:9092,10.0.0.1:9092", "127.0.0.1.example:9092"])
def test_brokers_elsewhere_are_not_unless_somebody_says_so(text: str) -> None:
    with pytest.raises(BadSecurity, match="not on this machine and AMANA_KAFKA_PROTOCOL is not set: expected SASL_SSL"):
        secured(text, {})
    assert secured(text, {"AMANA_KAFKA_PROTOCOL": "PLAINTEXT"}).security == Security()


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "sasl_ssl", "TLS"])
def test_a_password_in_plain_is_no_choice(protocol: str) -> None:
    with pytest.raises(BadSecurity, match="AMANA_KAFKA_PROTOCOL: expected one of PLAINTEXT, SSL, SASL_SSL"):
        secured("kafka:9092", SCRAM | {"AMANA_KAFKA_PROTOCOL": protocol})


def test_what_is_given_without_a_protocol_is_not_left_aside() -> None:
    given = {name: value for name, value in SCRAM.items() if name != "AMANA_KAFKA_PROTOCOL"}
    with pytest.raises(BadSecurity, match="AMANA_KAFKA_CA, AMANA_KAFKA_USER, AMANA_KAFKA_PASSWORD_FILE: without"):
        secured("127.0.0.1:9092", given)


@pytest.mark.parametrize("missing", ["AMANA_KAFKA_USER", "AMANA_KAFKA_PASSWORD_FILE"])
def test_half_a_proof_is_refused_before_anybody_connects(missing: str) -> None:
    with pytest.raises(BadSecurity, match=f"AMANA_KAFKA_PROTOCOL is SASL_SSL: expected {missing} as well"):
        secured("kafka:9092", SCRAM | {missing: ""})


def test_the_administrator_needs_a_certificate() -> None:
    with pytest.raises(BadSecurity, match="is SSL: expected AMANA_KAFKA_CERTIFICATE as well"):
        secured("kafka:9092", {"AMANA_KAFKA_PROTOCOL": "SSL"})


def test_a_client_gets_name_password_and_a_context_that_checks(secrets: Path) -> None:
    own = secrets / "screen"
    given = SCRAM | {"AMANA_KAFKA_CA": str(own / "ca.pem"), "AMANA_KAFKA_PASSWORD_FILE": str(own / "word")}
    configs = kafka_configs(secured("kafka:9092", given))
    context = configs.pop("ssl_context")
    assert configs == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "screen",
        "sasl_plain_password": "sesame",
    }
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_3


def test_an_administrators_client_has_its_certificate_and_no_password(secrets: Path) -> None:
    own = secrets / "admin"
    given = {"AMANA_KAFKA_CA": str(own / "ca.pem"), "AMANA_KAFKA_CERTIFICATE": str(own / "own.pem")}
    assert kafka_configs(secured("kafka:9094", given | {"AMANA_KAFKA_PROTOCOL": "SSL"})).keys() == {
        "security_protocol",
        "ssl_context",
    }


def test_files_that_are_missing_or_empty_are_named(secrets: Path) -> None:
    own = secrets / "screen"
    (own / "empty").touch()
    for name, said in (("nowhere", "FileNotFoundError; expected a password's file"), ("empty", "empty; expected one")):
        with pytest.raises(BadSecurity, match=f"{name}: {said}"):
            Security("SASL_SSL", own / "ca.pem", "screen", own / name).password()
    with pytest.raises(BadSecurity, match="word or None: SSLError; expected PEM files"):
        Security("SASL_SSL", own / "word", "screen", own / "word").context()


def test_how_they_are_reached_goes_wherever_the_addresses_go(secrets: Path) -> None:
    brokers = secured("kafka:9092", SCRAM)
    assert brokers == "kafka:9092"
    assert pickle.loads(pickle.dumps(brokers)).security == brokers.security
    assert security_of(brokers).user == "screen"
    assert security_of("kafka:9092") == Security()
    assert "sesame" not in repr(Brokers("kafka:9092", Security(password_file=secrets / "screen" / "word")).security)


def test_a_command_says_what_is_wrong_with_how_its_brokers_are_reached() -> None:
    result = CliRunner().invoke(topics, ["list", "--brokers", "kafka:9092"])
    assert result.exit_code == 2
    assert "brokers kafka:9092 are not on this machine" in result.stderr
