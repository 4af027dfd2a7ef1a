"""Small chunks of orders, and the store that takes them."""

import msgspec
from redis.asyncio import Redis

from events.facts import AnyFact, Coordinates, Entities, OrderFact, RefusedOrder
from features.definitions import Age, Definitions, Direct, Windowed
from features.store import Applied, Chunk, Store

NOON_MS = 1_767_268_800_000  # 2026-01-01 12:00 UTC
SMALL = Definitions((
    Windowed("card", "orders", "count", "10m"),
    Windowed("card", "orders", "sum", "10m"),
    Windowed("ip", "orders", "count", "10m"),
    Age("card"),
    Direct("amount_usd", 1),
))  # fmt: skip


def order(offset: int, minute: float = 0, *, card: str | None = "c", ip: str | None = "i", **more: object) -> OrderFact:
    return msgspec.structs.replace(
        OrderFact(
            source=Coordinates("orders", "orders-id", 0, offset),
            event_id=f"e{offset}",
            occurred_at_ms=NOON_MS + int(minute * 60_000),
            recorded_at_ms=NOON_MS,
            entities=Entities(card=card, ip=ip),
            order_id=f"o{offset}",
            amount_minor=1000,
            currency="USD",
            method="card",
        ),
        **more,
    )


def refused(offset: int) -> RefusedOrder:
    return RefusedOrder(
        source=Coordinates("orders", "orders-id", 0, offset),
        event_id="e",
        occurred_at_ms=NOON_MS,
        recorded_at_ms=NOON_MS,
        order_id="o",
        reason="refused.card_number",
    )


def chunk(first: int, *facts: AnyFact | None, committed: int = 0, partition: int = 0) -> Chunk:
    return Chunk(partition, first - 1, committed, range(first, first + len(facts)), facts)


async def opened(client: Redis, shards: int = 1, definitions: Definitions = SMALL) -> Store:
    store = Store(client, definitions, shards)
    await store.prepare("facts-id")
    return store


def rows(applied: Applied) -> list[list[float]]:
    return [row.tolist() for row in applied.matrix]
