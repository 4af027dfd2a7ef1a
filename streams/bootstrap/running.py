"""Processes without a Kafka group: run until a signal, end when something fails."""

import asyncio
import signal
from collections.abc import Awaitable
from typing import Any

from streams.worker import fail


async def until_stopped(work: Awaitable[None]) -> None:
    """SIGTERM and SIGINT cancel it; whatever it raises ends the process, and a successor begins where this one was."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await work
    except Exception as error:
        fail(error)
        raise


async def first_to_end(*endless: Awaitable[Any]) -> None:
    """Raises what the first of them to fail does; the others are cancelled."""
    tasks = [asyncio.ensure_future(each) for each in endless]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
