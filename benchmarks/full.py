"""The full path on servers of its own: topics made anew, topics watched."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import redis
from kafka import KafkaConsumer, TopicPartition

from benchmarks import workload
from events import admin, topics
from tests.harness import Kafka, Redis, wait_until
from tests.streams.pipeline import Pipeline, make_topics


class Full:
    """A pipeline and the process ids of the servers under it."""

    def __init__(self, pipeline: Pipeline, kafka: Kafka, store: Redis) -> None:
        self.pipeline = pipeline
        self.kafka, self.redis = kafka, store

    @property
    def models(self) -> Path:
        return self.pipeline.folder / "models"

    def pids(self) -> dict[str, int]:
        stages = {name.partition("-")[0]: process.pid for name, process in self.pipeline.processes.items()}
        return stages | {"kafka": self.kafka.pid, "redis": self.redis.pid}

    def renew(self) -> None:
        """Kill all stages, and begin anew with empty topics and an empty store."""
        for process in self.pipeline.processes.values():
            process.kill()
            process.wait()
        self.pipeline.processes.clear()
        with redis.Redis.from_url(self.redis.url) as client:
            client.flushall()
        broker: Any = admin.connect(self.pipeline.brokers)
        try:
            broker.delete_topics([name for name in broker.list_topics() if not name.startswith("__")])
            wait_until(lambda: all(name.startswith("__") for name in broker.list_topics()), 30, "topics to be gone")
        finally:
            broker.close()
        make_topics(self.pipeline.brokers, workload.PARTITIONS)

    def fill(self, messages: list[workload.Message], topic: str = topics.ORDERS) -> None:
        workload.fill(self.pipeline.brokers, topic, messages)


class Watch:
    """How many records a topic holds, and when the last came."""

    def __init__(self, full: Full, topic: str) -> None:
        self._full = full
        self._consumer: Any = KafkaConsumer(bootstrap_servers=full.pipeline.brokers)
        self._tps = [TopicPartition(topic, number) for number in range(workload.PARTITIONS)]
        self._consumer.assign(self._tps)

    def count(self) -> int:
        return int(sum(self._consumer.end_offsets(self._tps).values()))

    def wait(self, count: int, timeout_s: float) -> None:
        """Wait until the topic holds so many records; fails at once when a stage has ended."""
        deadline = time.monotonic() + timeout_s
        while (found := self.count()) < count:
            ended = [name for name, process in self._full.pipeline.processes.items() if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                raise RuntimeError(
                    f"{found} of {count} records after {timeout_s:g} s, ended: {ended}\n{self._full.pipeline.logs()}"
                )
            time.sleep(0.1)

    def last_s(self) -> float:
        """The broker's time of the topic's last record (seconds since 1970)."""
        ends = self._consumer.end_offsets(self._tps)
        waiting = {tp for tp, end in ends.items() if end > 0}
        for tp in waiting:
            self._consumer.seek(tp, ends[tp] - 1)
        last_ms = 0
        while waiting:
            for tp, records in self._consumer.poll(timeout_ms=500).items():
                last_ms = max(last_ms, records[-1].timestamp)
                waiting.discard(tp)
        return last_ms / 1000

    def close(self) -> None:
        self._consumer.close()


@contextmanager
def full() -> Iterator[Full]:
    """Servers, topics, a keyring and a model."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="amana-bench-")))
        kafka, store = stack.enter_context(Kafka()), stack.enter_context(Redis())
        pipeline = Pipeline(kafka.brokers, store.url, folder, partitions=workload.PARTITIONS)
        made = Full(stack.enter_context(pipeline), kafka, store)
        workload.save_model(made.models, pipeline.keyring)
        yield made


@contextmanager
def watching(full: Full, topic: str = topics.DECISIONS) -> Iterator[Watch]:
    watch = Watch(full, topic)
    try:
        yield watch
    finally:
        watch.close()
