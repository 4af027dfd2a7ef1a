"""`amana features migrate`: a feature store of other definitions, built beside the running one, then put in its place.

Building applies from the facts log what the screening group has committed, never more, just as screening itself makes
good what its store lacks. The switch

1. retires the old store: its script takes no chunk more, so whoever screens with it stops, and can't start again;
2. waits until the group has no members, so that its offsets are final, and builds up to those;
3. settles what was published and not committed: the new store has it applied, and no row for it in the outbox;
4. opens the new store, which until then is refused to whoever would screen with it.

An order is then decided by the old store or by the new one. Each step may be repeated after a crash at any point.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec

from events.facts import OrderFact, RefusedOrder
from features.definitions import DEFINITIONS, Definitions
from features.handover import Purpose, being_built, purpose, release, retire
from features.store import Chunk, Client, Store
from models import artifact
from models.decisions import Decision
from streams.errors import Unmigratable
from streams.log import Bounds, Log, LogRecord
from streams.screening import Screening, decode_records

CLOSE = 2_000  # facts that the new store may lack when the old one is retired: less than a second's work
SKEW_MS = 600_000  # by which brokers' clocks may differ
MEMBERS_S = 0.5


class Identified(msgspec.Struct, frozen=True):
    """What is asked of a decision."""

    decision_id: str
    revision: int


_decode = msgspec.json.Decoder(Identified).decode


class FactsLog(Log, Protocol):
    async def members(self) -> int:
        """How many members the screening group has."""


class DecisionsLog(Protocol):
    async def bounds(self) -> Mapping[int, Bounds]: ...

    async def since(self, partition: int, ms: int) -> int:
        """The first offset that was appended at that time or later; the log's end where there is none."""

    def read(self, partition: int, first: int, until: int) -> AsyncIterator[Sequence[LogRecord]]: ...


class Told:
    """A facts log that says how many records were handled."""

    def __init__(self, facts: FactsLog) -> None:
        self._facts = facts
        self.committed, self.bounds = facts.committed, facts.bounds
        self.tell: Callable[[float], None] = lambda _: None

    async def read(self, partition: int, first: int, until: int) -> AsyncIterator[Sequence[LogRecord]]:
        async for records in self._facts.read(partition, first, until):
            yield records
            self.tell(len(records))


