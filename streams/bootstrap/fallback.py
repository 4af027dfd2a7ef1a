"""Wires `amana fallback`."""

import asyncio
import signal
from collections.abc import Awaitable
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any

from events import topics
from models import fallback
from models.decisions import Decision
from streams.bootstrap import group, known_topics, now_ms, sender, started
from streams.fallback import Fallback
from streams.metrics import Metrics, serve
from streams.settings import Settings
from streams.stages.screen import decision_messages
from streams.tail import Tail
from streams.watch import watch_topics
from streams.worker import fail


def run_fallback(settings: Settings) -> None:
    """Until a signal stops it; ends the process, as a worker does, when something is wrong."""
    with suppress(asyncio.CancelledError):
        asyncio.run(_until_stopped(settings))


async def _until_stopped(settings: Settings) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await _work(settings)
    except Exception as error:  # whatever it was: a successor begins where this one was
        fail(error)
        raise


async def _work(settings: Settings) -> None:
    read = (topics.FACTS, topics.DECISIONS)
    topic_ids = await asyncio.to_thread(known_topics, settings.brokers, read)
    async with AsyncExitStack() as stack:
        metrics = Metrics()
        process = await _wired(settings, stack, metrics)
        if settings.metrics_port is not None:
            site = await serve(metrics, lambda: process.ready, settings.metrics_host, settings.metrics_port)
            stack.push_async_callback(site.cleanup)
        await _first_to_end(process.run(), watch_topics(settings.brokers, topic_ids))


async def _wired(settings: Settings, stack: AsyncExitStack, metrics: Metrics) -> Fallback:
    tail = Tail(settings.brokers, group("screen"), now_ms)
    await started(stack, tail)
    out = await sender(settings, stack, "fallback")

    async def publish(partition: int, decisions: list[Decision]) -> None:
        await out.send(topics.DECISIONS, partition, decision_messages(decisions))

    conclude = partial(fallback.conclude, limits=fallback.Limits(settings.review_from))
    return Fallback(tail, conclude, publish, round(settings.deadline * 1000), now_ms, metrics)


async def _first_to_end(*endless: Awaitable[Any]) -> None:
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
