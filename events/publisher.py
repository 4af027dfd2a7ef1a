"""The order service's publisher: an event is guarded, sent, and known to be durable when the call returns."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from threading import BoundedSemaphore, Event
from types import TracebackType
from typing import Any, Self

import msgspec
from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.producer.future import FutureRecordMetadata, RecordMetadata

from events import guard, topics
from events.clients import made
from events.errors import NotAccepted, RefusedEvent, Unreachable
from events.types import AnyEvent

# The client writes keys and values into its debug messages.
logging.getLogger("kafka").setLevel(logging.INFO)


GRACE_S = 1.0  # for the client to report its own timeouts


class _Unsent(Exception):
    """Why an event was not even taken into the buffer."""


class Receipt(msgspec.Struct, frozen=True):
    """Where an event is: all in-sync replicas have it."""

    topic: str
    partition: int
    offset: int


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Publisher:
    """Publishes events, from any number of threads; `with` closes it.

    `timeout_s` bounds every call, also to a dead broker; `buffer_events` is how many may be on their way at once.
    Events of one key keep their order, and a retry writes none twice. `security` are kafka-python's own TLS and SASL
    settings. Raises Unreachable when no broker answers in time.
    """

    def __init__(
        self,
        brokers: str,
        *,
        timeout_s: float = 30.0,
        buffer_events: int = 10_000,
        now_ms: Callable[[], int] = _now_ms,
        security: Mapping[str, Any] | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._room = BoundedSemaphore(buffer_events)
        self._now_ms = now_ms
        self._producer = _producer(brokers, timeout_s, security or {})

    def publish(self, event: AnyEvent) -> Receipt:
        """Send one event and wait until it is durable. Raises RefusedEvent or NotAccepted."""
        return self.publish_many([event])[0]

    def publish_many(self, events: Iterable[AnyEvent]) -> list[Receipt]:
        """Send events together and wait until all are durable; receipts in the events' order.

        Raises RefusedEvent before anything is sent if the guard refuses one; NotAccepted with the ids of all that are
        not known to be durable, while the others are.
        """
        guarded = [(event, self._guarded(event)) for event in events]
        sent: list[FutureRecordMetadata] = []
        why: dict[str, str] = {}
        failed = Event()
        for event, body in guarded:
            try:
                if failed.is_set():
                    raise _Unsent("an event before it was not accepted")
                sent.append(self._send(event, body))
                sent[-1].add_errback(lambda _: failed.set())
            except (KafkaError, _Unsent) as error:
                why = {event.event_id: _why(error) for event, _ in guarded[len(sent) :]}
                break
        receipts = []
        deadline = time.monotonic() + self._timeout_s + GRACE_S
        for (event, _), future in zip(guarded, sent, strict=False):
            try:
                receipts.append(_receipt(future.get(timeout=max(0.0, deadline - time.monotonic()))))
            except KafkaError as error:
                why[event.event_id] = _why(error)
        if why:
            raise NotAccepted(list(why), "; ".join(dict.fromkeys(why.values())))
        return receipts

    def publish_records(self, topic: str, records: Sequence[tuple[bytes, bytes]]) -> None:
        """Send records that are no events, each its key and its value; returns once all are durable.

        Raises NotAccepted, naming none of them, where one may not be.
        """
        try:
            sent = [self._producer.send(topic, value, key) for key, value in records]
            for future in sent:
                future.get(timeout=self._timeout_s + GRACE_S)
        except KafkaError as error:
            raise NotAccepted([], _why(error)) from None

    def close(self) -> None:
        """Wait for what is on its way, at most `timeout_s`, and close the connections."""
        try:
            self._producer.close(timeout=self._timeout_s)
        except KafkaTimeoutError:  # the calls that sent it report what was lost
            self._producer._sender.force_close()  # no public way: `close` first waits for what is on its way
            with suppress(KafkaTimeoutError):
                self._producer.close(timeout=GRACE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _guarded(self, event: AnyEvent) -> bytes:
        body = guard.encode(event)
        found = guard.admit(topics.topic_of(type(event).__name__), body, self._now_ms())
        if isinstance(found, guard.Refusal):
            raise RefusedEvent(guard.showable(event.event_id), found.reason, found.field)
        return body

    def _send(self, event: AnyEvent, body: bytes) -> FutureRecordMetadata:
        if not self._room.acquire(timeout=self._timeout_s):
            raise _Unsent("the buffer is full of events that do not arrive")
        topic = topics.topic_of(type(event).__name__)
        try:
            future = self._producer.send(topic, body, topics.key_of(event).encode())
        except KafkaTimeoutError:
            self._room.release()
            raise _Unsent(f"no broker knows topic {topic}; `amana topics create` makes it") from None
        except BaseException:
            self._room.release()
            raise
        future.add_both(lambda _: self._room.release())
        return future


def _producer(brokers: str, timeout_s: float, security: Mapping[str, Any]) -> KafkaProducer:
    timeout_ms = round(timeout_s * 1000)
    try:
        return made(
            KafkaProducer,
            brokers,
            timeout_s,
            enable_idempotence=True,
            acks="all",
            allow_auto_create_topics=False,
            max_block_ms=timeout_ms,
            request_timeout_ms=timeout_ms * 2 // 3,
            delivery_timeout_ms=timeout_ms,
            **security,
        )
    except KafkaError as error:
        raise Unreachable(f"no broker at {brokers} answered in {timeout_s:g} s: {type(error).__name__}") from None


def _receipt(metadata: RecordMetadata) -> Receipt:
    return Receipt(metadata.topic, metadata.partition, metadata.offset)


def _why(error: Exception) -> str:
    if isinstance(error, _Unsent):
        return str(error)
    return "no acknowledgement in time" if isinstance(error, KafkaTimeoutError) else type(error).__name__
