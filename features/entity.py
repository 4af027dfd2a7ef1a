"""One entity's numbers as they would stand in an order's vector now; the store that is asked is not changed."""

from typing import Any

from events.facts import Coordinates, Entities, OrderFact
from features.batches import key, shard_of
from features.definitions import Definitions
from features.errors import ForeignStore
from features.numbers import AMOUNT
from features.store import Chunk, Client, Store, written_for


async def state(client: Client, definitions: Definitions, kind: str, pseudonym: str) -> bytes | None:
    """An entity's packed value, None if the store has not seen it or has forgotten it.

    Raises ForeignStore for a store of other definitions, or of none.
    """
    definitions_there, shards = await written_for(client, 0, ("definitions", "shards"))
    if definitions_there != definitions.hash:
        raise ForeignStore(f"the feature store is of definitions {definitions_there}, expected {definitions.hash}")
    shard = shard_of(pseudonym, int(shards))
    packed: Any = await client.get(key(shard, kind, pseudonym))
    return packed if packed is None else bytes(packed)


async def numbers(
    scratch: Store, client: Client, kind: str, pseudonym: str, packed: bytes, at_ms: int
) -> list[tuple[str, str, float]]:
    """(name, text, number) of each feature of the entity alone, read by the engine itself as of a moment.

    `scratch` is an empty store of one shard, `client` its client: the value is put there, and an order of nothing but
    the entity is applied to it.
    """
    await scratch.prepare("inspection")
    await client.set(key(0, kind, pseudonym), packed)
    order = OrderFact(
        source=Coordinates("inspection", "inspection", 0, 0),
        event_id="inspection",
        occurred_at_ms=at_ms,
        recorded_at_ms=at_ms,
        entities=Entities(**{kind: pseudonym}),
        order_id="inspection",
        amount_minor=0,
        currency="USD",
        method="card",
    )
    applied = await scratch.apply(Chunk(0, -1, 0, [0], [order]))
    of_all = zip(scratch.definitions.features, applied.matrix[0].tolist(), strict=True)
    return [
        (feature.name, feature.text, value)
        for feature, value in of_all
        if getattr(feature, "kind", None) == kind and AMOUNT not in getattr(feature, "inputs", ())
    ]
