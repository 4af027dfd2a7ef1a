"""Ends a worker whose topics are no longer the ones that stored state belongs to, or that no longer makes progress."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog
from faust.types import TP
from kafka.errors import KafkaError

from events.admin import topic_ids
from streams.errors import Recreated, Stalled
from streams.metrics import Metrics

if TYPE_CHECKING:
    from streams.worker import Worker

log = structlog.get_logger()
TOPICS_EVERY_S = 5.0
PROGRESS_EVERY_S = 2.0


async def watch_topics(brokers: str, expected: Mapping[str, str]) -> None:
    """Compare topic ids for ever; raises Recreated. A broker that does not answer is asked again."""
    while True:
        await asyncio.sleep(TOPICS_EVERY_S)
        try:
            found = await asyncio.to_thread(topic_ids, brokers, list(expected))
        except KafkaError as error:
            log.warning("topics.unreachable", error=type(error).__name__)
            continue
        for topic, topic_id in expected.items():
            if found.get(topic) != topic_id:
                raise Recreated(
                    f"topic {topic} was {topic_id} and is now {found.get(topic, 'gone')}: offsets and decision ids "
                    "that were stored belong to the old one; expected the same topic for as long as its state is kept"
                )


async def watch_progress(worker: "Worker", metrics: Metrics) -> None:
    """Measure lag, and raise Stalled when a partition with records to read has not moved for `stall_s`.

    A stage that waits for a store that is down says so and is not stalled.
    """
    moved: dict[TP, tuple[int, float]] = {}
    while True:
        await asyncio.sleep(PROGRESS_EVERY_S)
        now = worker.loop.time()
        for tp, position, end in worker.positions():
            metrics.lag.labels(tp.topic, str(tp.partition)).set(end - position)
            before, since = moved.get(tp, (-1, now))
            if position != before or position >= end or worker.waiting():
                moved[tp] = (position, now)
            elif now - since > worker.settings.stall_s:
                raise Stalled(
                    f"{tp.topic}/{tp.partition} has stood at offset {position} of {end} for {now - since:.0f} s"
                )
