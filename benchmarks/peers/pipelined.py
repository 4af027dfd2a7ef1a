"""What the usual velocity counters have in common: a Redis pipeline a chunk, arithmetic in the client.

A pipeline's commands run in their order, so an order is read before it is counted and after those before it, as in
ours. Unlike ours they have no fence (a chunk that is repeated is counted twice by the buckets) and no lateness (an
order is read as of its own minute, however late it is).
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import hiredis
import numpy as np
import redis
from redis.asyncio import Redis

from benchmarks.velocity import NINE, Floats, begins, cents
from events.facts import OrderFact
from features.definitions import WINDOWS

IN_FLIGHT = 2  # as our store
WIDE = 2 * len(WINDOWS)
Command = tuple[str | int, ...]


class Moment(NamedTuple):
    """What all entities of an order count of it, and where their windows begin."""

    event_id: str
    second: int
    cents: int
    begins: list[int]


def moment_of(order: OrderFact) -> Moment:
    second = order.occurred_at_ms // 1000
    return Moment(order.event_id, second, cents(order), begins(second))


class Pipelined(ABC):
    """Counts and sums of the entities of orders; each entity is asked with `commands` commands."""

    name: ClassVar[str]
    commands: ClassVar[int]

    def __init__(self, client: Redis) -> None:
        self.client = client
        self._turns = asyncio.Semaphore(IN_FLIGHT)
        # For pipelines redis-py's asyncio client takes twice the processor time of its plain one.
        self._plain = redis.Redis(connection_pool=_plain_pool(client))

    async def apply(self, partition: int, orders: Sequence[OrderFact]) -> Floats:  # noqa: ARG002
        asked = [
            (row, kind, place, moment)
            for row, order in enumerate(orders)
            for moment in (moment_of(order),)
            for kind, place in self.places(order)
        ]
        commands = [command for _, _, place, moment in asked for command in self.ask(place, moment)]
        async with self._turns:
            answers = await self.execute(commands)
        step = self.commands
        found = [self.numbers(ask[2], ask[3], answers[at * step : (at + 1) * step]) for at, ask in enumerate(asked)]
        numbers = np.full((len(orders), len(NINE), WIDE), np.nan)
        numbers[[ask[0] for ask in asked], [ask[1] for ask in asked]] = found
        return numbers.reshape(len(orders), -1)

    async def execute(self, commands: Sequence[Command]) -> list[Any]:
        return await asyncio.to_thread(self._execute, commands)

    def _execute(self, commands: Sequence[Command]) -> list[Any]:
        # A transaction: the server writes and syncs once for the chunk, not once for each read of its socket.
        pipe = self._plain.pipeline(transaction=True)
        for command in commands:
            pipe.execute_command(*command)  # type: ignore[no-untyped-call]
        return pipe.execute()

    def places(self, order: OrderFact) -> Iterator[tuple[int, str]]:
        """The number of its kind and the key, for each entity that an order names."""
        for number, kind in enumerate(NINE):
            pseudonym = getattr(order.entities, kind)
            if pseudonym is not None:
                yield number, self.key(kind, pseudonym)

    def key(self, kind: str, pseudonym: str) -> str:
        return f"{self.name}:{kind}:{pseudonym}"

    @abstractmethod
    def ask(self, place: str, moment: Moment) -> Sequence[Command]:
        """Read an entity, then count the order."""

    @abstractmethod
    def numbers(self, place: str, moment: Moment, answers: Sequence[Any]) -> list[int]:
        """A count a window, then a sum a window."""

    @abstractmethod
    async def learn(self, orders: Sequence[OrderFact]) -> None:
        """As if the orders had been applied, in fewer commands."""


def _plain_pool(client: Redis) -> redis.ConnectionPool:
    known = client.connection_pool.connection_kwargs
    if "path" in known:
        return redis.ConnectionPool(redis.UnixDomainSocketConnection, path=known["path"], protocol=2)
    return redis.ConnectionPool(host=known["host"], port=known["port"], protocol=2)


async def bare(client: Redis, commands: Sequence[Command]) -> list[Any]:
    """A transaction without a client library: packed and parsed by hiredis."""
    known = client.connection_pool.connection_kwargs
    reader, writer = await (
        asyncio.open_unix_connection(known["path"])
        if "path" in known
        else asyncio.open_connection(known["host"], known["port"])
    )
    pack: Any = hiredis.pack_command
    writer.write(b"".join(map(pack, (("MULTI",), *commands, ("EXEC",)))))
    parser, answers, expected = hiredis.Reader(), 0, len(commands) + 2
    answer: Any = None
    while answers < expected:
        parser.feed(await reader.read(1 << 20))
        while (found := parser.gets()) is not False:
            answer, answers = found, answers + 1
    writer.close()
    await writer.wait_closed()
    return list(answer)
