"""Kafka's side of delivery: sealed messages to `share.<partner>.v1`, acknowledgements from `share.<partner>.ack.v1`."""

import asyncio
from binascii import crc32
from collections.abc import Callable, Mapping, Sequence

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from events import topics
from sharing.delivery.answers import Answers
from sharing.delivery.desk import Failed, Outcome, Sent
from sharing.delivery.outbox import Parcel
from sharing.delivery.statements import Place
from streams.kafka import RETRY_S, Sender, member

log = structlog.get_logger()

CHECKPOINT = "checkpoint"  # the one header that a record has: where the ledger was when it was sent
FETCH_MS = 500


class ByKafka:
    """A way to partners (sharing/delivery/deliverer.py). The record's key is its `jti`.

    All messages of a chain go to one partition, so that a partner reads a withdrawal after what it withdraws.
    """

    def __init__(
        self,
        sender: Sender,
        roots: Callable[[Sequence[Parcel]], Mapping[str, str]],
        checkpoint: Callable[[], bytes] | None,
    ) -> None:
        self._sender = sender
        self._roots = roots
        self._checkpoint = checkpoint

    async def send(self, partner: str, parcels: Sequence[Parcel]) -> Sequence[Outcome]:
        topic = topics.share_topic(partner)
        headers = [(CHECKPOINT, await asyncio.to_thread(self._checkpoint))] if self._checkpoint is not None else []
        roots = await asyncio.to_thread(self._roots, parcels)
        count = await self._sender.partitions(topic)
        outcomes: dict[str, Outcome] = {}
        by_partition: dict[int, list[Parcel]] = {}
        for parcel in parcels:
            by_partition.setdefault(crc32(roots[parcel.jti].encode()) % count, []).append(parcel)
        for partition, there in sorted(by_partition.items()):
            outcome = await self._sent(topic, partition, there, headers)
            outcomes |= dict.fromkeys((parcel.jti for parcel in there), outcome)
        return [outcomes[parcel.jti] for parcel in parcels]

    async def _sent(
        self, topic: str, partition: int, parcels: Sequence[Parcel], headers: Sequence[tuple[str, bytes]]
    ) -> Outcome:
        messages = [(parcel.jti.encode(), parcel.sealed) for parcel in parcels]
        try:
            await self._sender.send(topic, partition, messages, headers)
        except KafkaError as error:
            log.warning("delivery.failed", topic=topic, partition=partition, error=type(error).__name__)
            return Failed("broker")
        return Sent()


class Acknowledgements:
    """Reads what partners acknowledge; an offset is committed after the transaction that takes its record in."""

    def __init__(
        self,
        brokers: str,
        group: str,
        partners: Callable[[], Sequence[str]],
        answers: Answers,
        heard: Callable[[str, str], None],
    ) -> None:
        """`partners` gives who there are now; a new one's are read from then on."""
        self._named = partners
        self._partners = _by_topic(partners())
        self._answers = answers
        self._heard = heard
        self._consumer: AIOKafkaConsumer = member(brokers, group)

    async def start(self) -> None:
        self._consumer.subscribe(sorted(self._partners))
        await self._consumer.start()

    async def stop(self) -> None:
        await self._consumer.stop()

    async def run(self) -> None:
        """For ever. Raises what the database's client does; a successor reads from what was committed."""
        while True:
            self._follow()
            try:
                fetched = await self._consumer.getmany(timeout_ms=FETCH_MS, max_records=500)
            except KafkaError as error:
                if not error.retriable:
                    raise
                log.warning("broker.unreachable", error=type(error).__name__)
                await asyncio.sleep(RETRY_S)
                continue
            for tp, records in fetched.items():
                for record in records:
                    await self._take(self._partners[tp.topic], Place(tp.partition, record.offset), record.value)
            if fetched:
                await self._commit()

    def _follow(self) -> None:
        new = _by_topic(self._named())
        if not new.keys() <= self._partners.keys():
            self._partners |= new
            self._consumer.subscribe(sorted(self._partners))

    async def _take(self, partner: str, place: Place, value: bytes | None) -> None:
        told = await asyncio.to_thread(self._answers.take, partner, place, value)
        self._heard(partner, told)

    async def _commit(self) -> None:
        try:
            await self._consumer.commit()
        except KafkaError as error:  # the group was rebalanced: what was taken in is read again, and known
            log.warning("commit.refused", error=type(error).__name__)


def _by_topic(partners: Sequence[str]) -> dict[str, str]:
    return {topics.share_ack_topic(partner): partner for partner in partners}
