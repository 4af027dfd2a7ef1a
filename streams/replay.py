"""Where a replay's records come from, files of JSON lines or a topic; and its facts, gathered in replay order."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
import structlog
from aiokafka.errors import KafkaError

from events.errors import Unreachable
from events.facts import Coordinates, LabelFact
from events.facts import decode as decode_fact
from features.replay import HOUR_MS, WARM_UP_MS, Clocks, Placed, Repeats, Spool, decode_head
from streams.errors import NothingToReplay, Unreadable
from streams.kafka import KafkaLog
from streams.log import batched

log = structlog.get_logger()

READ = 1_000
_PER_FILE = 2**40  # more lines than a file has
_LINES = 100_000  # sorted at a time where the log's order is wanted


class Record(NamedTuple):
    partition: int
    number: int
    body: bytes


class Source(Protocol):
    """Records, those of a partition in its order."""

    total: float  # what `on_read` is told altogether
    cut: bool  # whether the log has lost its beginning
    offsets: bool  # whether a record's number is its offset

    def records(self, on_read: Callable[[float], None]) -> AsyncIterator[Sequence[Record]]: ...

    def unreadable(self, partition: int, number: int, expected: str = "a fact") -> None:
        """What to do about a record that is not what was expected; raises Unreadable if it can't be passed over."""


class Files:
    """Files of JSON lines, read one after another; a record's number says its file and line."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self.cut = self.offsets = False
        self.total = float(sum(path.stat().st_size for path in paths))

    async def records(self, on_read: Callable[[float], None]) -> AsyncIterator[Sequence[Record]]:
        for part in batched(self._lines(), READ):
            on_read(sum(len(record.body) for record in part))
            yield [record for record in part if not record.body.isspace()]

    def unreadable(self, _: int, number: int, expected: str = "a fact") -> None:
        file, line = divmod(number, _PER_FILE)
        raise Unreadable(f"{self._paths[file]}:{line}: expected {expected}")

    def _lines(self) -> Iterator[Record]:
        for file, path in enumerate(self._paths):
            with path.open("rb") as lines:
                for line, body in enumerate(lines, 1):
                    yield Record(-1, file * _PER_FILE + line, body)


class Topic:
    """A topic as far as it goes now. What screening and history pass over is passed over here too, and logged."""

    def __init__(self, records: KafkaLog, name: str, bounds: dict[int, tuple[int, int]]) -> None:
        self._log, self._name, self._bounds = records, name, bounds
        self.cut, self.offsets = any(start for start, _ in bounds.values()), True
        self.total = float(sum(end - start for start, end in bounds.values()))

    async def records(self, on_read: Callable[[float], None]) -> AsyncIterator[Sequence[Record]]:
        for partition, (start, end) in self._bounds.items():
            async for records in self._log.read(partition, start, end):
                on_read(len(records))
                yield [Record(partition, r.offset, r.value) for r in records if r.value is not None]

    def unreadable(self, partition: int, number: int, expected: str = "a fact") -> None:
        log.error("record.undecodable", topic=self._name, partition=partition, offset=number, expected=expected)


async def topic(brokers: str, name: str, group: str, stack: AsyncExitStack, since_ms: int = 0) -> Topic:
    """A topic as a source, of records from that time (the broker's) on; its clients are closed with the stack.

    Raises Unreachable.
    """
    records = KafkaLog(brokers, name, group)
    stack.push_async_callback(records.stop)
    try:
        await records.start()
    except KafkaError as error:
        raise Unreachable(f"no broker answered at {brokers}: {type(error).__name__}") from None
    bounds = {number: (at.start, at.end) for number, at in (await records.bounds()).items()}
    if since_ms > 0:
        bounds = {number: (min(await records.since(number, since_ms), end), end) for number, (_, end) in bounds.items()}
    return Topic(records, name, bounds)


class Scope(msgspec.Struct, frozen=True):
    """Orders of [from_ms, until_ms), and facts of as long before as their features can see.

    Also facts of `after_ms` behind them, where it is asked what came too early. In the order of their time, by
    (occurred_at_ms, facts partition, log order), or as they were applied: in the log's order, of one partition.
    """

    from_ms: int
    until_ms: int
    after_ms: int = 0
    as_applied: bool = False

    def __post_init__(self) -> None:
        if self.from_ms >= self.until_ms:
            raise NothingToReplay("--from must be before --until")

    def needs(self, occurred_at_ms: int) -> bool:
        return self.from_ms - WARM_UP_MS <= occurred_at_ms < self.until_ms + self.after_ms

    def asks(self, occurred_at_ms: int) -> bool:
        return self.from_ms <= occurred_at_ms < self.until_ms


class Gathered(msgspec.Struct):
    """What a log held: facts in replay order; how many were read, came again and late; which came again."""

    facts: Spool
    partitions: set[int]
    repeated: set[Coordinates]
    earliest_ms: int = 2**62
    read: int = 0
    repeats: int = 0
    late: int = 0


async def gather_facts(
    source: Source, folder: Path, scope: Scope, on_label: Callable[[LabelFact], None], on_read: Callable[[float], None]
) -> Gathered:
    """All that a replay of the scope needs; every label is told.

    Facts partition p holds the facts of raw partition p, so a fact says itself which one it is of. Raises what the
    source does for a record that is no fact, NothingToReplay for an empty range, or for facts of several partitions
    that are wanted as they were applied. Says so in the log where a log that lost its beginning may lack some.
    """
    repeats, clocks = Repeats(), Clocks()
    gathered = Gathered(Spool(folder, _LINES if scope.as_applied else HOUR_MS), set(), set())
    async for records in source.records(on_read):
        for partition, number, body in records:
            try:
                head = decode_head(body)
                label = decode_fact(body) if head.fact == "label" else None
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                source.unreadable(partition, number)
                continue
            gathered.read += 1
            gathered.earliest_ms = min(gathered.earliest_ms, head.occurred_at_ms)
            gathered.partitions.add(head.source.partition)
            if isinstance(label, LabelFact):
                on_label(label)
            if repeats.met(head.source.partition, head.source):
                gathered.repeats += 1
                gathered.repeated.add(head.source)
                continue
            gathered.late += clocks.late(head.source.partition, head)
            if scope.needs(head.occurred_at_ms):
                rank = number if scope.as_applied else head.occurred_at_ms
                gathered.facts.add(Placed(rank, head.source.partition, number, body))
    held = len(gathered.partitions)
    if scope.as_applied and held > 1:
        raise NothingToReplay(
            f"the facts are of {held} partitions, and no log says in which order those were applied: expected one"
        )
    if not gathered.facts.count:
        raise NothingToReplay(f"none of {gathered.read:,} facts is of that range")
    if source.cut and gathered.earliest_ms > scope.from_ms - WARM_UP_MS:
        log.warning("replay.begins_late", earliest_ms=gathered.earliest_ms, needed_ms=scope.from_ms - WARM_UP_MS)
    return gathered
