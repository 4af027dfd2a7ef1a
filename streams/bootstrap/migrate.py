"""Wires `amana features migrate`."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import structlog
from kafka.errors import KafkaError
from redis.exceptions import RedisError

from events import topics
from events.errors import Unreachable
from features.definitions import DEFINITIONS
from features.store import connect, shown
from streams.bootstrap import group, known_topics, started
from streams.errors import Unmigratable
from streams.kafka import KafkaLog
from streams.migration import Migration, check_model

log = structlog.get_logger()


async def migrate(
    brokers: str,
    old: str,
    new: str,
    shards: int,
    switch_with: Path | None,
    bar: Callable[[str, float], Callable[[float], None]],
    models_key: Path | None = None,
) -> str:
    """Build the store at `new`; switch to it if there is a folder of models to switch with. Returns what is next."""
    if switch_with is not None:
        check_model(switch_with, DEFINITIONS.hash, models_key)
    try:
        topic_ids = await asyncio.to_thread(known_topics, brokers, (topics.FACTS, topics.DECISIONS))
    except KafkaError as error:
        raise Unreachable(f"no broker answered at {brokers}: {type(error).__name__}") from None
    async with AsyncExitStack() as stack:
        clients = [connect(url) for url in (old, new)]
        for client in clients:
            stack.push_async_callback(client.aclose)
        facts, decisions = (KafkaLog(brokers, name, group("screen")) for name in (topics.FACTS, topics.DECISIONS))
        await started(stack, facts)
        await started(stack, decisions)
        migration = Migration(clients[0], clients[1], facts, decisions, topic_ids[topics.FACTS], shards=shards)
        try:
            return await _run(migration, switch_with is not None, bar)
        except RedisError as error:
            raise Unmigratable(f"{shown(old)} or {shown(new)} did not answer: {type(error).__name__}") from None


async def _run(migration: Migration, switch: bool, bar: Callable[[str, float], Callable[[float], None]]) -> str:
    if await migration.done():
        return "switched before: screen with --redis set to the new store"
    await migration.build(bar("building the new store", await migration.behind()))
    if not switch:
        return "built: --switch puts it in the old store's place"
    await migration.switch(lambda said: log.warning("migration.waits", reason=said))
    return "switched: start screening with --redis set to the new store"
