"""The full pipeline for tests: every stage a process of its own, on real servers."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from confluent_kafka import Consumer, KafkaException, TopicPartition

from events import admin, topics
from events.publisher import Publisher
from events.topics import share_specs
from events.types import AnyEvent
from sharing.contracts import FOLDER
from sharing.tokens.making import write_pair
from tests.harness import wait_until
from vault.keyring import Keyring

COMMANDS = {
    "intake": ["intake"],
    "screen": ["screen"],
    "history": ["history", "serve"],
    "opener": ["opener"],
}
ROOT = Path(__file__).parents[2]


class Read(NamedTuple):
    """A record as it was found in a topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes
    at_ms: int = 0  # the broker's time


class Pipeline:
    """Stages as processes on a broker of their own; everything is killed when the context ends."""

    def __init__(
        self, brokers: str, redis: str, folder: Path, database: str = "", partitions: int = 4, shards: int = 1
    ) -> None:
        self.brokers = brokers
        self.folder = folder
        self.partitions = partitions
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.keyring = folder / "keyring.json"
        self.reader = consumer(brokers, "reader")
        self.env = os.environ | {
            "AMANA_BROKERS": brokers,
            "AMANA_REDIS": redis,
            "AMANA_SHARDS": str(shards),
            "AMANA_DATABASE": database or f"sqlite:///{folder}/amana.db",
            "AMANA_KEYRING": str(self.keyring),
            "AMANA_MODELS": str(folder / "models"),
            "PYTHONPATH": str(ROOT),
        }

    def __enter__(self) -> Self:
        if not self.keyring.exists():
            Keyring.create(self.keyring, os.urandom)
        make_topics(self.brokers, self.partitions)
        return self

    def __exit__(self, *_: object) -> None:
        self.reader.close()
        for name in self.processes:
            self.kill(name)

    def start(self, stage: str, instance: str = "0", arguments: Sequence[str] = (), **env: str) -> str:
        """Start a stage (again); its log is appended to. Returns the process's name."""
        name = f"{stage}-{instance}"
        command = [sys.executable, "-m", "streams.cli", *COMMANDS[stage], "--instance", instance, *arguments]
        self.launch(name, command, env)
        return name

    def start_sharing(self, **env: str) -> None:
        """The projector and the deliverer, with made-up keys for every partner; theirs are in `own`."""
        for path in sorted(FOLDER.glob("*.yaml")):
            _, public = write_pair(self.folder / "own", path.stem, os.urandom)
            (self.folder / "partners").mkdir(exist_ok=True)
            shutil.copy(public, self.folder / "partners")
        command = [sys.executable, "-m", "streams.cli"]
        self.env |= {"AMANA_PARTNERS": str(self.folder / "partners"), "AMANA_JWKS": str(self.folder / "jwks.json")}
        subprocess.run([*command, "partner", "jwks"], cwd=self.folder, env=self.env, check=True, capture_output=True)
        self.launch("projector-0", [*command, "projector", "--demo"], env)
        self.launch("deliverer-0", [*command, "deliverer"], env)

    def launch(self, name: str, command: Sequence[str], env: dict[str, str]) -> None:
        with self.log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=self.folder, env=self.env | env, stdout=log, stderr=log, start_new_session=True
            )

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()}" for path in sorted(self.folder.glob("*.log")))

    def runs(self, name: str) -> bool:
        return name in self.processes and self.processes[name].poll() is None

    def signal(self, name: str, number: signal.Signals) -> None:
        self.processes[name].send_signal(number)

    def kill(self, name: str) -> None:
        """SIGKILL, if it was ever started; returns when it is gone."""
        if name in self.processes:
            self.processes[name].kill()
            self.processes[name].wait()

    def stop(self, name: str, timeout_s: float = 15.0) -> int:
        """Stop a process in order; its exit code."""
        self.signal(name, signal.SIGTERM)
        return self.processes[name].wait(timeout_s)

    def publish(self, events: Iterable[AnyEvent]) -> None:
        with Publisher(self.brokers) as publisher:
            publisher.publish_many(list(events))

    def read(self, topic: str) -> list[Read]:
        """All that a topic holds now, by partition and offset."""
        return sorted(read_topic(self.reader, topic), key=lambda record: record[:2])

    def wait_for(self, topic: str, count: int, timeout_s: float = 60.0) -> list[Read]:
        """Wait until a topic holds at least so many records; returns them."""
        try:
            wait_until(lambda: self.count(topic) >= count, timeout_s, f"{count} records in {topic}")
        except TimeoutError as error:
            raise AssertionError(f"{error}; there are {self.count(topic)}\n{self.logs()}") from None
        return self.read(topic)

    def count(self, topic: str) -> int:
        return sum(end for _, end in watermarks(self.reader, topic).values())

    def caught_up(self, stage: str, topic: str) -> bool:
        """Whether a stage has committed all that a topic holds now."""
        ends = {number: end for number, (_, end) in watermarks(self.reader, topic).items()}
        member = consumer(self.brokers, f"amana.{stage}")
        try:
            committed = member.committed([TopicPartition(topic, number) for number in ends], timeout=10)
        finally:
            member.close()
        return all(max(0, at.offset) >= ends[at.partition] for at in committed)


def consumer(brokers: str, group: str) -> Consumer:
    """Not kafka-python's: its clients leave sockets to the garbage collector, which is an error in these tests."""
    return Consumer({"bootstrap.servers": brokers, "group.id": group, "enable.auto.commit": False})


def watermarks(reader: Consumer, topic: str) -> dict[int, tuple[int, int]]:
    """First offset and the one after the last, by partition."""
    for _ in range(20):
        partitions = reader.list_topics(topic, timeout=10).topics[topic].partitions
        try:
            return {
                number: reader.get_watermark_offsets(TopicPartition(topic, number), timeout=10) for number in partitions
            }
        except KafkaException:  # leaders change while a broker starts or is short of time
            time.sleep(0.25)
    raise AssertionError(f"{topic} has no leaders")


def read_topic(reader: Consumer, topic: str) -> Iterator[Read]:
    """All records up to the present end, by partition."""
    for number, (start, end) in watermarks(reader, topic).items():
        reader.assign([TopicPartition(topic, number, start)])
        position = start
        while position < end:
            # It waits for as many as it was asked for.
            for record in reader.consume(min(500, end - position), timeout=1):
                if record.error() is not None:
                    raise AssertionError(str(record.error()))
                offset = int(record.offset() or 0)
                position = offset + 1
                yield Read(number, offset, record.key(), record.value() or b"", record.timestamp()[1])
    reader.unassign()


def make_topics(brokers: str, partitions: int) -> None:
    client = admin.connect(brokers)
    try:
        shared = [spec for path in sorted(FOLDER.glob("*.yaml")) for spec in share_specs(path.stem)]
        admin.create_topics(client, partitions, specs=(*topics.SPECS, *shared))
    finally:
        client.close()
