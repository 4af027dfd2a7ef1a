import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import distribution
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml
from cryptography import x509

from events.options import BrokersType
from events.security import VARIABLES
from sharing.contracts import FOLDER, load
from streams.cli import main
from streams.secrets import make

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
STAGES = {"intake", "screen", "fallback", "history", "opener", "projector", "deliverer"}
SERVING = {"partner-api", "console", "privacy-console"}
CONSOLES = ("console", "privacy-console")
PARTNERS = sorted({load(path).partner for path in FOLDER.glob("*.yaml")})
# Whose secrets and names a service has, where they are not its own.
OTHERS = {"store": "publisher", "partner-api": "deliverer", "migrate": "amana"}
LOGINS = OTHERS | {"privacy-console": "console"}


def amana_commands() -> Iterator[tuple[str, list[str]]]:
    """Service and arguments of every `amana ...` that the file runs, also inside a shell's line."""
    for name, service in SERVICES.items():
        command = [*service.get("entrypoint", []), *service.get("command", [])]
        if command[:1] == ["amana"]:
            yield name, command[1:]
        elif command[:2] == ["sh", "-c"]:
            for line in re.findall(r"\bamana ([^;&|]+)", command[2]):
                yield name, line.split()


def test_the_file_is_what_the_compose_specification_allows() -> None:
    path = distribution("check-jsonschema").locate_file("check_jsonschema/builtin_schemas/vendor/compose-spec.json")
    schema = json.loads(Path(str(path)).read_text())
    jsonschema.validate(COMPOSE, schema)


def test_no_secret_is_in_the_file() -> None:
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if variable.endswith(("_FILE", "_API_PRIVATE_KEY")):
                assert value.startswith("/secrets/"), f"{name}: {variable} is no file of its secrets"
            elif re.search("PASSWORD|SECRET|TOKEN|KEY$", variable):
                assert re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", value), f"{name}: {variable} is not taken from outside"
    assert not re.search(r"://[^/\s:@]+:[^/\s@]+@", TEXT), "an address holds a password"


def found(service: str, arguments: list[str]) -> tuple[click.Command, click.Context, list[str]]:
    """The command of such a line, and what is left of the line for it."""
    command: click.Command = main
    context = click.Context(main, info_name="amana")
    while isinstance(command, click.Group) and arguments:
        _, sub, arguments = command.resolve_command(context, list(arguments))
        assert sub is not None, service
        command = sub
        context = click.Context(command, parent=context, info_name=command.name)
    assert not isinstance(command, click.Group), f"{service}: a sub-command is missing"
    return command, context, list(arguments)


@pytest.mark.parametrize(("service", "arguments"), list(amana_commands()), ids=str)
def test_every_command_it_runs_is_one_that_amana_takes(service: str, arguments: list[str]) -> None:
    command, context, left = found(service, arguments)
    command.make_parser(context).parse_args(left)  # raises for what it does not know


def read_by(service: str) -> set[str]:
    """The variables of the environment that a service's commands read."""
    names: set[str] = set()
    for name, arguments in amana_commands():
        if name == service:
            options = found(service, arguments)[0].params
            names |= {str(option.envvar) for option in options if option.envvar}
            if any(isinstance(option.type, BrokersType) for option in options):
                names |= set(VARIABLES)
    return names


@pytest.mark.parametrize("service", [name for name, _ in amana_commands()])
def test_every_variable_that_a_service_sets_is_one_that_its_command_reads(service: str) -> None:
    assert set(SERVICES[service].get("environment", {})) <= read_by(service)


def test_all_partners_with_a_contract_have_keys_topics_and_passwords() -> None:
    told = [line for line in amana_commands() if "--partner" in line[1]]
    assert [name for name, _ in told] == ["certs", "topics", "topics"]
    for name, line in told:
        assert [after for each, after in pairwise(line) if each == "--partner"] == PARTNERS, name
    assert f"for name in {' '.join(PARTNERS)};" in SERVICES["partners"]["command"][2]


def test_every_stage_and_every_server_tells_its_health() -> None:
    assert set(SERVICES) >= STAGES
    for name in STAGES | SERVING | {"kafka", "redis", "postgres"}:
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD", name


def test_what_waits_for_a_server_waits_until_it_is_healthy() -> None:
    for name, service in SERVICES.items():
        for awaited, how in service.get("depends_on", {}).items():
            expected = (
                "service_completed_successfully" if SERVICES[awaited].get("restart") == "no" else "service_healthy"
            )
            assert how == {"condition": expected}, f"{name} waits for {awaited}"


def mounted(name: str, volume: str) -> list[Any]:
    """What of a volume a service mounts: its path, or the part."""
    found = []
    for each in SERVICES[name].get("volumes", []):
        if isinstance(each, dict) and each["source"] == volume:
            assert each["read_only"] is True, name
            found.append(each["volume"]["subpath"])
        elif isinstance(each, str) and each.startswith(f"{volume}:"):
            found.append(each.partition(":")[2])
    return found


def parts_of_keys() -> dict[str, set[str]]:
    """By folder the purposes that `keys` puts into it."""
    lines = [line for name, line in amana_commands() if name == "keys" and line[:2] == ["keys", "part"]]
    return {
        line[2].split("/")[2]: {after for each, after in pairwise(line) if each == "--purpose"}
        for line in lines
        if line[2].endswith("/keyring.json")
    }


def test_each_reads_the_keys_that_it_needs_and_no_others() -> None:
    with_keys = {name: mounted(name, "keys") for name in SERVICES if mounted(name, "keys")}
    assert with_keys.pop("keys") == ["/keys"]
    same = {name: [name] for name in ("intake", "opener", "projector", "deliverer", *CONSOLES)}
    assert with_keys == same | {"jwks": ["projector"], "partner-api": ["deliverer"]}
    assert parts_of_keys() == {
        "intake": {"pseudonym"},
        "opener": {"envelope", "blind_index"},
        "projector": {"envelope", "disclosure", "partner", "token"},
        "deliverer": {"ledger"},
    } | {name: {"envelope", "blind_index"} for name in CONSOLES}


