"""The feature store over TLS: who is let in, what each may do, and whom our client talks to."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.exceptions import AuthenticationError, NoPermissionError
from redis.exceptions import ConnectionError as Unconnected

from features.errors import NotAnAddress
from features.store import Client, connect
from tests.features.chunks import chunk, opened, order, rows
from tests.harness import SecuredRedis


@pytest.fixture(scope="module")
def server() -> Iterator[SecuredRedis]:
    with SecuredRedis() as running:
        yield running


def asked(url: str, ask: Callable[[Any], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with connect(url, timeout_s=10) as client:
            return await ask(client)

    return asyncio.run(run())


async def ping(client: Client) -> Any:
    return await client.execute_command("PING")


def test_screening_applies_chunks_with_the_commands_that_it_has(server: SecuredRedis) -> None:
    async def body(client: Any) -> list[Any]:
        store = await opened(client)
        await store.look()
        applied = await store.apply(chunk(0, order(0), order(1, 0.5), order(2, 3)))
        await store.apply(chunk(3, order(4), committed=3))  # with what it had kept to be forgotten
        return rows(applied)

    found = asked(server.reached_by("screen"), body)
    assert found == [[0, 0, 0, 0, 10], [1, 1000, 1, 30, 10], [2, 2000, 2, 180, 10]]


@pytest.mark.parametrize(
    "command",
    ["FLUSHALL", "KEYS *", "CONFIG GET dir", "ACL LIST", "SHUTDOWN", "SCAN 0", "GET elsewhere"],
)
@pytest.mark.parametrize("user", ["screen", "analysis"])
def test_nobody_does_more(server: SecuredRedis, user: str, command: str) -> None:
    with pytest.raises(NoPermissionError):
        asked(server.reached_by(user), lambda client: client.execute_command(*command.split()))


@pytest.mark.parametrize("command", ["SET {s00}x 1", "HSET {s00}fences f 1", "EVAL return(1) 0"])
def test_analysis_only_reads(server: SecuredRedis, command: str) -> None:
    assert asked(server.reached_by("analysis"), lambda client: client.hgetall("{s00}fences")) is not None
    with pytest.raises(NoPermissionError):
        asked(server.reached_by("analysis"), lambda client: client.execute_command(*command.split()))


def test_the_health_check_needs_no_password_and_can_do_nothing_else(server: SecuredRedis) -> None:
    authority = str(server.secrets / "screen" / "ca.pem")
    with redis.Redis(
        "127.0.0.1", server.port, username="health", password="any", ssl=True, ssl_ca_certs=authority
    ) as client:
        assert client.ping() is True
        with pytest.raises(NoPermissionError):
            client.get("{s00}fences")


@pytest.mark.usefixtures("failed_connections")
def test_plaintext_is_refused(server: SecuredRedis) -> None:
    with pytest.raises(Unconnected):
        asked(server.url, ping)


@pytest.mark.usefixtures("failed_connections")
def test_nobody_is_let_in_without_a_name_or_with_anothers_password(server: SecuredRedis) -> None:
    url = server.reached_by("screen")
    with pytest.raises(AuthenticationError):
        asked(url.replace("screen@", "analysis@", 1), ping)
    with pytest.raises(AuthenticationError):
        asked(url.replace("screen@", "", 1), ping)  # as the default user, which is off


@pytest.mark.usefixtures("failed_connections")
def test_a_server_that_the_authority_does_not_vouch_for_is_told_nothing(server: SecuredRedis) -> None:
    url = server.reached_by("screen")
    authority = f"ssl_ca_certs={server.secrets / 'screen' / 'ca.pem'}&"
    assert authority in url
    with pytest.raises(Unconnected, match="certificate verify failed"):
        asked(url.replace(authority, ""), ping)


@pytest.mark.usefixtures("failed_connections")
def test_a_server_under_another_name_is_told_nothing(server: SecuredRedis) -> None:
    with pytest.raises(Unconnected, match="certificate verify failed: IP address mismatch"):
        asked(server.reached_by("screen").replace("127.0.0.1", "127.0.0.2"), ping)


def test_a_passwords_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotAnAddress, match="nowhere: FileNotFoundError; expected the file of the store's password"):
        connect(f"rediss://screen@127.0.0.1:1/0?password_file={tmp_path}/nowhere")
