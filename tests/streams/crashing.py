"""`amana`, killing itself at a named point: `AMANA_CRASH_AT=mid-commit python -m tests.streams.crashing screen`.

Each point wraps one seam of the product and leaves the rest as it is.
"""

import asyncio
import os
import signal
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from events import topics
from features.store import Store
from streams.cli import main
from streams.kafka import Sender
from streams.transport import ChunkConsumer


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def the_second_time() -> Callable[[], bool]:
    """Says yes the second time it is asked: something was done before."""
    asked = 0

    def asked_enough() -> bool:
        nonlocal asked
        asked += 1
        return asked == 2

    return asked_enough


def between_shards() -> None:
    """The first shard has applied a chunk, the second has not heard of it."""
    original, now = Store._call, the_second_time()
    first_done: dict[int, asyncio.Event] = defaultdict(asyncio.Event)  # by chunk

    async def call(self: Store, shard: int, batch: Any, chunk: Any, sources: Any) -> Any:
        if shard > 0 and now():
            await first_done[id(chunk)].wait()
            die()
        reply = await original(self, shard, batch, chunk, sources)
        if shard == 0:
            first_done[id(chunk)].set()
        return reply

    Store._call = call  # type: ignore[method-assign]


def after_apply() -> None:
    """Every shard has applied a chunk, nothing is published."""
    original, now = Store.apply, the_second_time()

    async def apply(self: Store, chunk: Any) -> Any:
        applied = await original(self, chunk)
        if applied.decided and now():
            die()
        return applied

    Store.apply = apply  # type: ignore[method-assign]


def sending(topic: str, share: float) -> None:
    """That share of a chunk's output to a topic is durable; nothing after it happened."""
    original, now = Sender.send, the_second_time()

    async def send(self: Sender, to: str, partition: int, messages: Any) -> None:
        messages = list(messages)
        if to == topic and len(messages) > 1 and now():
            await original(self, to, partition, messages[: round(share * len(messages))])
            die()
        await original(self, to, partition, messages)

    Sender.send = send  # type: ignore[method-assign]


def after_acknowledge() -> None:
    """A chunk is acknowledged, its offset is not committed."""
    original, now = ChunkConsumer.ack, the_second_time()

    def ack(self: ChunkConsumer, message: Any) -> bool:
        acknowledged: bool = original(self, message)
        if now():
            die()
        return acknowledged

    ChunkConsumer.ack = ack


def mid_commit() -> None:
    """Of the partitions to be committed, the broker has committed one; nothing came after what they stand for."""
    original = ChunkConsumer._commit
    held: dict[Any, int] = {}
    quiet: list[asyncio.Task[None]] = []

    async def commit_one_and_die(self: ChunkConsumer) -> None:
        await asyncio.sleep(1)
        await original(self, dict(list(held.items())[:1]))
        die()

    async def commit(self: ChunkConsumer, offsets: Any) -> bool:
        held.update(offsets)
        for task in quiet:
            task.cancel()
        quiet.append(asyncio.ensure_future(commit_one_and_die(self)))
        return True

    ChunkConsumer._commit = commit


POINTS: dict[str, Callable[[], None]] = {
    "between-shards": between_shards,
    "after-apply": after_apply,
    "mid-publish": lambda: sending(topics.DECISIONS, 0.5),
    "after-publish": lambda: sending(topics.DECISIONS, 1.0),
    "after-acknowledge": after_acknowledge,
    "mid-commit": mid_commit,
    "intake-after-facts": lambda: sending(topics.FACTS, 1.0),
}

if __name__ == "__main__":
    POINTS[os.environ["AMANA_CRASH_AT"]]()
    main()
