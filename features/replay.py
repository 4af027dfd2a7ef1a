"""A log of facts replayed through the feature store: for training on new features, and for the audit's second opinion.

There is no second implementation of a feature here: facts are put in order and given to `features.store.Store`.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from events.facts import AnyFact, Coordinates, OrderFact
from events.facts import decode as decode_fact
from features.errors import Gap
from features.formulas import Floats
from features.numbers import LATENESS_S
from features.script import TTL_S
from features.store import Applied, Chunk, Store

CHUNK = 500
WARM_UP_MS = TTL_S * 1000  # what is older than this before an order, no feature of it can see
HOUR_MS = 3_600_000
_TOPIC = "replay"
_IN_FLIGHT = 2  # one chunk is encoded while the server works on the one before
_BUFFER_BYTES = 32 * 1024 * 1024

Unreadable = Callable[[int, int], None]  # told of the partition and number of a record that is no fact


class Head(msgspec.Struct, frozen=True):
    """What is needed to place a fact, at a sixth of the cost of decoding it."""

    fact: str
    source: Coordinates
    occurred_at_ms: int


decode_head = msgspec.json.Decoder(Head).decode


class Placed(NamedTuple):
    """A record in replay order: by `rank`, then facts partition, then its number in the log."""

    rank: int
    partition: int
    number: int
    body: bytes


class Repeats:
    """Which facts of a log the store would drop: those at or below the highest source offset met before.

    Asked in the log's order. It must be asked before facts are put in another order: the store's own rule would then
    drop a fact that merely comes later than its successor.
    """

    def __init__(self) -> None:
        self._highest: dict[tuple[int, str, int], int] = {}

    def met(self, partition: int, source: Coordinates) -> bool:
        """Whether the fact of this source is a repeat within its facts partition."""
        of = (partition, source.topic_id, source.partition)
        if source.offset <= self._highest.get(of, -1):
            return True
        self._highest[of] = source.offset
        return False


class Clocks:
    """Which facts of a log came late, by the store's own rule: asked in the log's order, as `Repeats` is."""

    def __init__(self) -> None:
        self._latest: dict[int, int] = {}

    def late(self, partition: int, head: Head) -> bool:
        """Whether the fact is more than the lateness behind its partition's clock, in whole minutes."""
        if head.fact == "refused":
            return False
        second = head.occurred_at_ms // 1000
        clock = self._latest[partition] = max(second, self._latest.get(partition, 0))
        return second < clock - clock % 60 - LATENESS_S


class Spool:
    """Records on disk, to be read back in order: an external sort by buckets of `width` ranks.

    Memory: the records of one bucket (for hours of event time an hour's facts, some 1 kB each) and 32 MB of buffers.
    Disk: every record once.
    """

    def __init__(self, folder: Path, width: int) -> None:
        self._folder, self._width = folder, width
        self._buffers: dict[int, list[bytes]] = {}
        self._buffered = 0
        self._buckets: set[int] = set()
        self.count = 0

    def add(self, placed: Placed) -> None:
        # JSON has no line break but as white space between its parts.
        body = placed.body.replace(b"\n", b" ")
        line = b"%d %d %d %b\n" % (placed.rank, placed.partition, placed.number, body)
        self._buffers.setdefault(placed.rank // self._width, []).append(line)
        self._buffered += len(line)
        self.count += 1
        if self._buffered > _BUFFER_BYTES:
            self._flush()

    def __iter__(self) -> Iterator[Placed]:
        self._flush()
        for bucket in sorted(self._buckets):
            with self._path(bucket).open("rb") as lines:
                yield from sorted(map(_placed, lines))

    def _flush(self) -> None:
        for bucket, lines in self._buffers.items():
            with self._path(bucket).open("ab") as file:
                file.writelines(lines)
        self._buckets.update(self._buffers)
        self._buffers, self._buffered = {}, 0

    def _path(self, bucket: int) -> Path:
        return self._folder / f"{bucket}.jsonl"


def _placed(line: bytes) -> Placed:
    rank, partition, number, body = line.split(b" ", 3)
    return Placed(int(rank), int(partition), int(number), body)


def decoded(records: Iterable[Placed], unreadable: Unreadable) -> Iterator[tuple[Placed, AnyFact]]:
    """Each record with its fact. Where there is none `unreadable` is told, which may raise; else it is passed over."""
    for record in records:
        try:
            fact = decode_fact(record.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            unreadable(record.partition, record.number)
        else:
            yield record, fact


async def vectors(
    store: Store, facts: Iterable[AnyFact], from_ms: int
) -> AsyncIterator[tuple[int, list[OrderFact], Floats]]:
    """Facts in the order given through an empty store, of which nothing is a repeat.

    For each chunk: how many facts it had, its orders from `from_ms` on, and their vectors, (orders, features).
    Takes the memory of two chunks; the store's server that of every entity named.
    """
    await store.prepare(_TOPIC)
    pending: deque[tuple[list[AnyFact], asyncio.Task[Applied]]] = deque()
    first, before = 0, None
    remaining = iter(facts)
    try:
        while chunk := list(islice(remaining, CHUNK)):
            before = asyncio.create_task(_in_turn(store, _restated(chunk, first, from_ms), before))
            pending.append((chunk, before))
            first += len(chunk)
            await asyncio.sleep(0)  # it encodes and sends
            if len(pending) == _IN_FLIGHT:
                yield await _rows(*pending.popleft(), from_ms)
        while pending:
            yield await _rows(*pending.popleft(), from_ms)
    finally:
        for _, task in pending:
            task.cancel()
        await asyncio.gather(*(task for _, task in pending), return_exceptions=True)


async def _in_turn(store: Store, chunk: Chunk, before: asyncio.Task[Applied] | None) -> Applied:
    try:
        return await store.apply(chunk)
    except Gap:
        if before is None:
            raise
        await before  # which it had overtaken, on another connection
        return await store.apply(chunk)


def _restated(facts: list[AnyFact], first: int, from_ms: int) -> Chunk:
    """The facts as one partition of one topic; those before the first order that is asked for give no rows."""
    wanted = (place for place, fact in enumerate(facts, first) if _asked(fact, from_ms))
    committed = next(wanted, first + len(facts))
    restated = [
        msgspec.structs.replace(fact, source=Coordinates(_TOPIC, _TOPIC, 0, place))
        for place, fact in enumerate(facts, first)
    ]
    return Chunk(0, first - 1, committed, range(first, first + len(facts)), restated)


async def _rows(facts: list[AnyFact], task: asyncio.Task[Applied], from_ms: int) -> tuple[int, list[OrderFact], Floats]:
    applied = await task
    wanted = [(row, facts[place]) for row, place in enumerate(applied.decided) if _asked(facts[place], from_ms)]
    orders = [fact for _, fact in wanted if isinstance(fact, OrderFact)]
    return len(facts), orders, applied.matrix[[row for row, _ in wanted]]


def _asked(fact: AnyFact, from_ms: int) -> bool:
    return isinstance(fact, OrderFact) and fact.occurred_at_ms >= from_ms
