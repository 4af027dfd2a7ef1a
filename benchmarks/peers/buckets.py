"""Velocity as the usual tutorials write it without keeping events: a hash an entity, a field a time bucket.

HGETALL reads, two HINCRBY a window count and sum, EXPIRE frees. A window's buckets are as long as our window's hop, so
the numbers are ours for orders that are not late (tests/benchmarks/test_peers.py); a late order's buckets hold later
ones too. Buckets that a read finds too old are deleted before the next chunk.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from redis.asyncio import Redis

from benchmarks.peers.pipelined import Command, Moment, Pipelined
from benchmarks.velocity import Floats, begins, cents
from events.facts import OrderFact
from features.definitions import LATENESS_S, WINDOWS
from features.script import TTL_S

_HOPS = tuple(window.hop_s for window in WINDOWS.values())
_WINDOWS = len(_HOPS)
# A field is the window's number, n or s, and the bucket's first second; here is which number of an entity it adds to.
_NUMBERS = {b"%d%b" % (at % _WINDOWS, b"s" if at >= _WINDOWS else b"n"): at for at in range(2 * _WINDOWS)}


class Buckets(Pipelined):
    name = "buckets"
    commands = 2 + 2 * _WINDOWS

    def __init__(self, client: Redis) -> None:
        super().__init__(client)
        self._old: dict[str, list[bytes]] = {}

    async def apply(self, partition: int, orders: Sequence[OrderFact]) -> Floats:
        old, self._old = self._old, {}
        await self._forget(old)
        return await super().apply(partition, orders)

    def ask(self, place: str, moment: Moment) -> list[Command]:
        return [
            ("HGETALL", place),
            *(("HINCRBY", place, field, amount) for field, amount in _increments(moment.second, 1, moment.cents)),
            ("EXPIRE", place, TTL_S),
        ]

    def numbers(self, place: str, moment: Moment, answers: Sequence[Any]) -> list[int]:
        numbers = [0] * (2 * _WINDOWS)
        for field, value in answers[0].items():
            number, begin = _NUMBERS[field[:2]], int(field[2:])
            first = moment.begins[number % _WINDOWS]
            if first <= begin <= moment.second:
                numbers[number] += int(value)
            elif begin < first - LATENESS_S:
                self._old.setdefault(place, []).append(field)
        return numbers

    async def learn(self, orders: Sequence[OrderFact]) -> None:
        counts: Counter[tuple[str, int]] = Counter()
        sums: Counter[tuple[str, int]] = Counter()
        for order in orders:
            minute, amount = order.occurred_at_ms // 60_000, cents(order)
            for _, place in self.places(order):
                counts[place, minute] += 1
                sums[place, minute] += amount
        pipe = self.client.pipeline(transaction=False)
        for (place, minute), number in counts.items():
            for field, amount in _increments(minute * 60, number, sums[place, minute]):
                pipe.hincrby(place, field, amount)
        await pipe.execute()
        windows = begins(orders[-1].occurred_at_ms // 1000)
        places = {place for place, _ in counts}
        await self._forget({place: list(_older(await self._fields(place), windows)) for place in places})

    async def _fields(self, place: str) -> list[bytes]:
        fields: Any = await self.client.hkeys(place)
        return list(fields)

    async def _forget(self, old: dict[str, list[bytes]]) -> None:
        pipe = self.client.pipeline(transaction=False)
        for place, fields in old.items():
            if fields:
                pipe.hdel(place, *fields)
        await pipe.execute()


def _increments(second: int, number: int, amount: int) -> Iterator[tuple[str, int]]:
    for window, hop_s in enumerate(_HOPS):
        begin = second - second % hop_s
        yield f"{window}n{begin}", number
        yield f"{window}s{begin}", amount


def _older(fields: Iterable[bytes], windows: Sequence[int]) -> Iterator[bytes]:
    for field in fields:
        if int(field[2:]) < windows[_NUMBERS[field[:2]] % _WINDOWS] - LATENESS_S:
            yield field
