"""The order service's publisher: an event is guarded, sent, and known to be durable when the call returns."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import BoundedSemaphore
from types import TracebackType
from typing import Any, Self

import msgspec
from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError, UnknownTopicOrPartitionError

from events import guard, topics
from events.errors import NotAccepted, RefusedEvent, Unreachable
from events.types import AnyEvent

# The client writes keys and values into its debug messages.
logging.getLogger("kafka").setLevel(logging.INFO)


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
        self._buffer_events = buffer_events
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
        deadline = time.monotonic() + self._timeout_s
        sent = [(event, self._send(event, body, deadline)) for event, body in guarded]
        receipts, lost = [], []
        for event, future in sent:
            outcome = _outcome(future, max(0.0, deadline - time.monotonic()))
            if isinstance(outcome, Receipt):
                receipts.append(outcome)
            else:
                lost.append((event.event_id, outcome))
        if lost:
            raise NotAccepted([event_id for event_id, _ in lost], "; ".join(dict.fromkeys(why for _, why in lost)))
        return receipts

    def close(self) -> None:
        """Wait for what is on its way, at most `timeout_s`, and close the connections."""
        try:
            self._producer.close(timeout=self._timeout_s)
        except KafkaTimeoutError:  # the calls that sent it report what was lost
            self._producer.close(timeout=0)

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
            shown = "" if found.field == "event_id" else event.event_id
            raise RefusedEvent(shown, found.reason, found.field)
        return body

    def _send(self, event: AnyEvent, body: bytes, deadline: float) -> Any:
        """The record's future, or why it was not even taken into the buffer."""
        if not self._room.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return f"{self._buffer_events} events are on their way already, and none arrived in {self._timeout_s:g} s"
        try:
            topic = topics.topic_of(type(event).__name__)
            future = self._producer.send(topic, body, topics.key_of(event).encode())
        except KafkaError as error:
            self._room.release()
            return _why(error)
        future.add_both(lambda _: self._room.release())
        return future


def _producer(brokers: str, timeout_s: float, security: Mapping[str, Any]) -> KafkaProducer:
    timeout_ms = round(timeout_s * 1000)
    try:
        return KafkaProducer(
            bootstrap_servers=brokers.split(","),
            enable_idempotence=True,
            acks="all",
            allow_auto_create_topics=False,
            bootstrap_timeout_ms=timeout_ms,
            max_block_ms=timeout_ms,
            request_timeout_ms=timeout_ms * 2 // 3,
            delivery_timeout_ms=timeout_ms,
            **security,
        )
    except KafkaError as error:
        raise Unreachable(f"no broker at {brokers} answered in {timeout_s:g} s: {type(error).__name__}") from None


def _outcome(future: Any, patience_s: float) -> Receipt | str:
    if isinstance(future, str):
        return future
    try:
        metadata = future.get(timeout=patience_s)
    except KafkaError as error:
        return _why(error)
    return Receipt(metadata.topic, metadata.partition, metadata.offset)


def _why(error: KafkaError) -> str:
    if isinstance(error, UnknownTopicOrPartitionError):
        return "the topic does not exist; `amana topics create` makes it"
    if isinstance(error, KafkaTimeoutError):
        return "no acknowledgement in time"
    return type(error).__name__


def ids_of(events: Sequence[AnyEvent]) -> list[str]:
    return [event.event_id for event in events]
