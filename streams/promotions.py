"""The rules topic: promoted by people, followed by every screening worker (the models': streams/rollouts.py).

One partition, so that all workers see the same order, and the last promotion of a set is in force. A message that is no
good set of rules is refused loudly by each, and what was in force stays.
"""

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from events import topics
from events.security import kafka_configs
from models.errors import BadPromotion
from models.rules import Ruleset
from models.rules.promotion import Promotion, decoded, encode, key_of, opened
from streams.kafka import patiently, reader

log = structlog.get_logger()

POLL_MS = 1000
Take = Callable[[ConsumerRecord], None]


class InForce:
    """The rules that orders are judged by now, of the set that `ruleset` is of; `refused` is called for each promotion
    that is none.
    """

    def __init__(self, ruleset: Ruleset, names: Sequence[str], refused: Callable[[], None] = lambda: None) -> None:
        self.ruleset = ruleset
        self._names = names
        self._refused = refused

    def take(self, record: ConsumerRecord) -> None:
        """Put a record's rules in force, or say why not."""
        if record.key is not None and record.key != key_of(self.ruleset):
            return
        try:
            promotion = decoded(record.value)
            ruleset = opened(promotion, record.key, self._names)
        except BadPromotion as error:
            log.error("rules.refused", offset=record.offset, why=str(error), in_force=self.ruleset.hash)
            self._refused()
            return
        self.ruleset = ruleset
        log.info("rules.promoted", offset=record.offset, rules=ruleset.hash, actor=promotion.actor)


class Feed:
    """Reads a topic of one partition from its beginning, without a group: each worker follows all of it."""

    def __init__(self, brokers: str, topic: str) -> None:
        self._tp = TopicPartition(topic, 0)
        self._consumer: AIOKafkaConsumer = reader(brokers)

    async def start(self) -> None:
        await self._consumer.start()
        self._consumer.assign([self._tp])
        start = await patiently(lambda: self._consumer.beginning_offsets([self._tp]))
        self._consumer.seek(self._tp, start[self._tp])

    async def stop(self) -> None:
        await self._consumer.stop()

    async def catch_up(self, take: Take) -> None:
        """All that the topic holds now."""
        end = (await patiently(lambda: self._consumer.end_offsets([self._tp])))[self._tp]
        while await self._consumer.position(self._tp) < end:
            await self._poll(take)

    async def follow(self, take: Take) -> None:
        """Whatever comes, for ever."""
        while True:
            await self._poll(take)

    async def _poll(self, take: Take) -> None:
        records = await patiently(lambda: self._consumer.getmany(self._tp, timeout_ms=POLL_MS))
        for record in records.get(self._tp, []):
            await asyncio.to_thread(take, record)  # a long file is read for a second or more; orders go on meanwhile


class Entry(msgspec.Struct, frozen=True):
    """A record of the topic; `why` it is no promotion, where it is none."""

    offset: int
    at_ms: int
    rules_set: str
    promotion: Promotion | None
    why: str = ""


class Other(msgspec.Struct, frozen=True):
    """Somebody else's promotion of the same set."""

    offset: int
    rules: str
    actor: str


class Promoted(msgspec.Struct, frozen=True):
    """What came of a promotion: its offset, and others of the same set that came in between, or after it."""

    offset: int
    replaces: str | None
    between: tuple[Other, ...]
    after: tuple[Other, ...]


def entry_of(record: ConsumerRecord) -> Entry:
    name = (record.key or b"").decode(errors="replace")
    try:
        return Entry(record.offset, record.timestamp, name, decoded(record.value))
    except BadPromotion as error:
        return Entry(record.offset, record.timestamp, name, None, str(error))


async def held(brokers: str, topic: str) -> list[ConsumerRecord]:
    """All that a topic of promotions holds now."""
    found: list[ConsumerRecord] = []
    feed = Feed(brokers, topic)
    try:
        await feed.start()
        await feed.catch_up(found.append)
    finally:
        await feed.stop()
    return found


async def send(brokers: str, topic: str, body: bytes, key: bytes) -> int:
    """The offset of a promotion, once the brokers have it."""
    producer = AIOKafkaProducer(
        bootstrap_servers=brokers, acks="all", enable_idempotence=True, **kafka_configs(brokers)
    )
    await producer.start()
    try:
        return int((await producer.send_and_wait(topic, body, key, partition=0)).offset)
    finally:
        await producer.stop()


async def entries(brokers: str) -> list[Entry]:
    """All that the topic holds now."""
    return [entry_of(record) for record in await held(brokers, topics.RULES)]


async def promote(brokers: str, ruleset: Ruleset, actor: str) -> Promoted:
    """Put rules in force: the last that the topic has of a set is, for all workers.

    Two at once therefore both come into force, one after the other; each sender is told of the other's.
    """
    known = await _of_set(brokers, ruleset.name)
    replaces = known[-1].rules if known else None
    body = encode(Promotion(ruleset.text, ruleset.hash, actor, replaces))
    offset = await send(brokers, topics.RULES, body, key_of(ruleset))
    since = (await _of_set(brokers, ruleset.name))[len(known) :]
    between = tuple(each for each in since if each.offset < offset)
    return Promoted(offset, replaces, between, tuple(each for each in since if each.offset > offset))


def told(ruleset: Ruleset, done: Promoted) -> tuple[list[str], str]:
    """What came of it for the one who did it, and, where another's rules are in force by now, that."""
    before = done.between[-1].rules if done.between else done.replaces or "the workers' own"
    said = [f"set {ruleset.name}: rules {ruleset.hash} promoted at offset {done.offset}, in place of {before}"]
    said += [f"{each.actor} promoted rules {each.rules} just before, at offset {each.offset}" for each in done.between]
    if not done.after:
        return said, ""
    last = done.after[-1]
    return said, f"{last.actor} promoted rules {last.rules} since, at offset {last.offset}: those are in force"


async def _of_set(brokers: str, name: str) -> list[Other]:
    """The set's promotions, in order; compaction takes none away for as long as two calls are apart."""
    return [
        Other(each.offset, each.promotion.hash, each.promotion.actor)
        for each in await entries(brokers)
        if each.rules_set == name and each.promotion is not None
    ]