def test_partners_private_keys_are_read_by_nobody_of_ours() -> None:
    assert [name for name in SERVICES if mounted(name, "own")] == ["partners"]
    public = {name: mounted(name, "partners") for name in SERVICES if mounted(name, "partners")}
    assert public.pop("partners") == ["/partners"]
    assert public == {name: ["/partners:ro"] for name in ("projector", "deliverer", "partner-api")}


def test_our_published_keys_are_written_by_one() -> None:
    published = {name: mounted(name, "published") for name in SERVICES if mounted(name, "published")}
    assert published == {
        "jwks": ["/published"],
        "projector": ["/published:ro"],
        "partner-api": ["/published:ro"],
    }


def test_each_has_its_own_secrets_and_those_who_set_passwords_have_all() -> None:
    parts = {name: mounted(name, "secrets") for name in SERVICES}
    assert parts.pop("certs") == ["/secrets"]
    assert all(parts.pop(name) == [] for name in ("keys", "partners", "jwks"))
    assert all(parts.pop(name) == ["all"] for name in ("topics", "migrate"))
    names = STAGES | SERVING | {"kafka", "redis", "postgres", "accounts", "store"}
    assert parts == {name: [f"all/{OTHERS.get(name, name)}"] for name in names}


def test_every_secret_that_is_mounted_or_named_is_one_that_is_made(tmp_path: Path) -> None:
    made = make(tmp_path / "secrets", PARTNERS, datetime.now(UTC))
    for name, service in SERVICES.items():
        parts = [] if name == "certs" else mounted(name, "secrets")
        assert {part.removeprefix("all/") for part in parts} <= {*made, "all"}, name
        root = tmp_path / "secrets" / "".join(parts).removeprefix("all").lstrip("/")
        for value in (*service.get("environment", {}).values(), *map(str, service.get("command", []))):
            for path in re.findall(r"(?:/secrets|/all)/([a-z./]+\.[a-z]+|[a-z/]*pgpass)", str(value)):
                assert (root / path).is_file(), f"{name}: {path}"


def test_who_serves_https_is_known_by_the_name_that_its_certificate_says(tmp_path: Path) -> None:
    make(tmp_path / "secrets", PARTNERS, datetime.now(UTC))
    for name in SERVING | {"kafka", "redis", "postgres"}:
        own = (tmp_path / "secrets" / OTHERS.get(name, name) / "own.pem").read_bytes()
        certificate = x509.load_pem_x509_certificate(own)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert {name, "localhost"} <= set(names.get_values_for_type(x509.DNSName))
    for name in ("projector", "deliverer", "partner-api"):
        assert SERVICES[name]["environment"]["AMANA_ISSUER"] == "https://partner-api:8443"


def test_nobody_is_told_to_connect_in_plain() -> None:
    for name in STAGES | {"store", "console"}:
        environment = SERVICES[name]["environment"]
        assert environment["AMANA_KAFKA_PROTOCOL"] == "SASL_SSL"
        assert environment["AMANA_KAFKA_USER"] == OTHERS.get(name, name)
    addresses = re.findall(r"(?:AMANA_DATABASE|AMANA_PRIVACY_DATABASE|AMANA_REDIS): (\S+)", TEXT)
    assert len(addresses) == 11
    for address in addresses:
        assert address.startswith("rediss://") or "?sslmode=verify-full&sslrootcert=" in address


def test_each_logs_in_to_postgres_as_itself() -> None:
    for name, service in SERVICES.items():
        address = service.get("environment", {}).get("AMANA_DATABASE")
        if address is not None:
            assert address.startswith(f"postgresql+psycopg://{LOGINS.get(name, name)}@postgres/amana?"), name


def test_privacy_officers_have_a_console_of_their_own_and_the_analysts_has_no_rights_for_their_work(
    tmp_path: Path,
) -> None:
    private = {name for name, service in SERVICES.items() if "AMANA_PRIVACY_DATABASE" in service.get("environment", {})}
    assert private == {"privacy-console"}
    service = SERVICES["privacy-console"]
    assert service["environment"]["AMANA_PRIVACY_DATABASE"].startswith("postgresql+psycopg://privacy@postgres/amana?")
    assert service["profiles"] == ["privacy"]
    make(tmp_path / "secrets", PARTNERS, datetime.now(UTC))
    logins = {
        name: [line.split(":")[3] for line in (tmp_path / "secrets" / name / "pgpass").read_text().splitlines()]
        for name in CONSOLES
    }
    assert logins == {"console": ["console"], "privacy-console": ["privacy", "console"]}
    held = {path.name for path in (tmp_path / "secrets" / "privacy-console").iterdir()}
    assert held == {"ca.pem", "own.pem", "pgpass"}


def test_redis_keeps_every_write_and_evicts_nothing() -> None:
    assert SERVICES["redis"]["command"] == ["redis-server", "/etc/amana/redis.conf"]
    lines = (ROOT / "deploy" / "redis" / "redis.conf").read_text().splitlines()
    assert {"appendonly yes", "appendfsync always", "maxmemory-policy noeviction", 'save ""', "port 0"} <= set(lines)


def test_nothing_is_published_beyond_this_machine() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports == [
        "127.0.0.1:29092:29092",
        "127.0.0.1:9300:9300",
        "127.0.0.1:8443:8443",
        "127.0.0.1:8600:8600",
        "127.0.0.1:8601:8601",
    ]
