"""What a feature store says it is for, and how that changes when another takes its place.

The fences name the facts topic, which `Store.prepare` compares, and the definitions, which the script compares for each
chunk. So a store that is being built opens for nobody, and one that is retired takes no chunk more from anybody who
still uses it: they need not be told.
"""

from typing import Any

import msgspec

from features.batches import fences_key
from features.store import Client

_RETIRED = ", migrated to "
_FIELDS = ("facts_topic_id", "definitions", "shards")


class Purpose(msgspec.Struct, frozen=True):
    """What a store was written for; `successor` are the definitions of the store that it was retired for."""

    facts_topic_id: str
    definitions: str
    shards: int
    successor: str | None = None


async def purpose(client: Client) -> Purpose | None:
    """As the first shard says; None where there is no feature store."""
    found: Any = await client.hmget(fences_key(0), list(_FIELDS))
    if None in found:
        return None
    topic_id, definitions, shards = (value.decode() for value in found)
    definitions, _, successor = definitions.partition(_RETIRED)
    return Purpose(topic_id, definitions, int(shards), successor or None)


def being_built(facts_topic_id: str) -> str:
    """What a store that is being built is prepared for, in place of the topic itself."""
    return f"{facts_topic_id}, being built"


async def retire(client: Client, store: Purpose, successor: str) -> None:
    """Every chunk from now on raises ForeignStore, as does `Store.prepare`; safe to repeat."""
    for shard in range(store.shards):
        await _state(client, shard, "definitions", f"{store.definitions}{_RETIRED}{successor}")


async def release(client: Client, facts_topic_id: str, shards: int) -> None:
    """Open a store that was being built; the first shard last, since it speaks for all."""
    for shard in reversed(range(shards)):
        await _state(client, shard, "facts_topic_id", facts_topic_id)


async def _state(client: Client, shard: int, field: str, value: str) -> None:
    stating: Any = client.hset(fences_key(shard), field, value)
    await stating
