"""The screening stage: facts in, decisions out, effectively once (docs/architecture.md has the protocol in full).

For a facts partition let C be the committed offset and F the lowest fence over the store's shards. Before a partition
decides anything - on assignment, after a lost connection to the store, after a GAP - the stage

1. stops where a fence is beyond the log's end, or where the log begins after what the store would need;
2. applies [F + 1, position) from the log without publishing: it was decided before;
3. waits until every partition's F has reached its C - 1, since entities are shared by partitions.

Then: read and update in the store, score, publish in offset order, await the broker; the caller acknowledges. A chunk
lets the store forget the rows before its first offset, because they were published before it was begun.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar, cast

import msgspec
import structlog
from redis.exceptions import ConnectionError as StoreUnreachable
from redis.exceptions import TimeoutError as StoreTimeout

from events.facts import AnyFact
from events.facts import decode as decode_fact
from features.errors import Gap, Restarted
from features.formulas import Floats
from features.replay import WARM_UP_MS
from features.store import Applied, Chunk, Positions, Seen
from models.decisions import Decision
from models.screening import Decided
from streams import lateness
from streams.errors import AheadOfLog, Unrebuildable
from streams.lateness import Late
from streams.log import Log, Valued

log = structlog.get_logger()
T = TypeVar("T")

RETRY_S = 0.25
GATE_S = 0.1
REACH_MS = WARM_UP_MS + 3 * 86_400_000  # raw records wait so long for intake at most, and the log is in its order
TROUBLES = (StoreUnreachable, StoreTimeout, ConnectionError, Gap, Restarted)  # a look at the store will show


class Features(Protocol):
    async def prepare(self, facts_topic_id: str) -> None: ...

    async def look(self) -> Seen: ...

    async def apply(self, chunk: Chunk) -> Applied: ...


Conclude = Callable[[Sequence[Decided], Floats, tuple[str, ...]], list[Decision]]  # decided facts, vectors, flags
Publish = Callable[[int, list[Decision]], Awaitable[None]]
Note = Callable[[int, int, list[Decision]], Awaitable[None]]  # partition, first offset, decisions to be published
Report = Callable[[int, list[Late]], Awaitable[None]]


class Screening:
    """One instance a process; partitions are handled side by side, each partition's chunks one after another.

    `topic_id` is the facts topic's: a store that was written for another is refused (ForeignStore). `report` is told of
    late facts as decisions are published: each at least once, the same again after a crash. `note` is told of a
    chunk's decisions before they are published.
    """

    def __init__(
        self,
        store: Features,
        facts: Log,
        topic_id: str,
        conclude: Conclude,
        publish: Publish,
        accept_gap: bool = False,
        report: Report | None = None,
        note: Note | None = None,
    ) -> None:
        self._store = store
        self._topic_id = topic_id
        self._log = facts
        self.conclude = conclude  # may be exchanged between chunks
        self._publish = publish
        self._report = report
        self._note = note
        self._accept_gap = accept_gap
        self.waiting = False  # for the store
        self._flags: tuple[str, ...] = ()
        self._sound: dict[int, tuple[str, ...]] = {}  # partition -> the store's servers that were found complete

    async def begin(self) -> None:
        """Wait for the store, and see that it belongs to the log; before the first partition is assigned."""
        await self._insist(lambda: self._store.prepare(self._topic_id))

    async def open(self, partition: int) -> None:
        """Rebuild what the store misses below the committed offset; `handle` and `idle` notice what it loses later."""
        self._sound.pop(partition, None)

        async def catch_up() -> None:
            await self._catch_up(partition, (await self._log.committed()).get(partition, 0))

        await self._insist(catch_up)

    async def idle(self, partition: int) -> None:
        """Bring a partition without traffic up to date too: the others wait for it."""
        try:
            committed = (await self._log.committed()).get(partition, 0)
            if (await self._store.look()).fences.get(partition, -1) < committed - 1:
                await self._catch_up(partition, committed)
        except TROUBLES as error:
            await self._wait_for_store(error)

    async def handle(self, partition: int, records: Sequence[Valued]) -> list[Decision]:
        """Decide a chunk; returns what was published, once the broker has it all."""
        offsets, facts = decode_records(partition, records)

        async def apply() -> Applied:
            servers = self._sound.get(partition) or await self._make_sound(partition, offsets[0])
            return await self._store.apply(Chunk(partition, offsets[0] - 1, offsets[0], offsets, facts, servers))

        applied = await self._insist(apply)
        decided = cast("list[Decided]", [facts[place] for place in applied.decided])
        decisions = placed(self.conclude(decided, applied.matrix, self._flags), applied.positions)
        if self._note is not None:
            await self._note(partition, offsets[0], decisions)
        await self._publish(partition, decisions)
        if applied.late and self._report is not None:
            await self._report(partition, lateness.of_chunk(facts, applied.late))
        return decisions

    async def _insist(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the store until it answers."""
        while True:
            try:
                answer = await ask()
            except TROUBLES as error:
                await self._wait_for_store(error)
            else:
                self.waiting = False
                return answer

    async def _wait_for_store(self, error: Exception) -> None:
        """Trust nobody's look at the store any more, and give it a moment."""
        if not self.waiting:
            log.warning("store.trouble", error=type(error).__name__)
        self.waiting = True
        self._sound.clear()
        await asyncio.sleep(RETRY_S)

    async def _make_sound(self, partition: int, position: int) -> tuple[str, ...]:
        """The store's servers, once they hold all that they should: no other may take part in a decision."""
        servers = await self._catch_up(partition, position)
        await self._gate(servers)
        self._sound[partition] = servers
        return servers

    async def _catch_up(self, partition: int, position: int) -> tuple[str, ...]:
        """Apply what the store misses before a position; the servers that then have it."""
        await self._store.prepare(self._topic_id)
        seen = await self._store.look()
        fence = seen.fences.get(partition, -1)
        bounds = (await self._log.bounds())[partition]
        if fence >= bounds.end:
            raise AheadOfLog(
                f"facts partition {partition}: the store has applied offset {fence}, but the log ends at {bounds.end}; "
                "expected the log that the store was built from"
            )
        if fence + 1 < min(bounds.start, position):
            await self._cross_gap(partition, fence, bounds.start, position)
            fence = bounds.start - 1
        if fence + 1 >= position:
            return seen.servers
        log.info("store.rebuilding", partition=partition, first=fence + 1, until=position)
        async for records in self._log.read(partition, fence + 1, position):
            offsets, facts = decode_records(partition, records)
            await self._store.apply(Chunk(partition, offsets[0] - 1, position, offsets, facts, seen.servers))
        log.info("store.rebuilt", partition=partition, until=position)
        return seen.servers

    async def _cross_gap(self, partition: int, fence: int, start: int, position: int) -> None:
        if not await self._forgotten(partition, start, position):
            if not self._accept_gap:
                raise Unrebuildable(
                    f"facts partition {partition}: the store needs offset {fence + 1}, but the log starts at {start}; "
                    "start with --accept-gap to go on without what lies between"
                )
            log.warning("store.gap_accepted", partition=partition, first=fence + 1, until=start)
            self._flags = ("history.gap",)
        await self._store.apply(Chunk(partition, fence, 0, [start - 1], [None]))

    async def _forgotten(self, partition: int, start: int, position: int) -> bool:
        """Whether no feature looks back from a position to before the log's start."""
        if position <= start:
            return False
        recorded_ms = [
            fact.recorded_at_ms
            for offset in (start, position - 1)
            async for records in self._log.read(partition, offset, offset + 1)
            for fact in decode_records(partition, records)[1]
            if fact is not None
        ]
        return len(recorded_ms) == 2 and recorded_ms[1] - recorded_ms[0] > REACH_MS

    async def _gate(self, servers: tuple[str, ...]) -> None:
        """Wait until every partition's lowest fence has reached its committed offset, on the same servers."""
        while True:
            seen, committed = await self._store.look(), await self._log.committed()
            if seen.servers != servers:
                raise Restarted("the feature store was restarted while it was rebuilt: look again")
            fences = seen.fences
            if all(fences.get(partition, -1) >= offset - 1 for partition, offset in committed.items()):
                return
            await asyncio.sleep(GATE_S)


def placed(decisions: list[Decision], positions: Sequence[Positions]) -> list[Decision]:
    """The decisions with what else the store had applied by then; there is nothing else where it has one partition."""
    if not positions:
        return decisions
    return [msgspec.structs.replace(d, positions=at) for d, at in zip(decisions, positions, strict=True)]


def decode_records(partition: int, records: Sequence[Valued]) -> tuple[list[int], list[AnyFact | None]]:
    """Offsets and facts of a chunk; what is not a fact stands as None, so that the fence passes it."""
    offsets, facts = [], []
    for record in records:
        offsets.append(record.offset)
        try:
            facts.append(decode_fact(record.value or b""))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            log.error("fact.undecodable", partition=partition, offset=record.offset)
            facts.append(None)
    return offsets, facts
