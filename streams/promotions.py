"""The rules topic: promoted by people, followed by every screening worker.

One partition, so that all workers see the same order, and the last promotion of a set is in force. A message that is no
good set of rules is refused loudly by each, and what was in force stays.
"""

from collections.abc import Callable, Sequence

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from events import topics
from models.errors import BadPromotion
from models.rules import Ruleset
from models.rules.promotion import Promotion, decoded, encode, key_of, opened
from streams.kafka import patiently, reader

log = structlog.get_logger()

TP = TopicPartition(topics.RULES, 0)
POLL_MS = 1000
Take = Callable[[ConsumerRecord], None]


class InForce:
    """The rules that orders are judged by now, of the set that `ruleset` is of."""

    def __init__(self, ruleset: Ruleset, names: Sequence[str]) -> None:
        self.ruleset = ruleset
        self._names = names

    def take(self, record: ConsumerRecord) -> None:
        """Put a record's rules in force, or say why not."""
        if record.key is not None and record.key != key_of(self.ruleset):
            return
        try:
            promotion = decoded(record.value)
            ruleset = opened(promotion, record.key, self._names)
        except BadPromotion as error:
            log.error("rules.refused", offset=record.offset, why=str(error), in_force=self.ruleset.hash)
            return
        self.ruleset = ruleset
        log.info("rules.promoted", offset=record.offset, rules=ruleset.hash, actor=promotion.actor)


class RulesFeed:
    """Reads the topic from its beginning, without a group: each worker follows all of it."""

    def __init__(self, brokers: str) -> None:
        self._consumer: AIOKafkaConsumer = reader(brokers)

    async def start(self) -> None:
        await self._consumer.start()
        self._consumer.assign([TP])
        start = await patiently(lambda: self._consumer.beginning_offsets([TP]))
        self._consumer.seek(TP, start[TP])

    async def stop(self) -> None:
        await self._consumer.stop()

    async def catch_up(self, take: Take) -> None:
        """All that the topic holds now."""
        end = (await patiently(lambda: self._consumer.end_offsets([TP])))[TP]
        while await self._consumer.position(TP) < end:
            await self._poll(take)

    async def follow(self, take: Take) -> None:
        """Whatever comes, for ever."""
        while True:
            await self._poll(take)

    async def _poll(self, take: Take) -> None:
        records = await patiently(lambda: self._consumer.getmany(TP, timeout_ms=POLL_MS))
        for record in records.get(TP, []):
            take(record)


class Entry(msgspec.Struct, frozen=True):
    """A record of the topic; `why` it is no promotion, where it is none."""

    offset: int
    at_ms: int
    rules_set: str
    promotion: Promotion | None
    why: str = ""


class Promoted(msgspec.Struct, frozen=True):
    """What came of a promotion: its offset, and others of the same set that came in between, or after it."""

    offset: int
    replaces: str | None
    between: tuple[Entry, ...]
    after: tuple[Entry, ...]


def entry_of(record: ConsumerRecord) -> Entry:
    name = (record.key or b"").decode(errors="replace")
    try:
        return Entry(record.offset, record.timestamp, name, decoded(record.value))
    except BadPromotion as error:
        return Entry(record.offset, record.timestamp, name, None, str(error))


async def entries(brokers: str, start: int = 0) -> list[Entry]:
    """All that the topic holds now, from an offset on."""
    found: list[ConsumerRecord] = []
    feed = RulesFeed(brokers)
    try:
        await feed.start()
        await feed.catch_up(found.append)
    finally:
        await feed.stop()
    return [entry_of(record) for record in found if record.offset >= start]


async def promote(brokers: str, ruleset: Ruleset, actor: str) -> Promoted:
    """Put rules in force: the last that the topic has of a set is, for all workers.

    Two at once therefore both come into force, one after the other; each sender is told of the other's.
    """
    known = [each for each in await entries(brokers) if each.rules_set == ruleset.name and each.promotion]
    replaces = known[-1].promotion.hash if known and known[-1].promotion else None
    last = known[-1].offset if known else -1
    producer = AIOKafkaProducer(bootstrap_servers=brokers, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        body = encode(Promotion(ruleset.text, ruleset.hash, actor, replaces))
        sent = await producer.send_and_wait(topics.RULES, body, key_of(ruleset), partition=0)
    finally:
        await producer.stop()
    since = [e for e in await entries(brokers, last + 1) if e.rules_set == ruleset.name and e.promotion]
    return Promoted(
        sent.offset,
        replaces,
        tuple(each for each in since if each.offset < sent.offset),
        tuple(each for each in since if each.offset > sent.offset),
    )
