"""Events published at a rate while a test does its worst, and a supervisor that restarts what ends."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from events.errors import AmanaError
from events.publisher import Publisher
from events.types import AnyEvent, Label
from simulator.settings import Settings
from simulator.store import simulate
from tests.streams.pipeline import Pipeline

TICK_S = 0.1


def store_events(seed: int, orders: int) -> list[AnyEvent]:
    """A simulated store's events without labels, with about so many orders."""
    settings = Settings(seed=seed, days=2, customers=1_000, orders_per_day=orders / 2)
    return [each.event for each in simulate(settings) if not isinstance(each.event, Label)]


@contextmanager
def published(pipeline: Pipeline, events: Sequence[AnyEvent], per_second: float) -> Iterator[threading.Thread]:
    """Publish beside the test, at a rate; what was not accepted is published again. Leaving waits for the end of it."""
    thread = threading.Thread(target=_publish, args=(pipeline.brokers, list(events), per_second))
    thread.start()
    yield thread
    thread.join()


def _publish(brokers: str, waiting: list[AnyEvent], per_second: float) -> None:
    batch = max(1, round(per_second * TICK_S))
    while waiting:
        try:
            with Publisher(brokers, timeout_s=10) as publisher:
                while waiting:
                    started = time.monotonic()
                    publisher.publish_many(waiting[:batch])
                    del waiting[:batch]
                    time.sleep(max(0, TICK_S - (time.monotonic() - started)))
        except AmanaError:
            time.sleep(0.5)


@contextmanager
def supervised(pipeline: Pipeline) -> Iterator[None]:
    """Restart, as a service manager would, every started stage that fails, if only for want of a broker."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            for name, process in list(pipeline.processes.items()):
                if process.poll() not in {None, 0} and not ended.is_set():
                    stage, _, instance = name.rpartition("-")
                    pipeline.start(stage, instance)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
