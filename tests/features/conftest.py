import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from features.store import connect
from tests.features.streams import Run


@pytest.fixture(params=["redis_server", "redis_cluster", "embedded_redis"])
def url(request: pytest.FixtureRequest) -> str:
    """The URL of each server in turn that the engine must run on."""
    return str(request.getfixturevalue(request.param).url)


@pytest.fixture
def run(url: str) -> Run:
    """Runs a coroutine function with a client on an emptied server."""
    return runner(url)


def runner(url: str) -> Run:
    """Runs a coroutine function with a client on the server at `url`, which it empties first."""

    async def with_client(body: Callable[[Redis], Awaitable[Any]]) -> Any:
        async with connect(url) as client:
            await client.flushall()
            return await body(client)

    return lambda body: asyncio.run(with_client(body))
