"""The velocity family and what it is measured with: orders that name nine entities, our store, lanes, costs."""

import asyncio
import gc
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray
from redis.asyncio import Redis

from benchmarks import workload
from benchmarks.processes import cpu_s
from events.facts import KINDS, AnyFact, OrderFact
from events.types import OrderPlaced
from features.batches import key
from features.definitions import DEFINITIONS, WINDOWS, Definitions
from features.store import Chunk, Store
from simulator.journal import Simulated
from simulator.store import simulate
from streams.log import CHUNK, batched
from vault.keyring import Keyring

Floats = NDArray[np.float64]
Lane = list[Sequence[OrderFact]]  # the chunks of one facts partition
NINE = tuple(kind for kind in KINDS if kind != "session")
_BY_NAME = {feature.name: feature for feature in DEFINITIONS.features}
FAMILY = Definitions(
    tuple(
        _BY_NAME[f"{kind}.orders.{what}.{window}"] for kind in NINE for what in ("count", "sum") for window in WINDOWS
    )
)


class Contender(Protocol):
    async def apply(self, partition: int, orders: Sequence[OrderFact]) -> Floats:
        """The vectors of a chunk of orders, (orders, features), each read just before it is counted."""

    async def learn(self, orders: Sequence[OrderFact]) -> None:
        """Count orders that nobody asks about, in order of time: how history comes to be."""

    def key(self, kind: str, pseudonym: str) -> str:
        """Where the state of an entity is."""


class Ours:
    """The product's store, prepared for its definitions by the first chunk."""

    def __init__(self, client: Redis, definitions: Definitions = FAMILY) -> None:
        self.store = Store(client, definitions)
        self._next: dict[int, int] = {}

    async def apply(self, partition: int, orders: Sequence[AnyFact]) -> Floats:
        return await self._apply(partition, orders, committed=0)

    async def learn(self, orders: Sequence[AnyFact]) -> None:
        """As a rebuild does: offsets that are committed ask for no row. In a partition of its own."""
        await self._apply(workload.PARTITIONS, orders, committed=len(orders))

    async def _apply(self, partition: int, facts: Sequence[AnyFact], committed: int) -> Floats:
        if not self._next:
            await self.store.prepare("bench")
        first = self._next.get(partition, 0)
        self._next[partition] = first + len(facts)
        offsets = range(first, first + len(facts))
        return (await self.store.apply(Chunk(partition, first - 1, first + committed, offsets, facts))).matrix

    def key(self, kind: str, pseudonym: str) -> str:
        return key(0, kind, pseudonym)


def begins(second: int) -> list[int]:
    """Where each window begins for an order at this second that is not late: docs/features-semantics.md."""
    minute = second - second % 60
    return [minute - minute % window.hop_s - window.width_s for window in WINDOWS.values()]


def cents(order: OrderFact) -> int:
    return FAMILY.rates.cents(order.amount_minor, order.currency, order.occurred_at_ms) or 0


def facts_of(told: Iterable[Simulated]) -> Iterator[AnyFact]:
    """What intake makes of a simulated store's events, under a key that is always the same."""
    with TemporaryDirectory(prefix="amana-bench-") as folder:
        keyring = Path(folder) / "keyring.json"
        Keyring.create(keyring, random.Random(7).randbytes)
        intake = workload.intake(keyring)
    for part in batched(workload.records(told), CHUNK):
        yield from intake.take(part).facts


def orders(count: int) -> list[OrderFact]:
    """The first orders of a simulated store. What one lacks of the nine entities it gets as an entity of its own."""
    told = (one for one in simulate(workload.store(count, browsing=0.0)) if isinstance(one.event, OrderPlaced))
    facts = (fact for fact in facts_of(islice(told, count)) if isinstance(fact, OrderFact))
    made = [_with_nine(fact, number) for number, fact in enumerate(facts)]
    assert len(made) == count, f"expected {count} orders, the store had {len(made)}"
    return made


def _with_nine(order: OrderFact, number: int) -> OrderFact:
    lacking = {kind: f"{number:022}" for kind in NINE if getattr(order.entities, kind) is None}
    return msgspec.structs.replace(order, entities=msgspec.structs.replace(order.entities, **lacking))


def lanes(facts: Iterable[OrderFact], chunk: int = CHUNK) -> list[Lane]:
    """Facts by partition, a customer's always in one, and in chunks."""
    partitions: list[list[OrderFact]] = [[] for _ in range(workload.PARTITIONS)]
    for fact in facts:
        partitions[crc32((fact.entities.customer or "").encode()) % workload.PARTITIONS].append(fact)
    return [list(batched(partition, chunk)) for partition in partitions]


async def through(contender: Contender, work: Sequence[Lane]) -> None:
    """Every lane awaits a chunk before its next; what is in flight together is the contender's to say."""

    async def along(partition: int, lane: Lane) -> None:
        for chunk in lane:
            await contender.apply(partition, chunk)

    await asyncio.gather(*(along(partition, lane) for partition, lane in enumerate(work)))


async def cost(contender: Contender, work: Sequence[Lane], server: int) -> dict[str, float]:
    """Orders a second through one client process and one server process, and what each of them used."""
    count = sum(len(chunk) for lane in work for chunk in lane)
    gc.collect()
    gc.freeze()  # the workload is no garbage to look for
    client_s, server_s, began = time.process_time(), cpu_s(server), time.perf_counter()
    await through(contender, work)
    wall_s = time.perf_counter() - began
    gc.unfreeze()
    used = {"client": time.process_time() - client_s, "server": cpu_s(server) - server_s}
    return {"orders_per_s": count / wall_s} | {f"{name}_us_per_order": 1e6 * s / count for name, s in used.items()}