class Migration:
    """From the store behind `old` to one behind `new`, of `definitions` in `shards` parts.

    `facts` is the log that the running screening reads, `topic_id` its id, `decisions` what it writes.
    """

    def __init__(
        self,
        old: Client,
        new: Client,
        facts: FactsLog,
        decisions: DecisionsLog,
        topic_id: str,
        definitions: Definitions = DEFINITIONS,
        shards: int = 1,
    ) -> None:
        self._old, self._new = old, new
        self._facts, self._decisions = facts, decisions
        self._goal = Purpose(topic_id, definitions.hash, shards)
        self._store = Store(new, definitions, shards)
        self._told = Told(facts)
        self._screening = Screening(self._store, self._told, being_built(topic_id), _decide_nothing, _publish_nothing)

    async def done(self) -> bool:
        """Whether the switch was made before. Raises Unmigratable for stores that this can't be done with."""
        old, new, goal = await purpose(self._old), await purpose(self._new), self._goal
        if old is None:
            raise Unmigratable("there is no feature store at --from")
        if old.facts_topic_id != goal.facts_topic_id:
            raise Unmigratable(
                f"the store at --from is of facts topic {old.facts_topic_id}, expected {goal.facts_topic_id}"
            )
        if old.successor not in {None, goal.definitions}:
            raise Unmigratable(f"the store at --from was migrated to definitions {old.successor} before")
        if old == goal:
            raise Unmigratable(f"the store at --from is of definitions {goal.definitions} already")
        if new is None and await self._new.dbsize():
            raise Unmigratable("the database at --to holds something else: expected an empty one")
        if new == goal and old.successor is None:
            raise Unmigratable("the store at --to is in use: expected an empty database, or a migration's")
        return new == goal

    async def build(self, tell: Callable[[float], None]) -> None:
        """Apply what is committed until less than CLOSE facts of it are left; `tell` hears how many were handled.

        Raises ForeignStore if the new store is something else's, Unrebuildable if the log begins too late, AheadOfLog.
        """
        self._told.tell = tell
        behind = CLOSE + 1
        while behind > CLOSE:
            behind = await self.behind()
            await asyncio.gather(*map(self._screening.open, await self._facts.bounds()))

    async def behind(self) -> int:
        """How many committed facts the new store lacks."""
        fences, committed = await self._store.fences(), await self._facts.committed()
        return sum(max(0, offset - 1 - fences.get(partition, -1)) for partition, offset in committed.items())

    async def switch(self, say: Callable[[str], None]) -> None:
        """Put the new store in the old one's place; waits for the old screening to end, and says so."""
        old = await purpose(self._old)
        assert old is not None
        await retire(self._old, old, self._goal.definitions)
        said = 0
        while members := await self._facts.members():
            if members != said:
                say(f"the old store is retired; waiting for {members} members of the screening group to end")
            said = members
            await asyncio.sleep(MEMBERS_S)
        await self.build(lambda _: None)
        committed = await self._facts.committed()
        for partition, bounds in (await self._facts.bounds()).items():
            await self._settle(partition, max(bounds.start, committed.get(partition, 0)), bounds.end)
        await release(self._new, self._goal.facts_topic_id, self._goal.shards)

    async def _settle(self, partition: int, first: int, until: int) -> None:
        """Apply what was decided beyond the committed offset, without rows; it must not be decided again.

        Decisions go out in the log's order, so all up to the last published one are published. Which fact that is of
        the store must say: one by one, since only it knows the facts that repeat an order decided long before.
        """
        published, last = await self._published(partition, first, until)
        undecided, applied_to = first, first - 1
        async for records in self._facts.read(partition, first, last + 1):
            for offset, fact in zip(*decode_records(partition, records), strict=True):
                applied = await self._store.apply(Chunk(partition, applied_to, first, [offset], [fact]))
                applied_to = offset
                if applied.decided and fact is not None and fact.source.text() in published:
                    undecided = offset + 1
        if undecided > first:
            await self._store.apply(Chunk(partition, applied_to, undecided, [], []))  # forgets the rows before

    async def _published(self, partition: int, first: int, until: int) -> tuple[set[str], int]:
        """Ids of published decisions of the orders in [first, until), and the last offset that has one's order."""
        at: dict[str, int] = {}
        since_ms = 2**62
        async for records in self._facts.read(partition, first, until):
            for offset, fact in zip(*decode_records(partition, records), strict=True):
                if isinstance(fact, OrderFact | RefusedOrder):
                    at[fact.source.text()] = offset
                    since_ms = min(since_ms, fact.recorded_at_ms - SKEW_MS)  # a decision is appended after its order
        published: set[str] = set()
        if at:
            bounds = (await self._decisions.bounds())[partition]
            start = await self._decisions.since(partition, since_ms)
            async for records in self._decisions.read(partition, start, bounds.end):
                published.update(decision_ids(records))
        published &= at.keys()
        return published, max((at[decision_id] for decision_id in published), default=first - 1)


def check_model(models: Path, definitions: str, public: Path | None = None) -> None:
    """Raises Unmigratable if the current model, if there is one, is of other definitions."""
    if not (models / artifact.CURRENT).exists():
        return
    manifest = artifact.read_manifest(models, artifact.current(models), public)
    if manifest.definitions != definitions:
        raise Unmigratable(
            f"the current model, {manifest.version}, is of definitions {manifest.definitions}, expected {definitions}: "
            "train one (`amana features backfill`, `amana train --vectors`), or name a folder without one: rules decide"
        )


def decision_ids(records: Iterable[LogRecord]) -> Iterator[str]:
    """Of screening's decisions among the records; consumers pass over what is none, and a fallback's decide nothing."""
    for record in records:
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            decision = _decode(record.value or b"")
            if decision.revision > 0:
                yield decision.decision_id


def _decide_nothing(*_: object) -> list[Decision]:
    raise AssertionError("a migration decides nothing")


async def _publish_nothing(*_: object) -> None:
    raise AssertionError("a migration publishes nothing")
