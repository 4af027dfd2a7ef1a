import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml

from streams.cli import main
from streams.secrets import make

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
STAGES = {"intake", "screen", "fallback", "history", "opener", "projector"}


def amana_commands() -> Iterator[tuple[str, list[str]]]:
    """Service and arguments of every `amana ...` that the file runs, also inside a shell's line."""
    for name, service in SERVICES.items():
        command = service.get("command", [])
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
            if variable.endswith("_FILE"):
                assert value.startswith("/secrets/"), f"{name}: {variable} is no file of its secrets"
            elif re.search("PASSWORD|SECRET|TOKEN|KEY$", variable):
                assert re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", value), f"{name}: {variable} is not taken from outside"
    assert not re.search(r"://[^/\s:@]+:[^/\s@]+@", TEXT), "an address holds a password"


@pytest.mark.parametrize(("service", "arguments"), list(amana_commands()), ids=str)
def test_every_command_it_runs_is_one_that_amana_takes(service: str, arguments: list[str]) -> None:
    command: click.Command = main
    context = click.Context(main, info_name="amana")
    while isinstance(command, click.Group) and arguments:
        _, found, arguments = command.resolve_command(context, list(arguments))
        assert found is not None, service
        command = found
        context = click.Context(command, parent=context, info_name=command.name)
    assert not isinstance(command, click.Group), f"{service}: a sub-command is missing"
    command.make_parser(context).parse_args(list(arguments))  # raises for what it does not know


def test_every_stage_and_every_server_tells_its_health() -> None:
    assert set(SERVICES) >= STAGES
    for name in STAGES | {"kafka", "redis", "postgres"}:
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


def test_only_intake_the_opener_and_the_projector_can_read_the_keys() -> None:
    with_keys = {name: mounted(name, "keys") for name in SERVICES if mounted(name, "keys")}
    assert with_keys == {"keys": ["/keys"], "intake": ["/keys:ro"], "opener": ["/keys:ro"], "projector": ["/keys:ro"]}


def test_each_has_its_own_secrets_and_those_who_set_passwords_have_all() -> None:
    parts = {name: mounted(name, "secrets") for name in SERVICES}
    assert parts.pop("certs") == ["/secrets"]
    assert parts.pop("keys") == []
    assert parts.pop("store") == ["all/publisher"]
    assert {name for name, part in parts.items() if part == ["all"]} == {"topics", "migrate"}
    assert all(parts.pop(name) == ["all"] for name in ("topics", "migrate"))
    assert parts == {name: [f"all/{name}"] for name in STAGES | {"kafka", "redis", "postgres"}}


def test_every_part_of_the_secrets_is_one_that_is_made(tmp_path: Path) -> None:
    made = make(tmp_path / "secrets", ["acquirer"], datetime.now(UTC))
    for name in set(SERVICES) - {"certs", "topics", "migrate"}:
        for part in mounted(name, "secrets"):
            assert part.removeprefix("all/") in made, name
    for name in STAGES | {"store", "topics", "migrate"}:
        root = tmp_path / "secrets" / ("" if name in ("topics", "migrate") else mounted(name, "secrets")[0][4:])
        for value in SERVICES[name]["environment"].values():
            for path in re.findall(r"(?:/secrets|/all)/([a-z./]+)", str(value)):
                assert (root / path).is_file(), f"{name}: {path}"


def test_nobody_is_told_to_connect_in_plain() -> None:
    for name in STAGES | {"store"}:
        environment = SERVICES[name]["environment"]
        assert environment["AMANA_KAFKA_PROTOCOL"] == "SASL_SSL"
        assert environment["AMANA_KAFKA_USER"] == ("publisher" if name == "store" else name)
    addresses = re.findall(r"(?:AMANA_DATABASE|AMANA_REDIS): (\S+)", TEXT)
    assert len(addresses) == 5
    for address in addresses:
        assert address.startswith("rediss://") or "?sslmode=verify-full&sslrootcert=" in address


def test_redis_keeps_every_write_and_evicts_nothing() -> None:
    assert SERVICES["redis"]["command"] == ["redis-server", "/etc/amana/redis.conf"]
    lines = (ROOT / "deploy" / "redis" / "redis.conf").read_text().splitlines()
    assert {"appendonly yes", "appendfsync always", "maxmemory-policy noeviction", 'save ""', "port 0"} <= set(lines)


def test_nothing_is_published_beyond_this_machine() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:29092:29092", "127.0.0.1:9300:9300"]
