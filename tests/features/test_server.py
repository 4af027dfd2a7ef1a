import asyncio
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as Unreachable

from features.errors import FeatureError
from features.server import binary, embedded, server
from features.store import connect


async def call(url: str, *command: str) -> object:
    async with connect(url) as client:
        return await client.execute_command(*command)


def test_the_embedded_server_answers_refuses_to_evict_and_ends_with_its_context() -> None:
    with embedded() as url:
        assert asyncio.run(call(url, "PING")) is True
        assert asyncio.run(call(url, "CONFIG", "GET", "maxmemory-policy")) == [b"maxmemory-policy", b"noeviction"]
        busy = asyncio.run(call(url, "CONFIG", "GET", "busy-reply-threshold"))
        assert busy == [b"busy-reply-threshold", b"0"]  # it never says that it is: who slept may go on
    with pytest.raises(Unreachable):
        asyncio.run(call(url, "PING"))


def test_a_folder_keeps_its_data(tmp_path: Path) -> None:
    with embedded(tmp_path) as url:
        asyncio.run(call(url, "SET", "key", "value"))
    with embedded(tmp_path) as url:
        assert asyncio.run(call(url, "GET", "key")) == b"value"


def test_a_server_that_cannot_start_says_why() -> None:
    with (
        pytest.raises(FeatureError, match=r"did not start: .*no-such-option"),
        server(binary(), options=["--no-such-option", "1"]),
    ):
        pass
