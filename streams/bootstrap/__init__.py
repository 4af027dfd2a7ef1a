"""The one place that wires: every worker's stage from settings, a module a worker, so that each loads only its own.

A test can wire the same parts with others.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Protocol

from kafka.errors import KafkaError

from events import admin, topics
from events.errors import Unreachable
from streams.errors import Stopped
from streams.kafka import Sender
from streams.lanes import Stage
from streams.metrics import Metrics, serve
from streams.purge import Purge
from streams.settings import Settings
from streams.watch import watch_progress, watch_topics
from streams.worker import Worker, WorkerSettings

Parts = Callable[[AsyncExitStack, Mapping[str, str], Metrics], Awaitable[Stage]]


class Client(Protocol):
    async def start(self) -> None: ...

    async def stop(self) -> None: ...


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def worker(settings: Settings, stage: str, read: Sequence[str], watched: Sequence[str], parts: Parts) -> Worker:
    """`watched` topics' ids are part of stored state: the worker stops when one is no longer the topic it was."""

    async def wire(app: Worker, stack: AsyncExitStack) -> Stage:
        topic_ids = await asyncio.to_thread(known_topics, settings.brokers, {*read, *watched})
        metrics = Metrics()
        if settings.metrics_port is not None:
            site = await serve(metrics, app.ready, settings.metrics_host, settings.metrics_port)
            stack.push_async_callback(site.cleanup)
        app.watch(watch_topics(settings.brokers, {topic: topic_ids[topic] for topic in watched}))
        app.watch(watch_progress(app, metrics))
        if raw := {topic: topic_ids[topic] for topic in read if topic in topics.UNIONS}:
            app.watch(Purge(settings.brokers, group(stage), raw, settings.purge_after, now_ms).run())
        return await parts(stack, topic_ids, metrics)

    member = f"{stage}-{settings.instance}"
    return Worker(
        WorkerSettings(group=group(stage), instance=member, brokers=settings.brokers, topics=tuple(read)), wire
    )


def known_topics(brokers: str, names: Collection[str]) -> dict[str, str]:
    """The topics' ids. Raises Stopped where one is missing, Unreachable where no broker answers."""
    try:
        found = admin.topic_ids(brokers, sorted(names))
    except KafkaError as error:
        raise Unreachable(f"no broker answered at {brokers}: {type(error).__name__}") from None
    if missing := sorted(set(names) - set(found)):
        raise Stopped(
            f"no topic {', '.join(missing)} at {brokers}: `amana topics create` makes them, a partner's with --partner"
        )
    return found


async def sender(settings: Settings, stack: AsyncExitStack, stage: str) -> Sender:
    made = Sender(settings.brokers, f"amana-{stage}-{settings.instance}")
    await started(stack, made)
    return made


async def started(stack: AsyncExitStack, client: Client) -> None:
    await client.start()
    stack.push_async_callback(client.stop)


def group(stage: str) -> str:
    """The consumer group of a stage."""
    return f"amana.{stage}"
