"""The chunked transport, lanes and worker on a real broker: what is committed is what was handled, whatever happens."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kafka import KafkaConsumer, TopicPartition

from events import admin
from events.topics import TopicSpec
from streams.kafka import Message, Sender
from streams.worker import WorkerSettings
from tests.harness import Kafka, wait_until
from tests.streams.recording_worker import Entry, Plan

ROOT = Path(__file__).parents[2]
PARTITIONS = 4
SESSION_S = 2.0


class Bench:
    """A topic of a test's own, and workers of one group on it."""

    def __init__(self, brokers: str, folder: Path) -> None:
        self.brokers = brokers
        self.topic = f"transport-{uuid.uuid4().hex}"
        self.group = f"group-{self.topic}"
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        client = admin.connect(brokers)
        try:
            admin.create_topics(client, PARTITIONS, specs=[TopicSpec(self.topic, -1)])
        finally:
            client.close()

    def publish(self, count: int, body: bytes = b"x") -> None:
        """So many records for each partition."""
        asyncio.run(self._publish([(None, body)] * count))

    async def _publish(self, messages: Sequence[Message]) -> None:
        sender = Sender(self.brokers, "test")
        await sender.start()
        for partition in range(PARTITIONS):
            await sender.send(self.topic, partition, messages)
        await sender.stop()

    def start(self, name: str = "a", chunk_records: int = 50, **plan: Any) -> subprocess.Popen[bytes]:
        settings = WorkerSettings(
            group=self.group,
            instance=name,
            brokers=self.brokers,
            topics=(self.topic,),
            chunk_records=chunk_records,
            session_timeout_s=SESSION_S,
            commit_interval_s=0.1,
        )
        text = msgspec.json.encode(Plan(settings=settings, record=str(self._record(name)), hold=str(self.hold), **plan))
        with self._log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", "tests.streams.recording_worker", text.decode()],
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        return self._processes[name]

    @property
    def hold(self) -> Path:
        """While this file is there, no stage ends a chunk."""
        return self._folder / "hold"

    def said(self, name: str = "a") -> str:
        return self._log(name).read_text()

    def entries(self, name: str = "a", kind: str = "done") -> list[Entry]:
        if not self._record(name).exists():
            return []
        lines = self._record(name).read_bytes().splitlines(keepends=True)
        entries = [msgspec.json.decode(line, type=Entry) for line in lines if line.endswith(b"\n")]
        return [entry for entry in entries if entry.kind == kind]

    def handled(self, *names: str) -> dict[int, set[int]]:
        """The offsets that were handled, by partition."""
        found: dict[int, set[int]] = {partition: set() for partition in range(PARTITIONS)}
        for entry in (entry for name in names for entry in self.entries(name)):
            found[entry.partition].update(range(entry.first, entry.last + 1))
        return found

    def committed(self) -> list[int]:
        """What the group has committed, 0 where nothing."""
        consumer: Any = KafkaConsumer(bootstrap_servers=self.brokers, group_id=self.group, enable_auto_commit=False)
        try:
            return [consumer.committed(TopicPartition(self.topic, number)) or 0 for number in range(PARTITIONS)]
        finally:
            consumer.close()

    def wait(self, condition: Any, what: str, timeout_s: float = 30.0) -> None:
        try:
            wait_until(condition, timeout_s, what)
        except TimeoutError as late:
            raise AssertionError(f"{late}\n" + "\n".join(self.said(name) for name in self._processes)) from None

    def wait_handled(self, count: int, *names: str) -> None:
        everything = {partition: set(range(count)) for partition in range(PARTITIONS)}
        self.wait(lambda: self.handled(*names) == everything, f"{count} records of each partition")

    def stop(self, name: str = "a") -> int:
        self._processes[name].terminate()
        return self._processes[name].wait(20)

    def close(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()

    def _record(self, name: str) -> Path:
        return self._folder / f"{name}.jsonl"

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"


@pytest.fixture
def bench(kafka: Kafka, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(kafka.brokers, tmp_path)
    yield made
    made.close()


def in_order(entries: Sequence[Entry]) -> bool:
    """Whether each partition's chunks follow one another without a gap or a repeat."""
    position: dict[int, int] = {}
    for entry in entries:
        if entry.first != position.get(entry.partition, entry.first):
            return False
        position[entry.partition] = entry.last + 1
    return True


def test_what_was_handled_is_committed_each_record_once_and_in_order(bench: Bench) -> None:
    bench.publish(1000)
    bench.start()
    bench.wait_handled(1000, "a")
    assert bench.stop() == 0
    assert bench.committed() == [1000] * PARTITIONS
    done = bench.entries()
    assert in_order(done)
    assert sum(entry.last - entry.first + 1 for entry in done) == 1000 * PARTITIONS
    assert max(entry.last - entry.first + 1 for entry in done) == 50


def test_a_chunk_in_hand_is_not_committed_and_comes_again_after_a_kill(bench: Bench) -> None:
    bench.publish(100)
    worker = bench.start(chunk_records=30)
    bench.wait_handled(100, "a")
    bench.hold.touch()
    bench.publish(100)
    bench.wait(lambda: bench.entries(kind="began")[-1].first == 100, "a chunk in hand")
    bench.wait(lambda: bench.committed() == [100] * PARTITIONS, "the commit of what was handled")
    before = bench.entries()
    worker.kill()
    worker.wait()
    bench.hold.unlink()
    bench.start(chunk_records=30)
    bench.wait_handled(200, "a")
    again = bench.entries()[len(before) :]
    assert {
        partition: min(e.first for e in again if e.partition == partition) for partition in range(4)
    } == dict.fromkeys(range(4), 100)
    assert bench.stop() == 0
    assert bench.committed() == [200] * PARTITIONS


def test_a_stage_that_stands_keeps_its_partitions_and_a_bounded_number_of_records(bench: Bench) -> None:
    bench.hold.touch()
    worker = bench.start()
    bench.publish(1)
    bench.wait(lambda: len(bench.entries(kind="began")) == PARTITIONS, "the first chunks")
    idle_mb = resident_mb(worker.pid)
    bench.publish(5000, b"x" * 5000)
    time.sleep(2.5 * SESSION_S)
    assert resident_mb(worker.pid) - idle_mb < 50  # of 100
    bench.hold.unlink()
    bench.wait_handled(5001, "a")
    assert in_order(bench.entries())
    assert len(bench.entries(kind="opened")) == PARTITIONS  # assigned once, never taken away
    assert bench.stop() == 0
    assert bench.committed() == [5001] * PARTITIONS


def test_a_partition_that_stands_does_not_hold_up_the_others(bench: Bench) -> None:
    bench.hold.touch()
    bench.start(chunk_records=10, held=0)
    bench.publish(500)
    others = {0: set()} | {partition: set(range(500)) for partition in range(1, PARTITIONS)}
    bench.wait(lambda: bench.handled("a") == others, "all of the others' records")
    bench.hold.unlink()
    bench.wait_handled(500, "a")
    assert in_order(bench.entries())


def test_workers_that_join_and_leave_share_the_work_and_lose_nothing(bench: Bench) -> None:
    bench.start("a", chunk_records=10, chunk_s=0.02)
    bench.publish(200)
    bench.wait(lambda: len(bench.entries("a")) > 8, "the first worker's first chunks")
    bench.start("b", chunk_records=10, chunk_s=0.02)
    bench.wait(lambda: bench.entries("b", "opened"), "the second worker's partitions")
    bench.publish(300)
    bench.wait(lambda: len(bench.entries("b")) > 8, "the second worker's first chunks")
    assert bench.stop("b") == 0
    bench.publish(100)
    bench.wait_handled(600, "a", "b")
    assert bench.stop("a") == 0
    assert bench.committed() == [600] * PARTITIONS
    for partition in {entry.partition for entry in bench.entries("b", "opened")}:
        assert_one_owner_at_a_time(bench, partition)


def assert_one_owner_at_a_time(bench: Bench, partition: int) -> None:
    """From when b has a partition until its end, a finishes no chunk of it: its lane was emptied."""
    b = [entry for kind in ("began", "done") for entry in bench.entries("b", kind) if entry.partition == partition]
    if b:
        from_ns, until_ns = min(entry.at_ns for entry in b), max(entry.at_ns for entry in b)
        a = [entry for entry in bench.entries("a") if entry.partition == partition]
        assert not [entry for entry in a if from_ns < entry.at_ns < until_ns]


@pytest.mark.timeout(120)
def test_of_two_workers_of_one_name_the_earlier_ends_and_says_why(bench: Bench) -> None:
    bench.publish(20)
    first = bench.start("a")
    bench.wait_handled(20, "a")
    second = bench.start("a", chunk_s=0.01)
    try:
        assert first.wait(30) == 1
    finally:
        first.kill()
    assert f"another process is a of group {bench.group} now; expected one process of that name" in bench.said()
    bench.publish(20)
    bench.wait_handled(40, "a")
    bench.wait(lambda: bench.committed() == [40] * PARTITIONS, "all to be committed")
    assert second.poll() is None


@pytest.mark.timeout(120)
def test_a_worker_that_was_forgotten_and_not_replaced_joins_again(bench: Bench) -> None:
    bench.publish(20)
    only = bench.start("a")
    bench.wait_handled(20, "a")
    only.send_signal(signal.SIGSTOP)
    bench.wait(lambda: admin.members(bench.brokers, bench.group) == {}, "the group to forget it")
    only.send_signal(signal.SIGCONT)
    bench.publish(20)
    bench.wait_handled(40, "a")
    bench.wait(lambda: bench.committed() == [40] * PARTITIONS, "all to be committed")
    assert only.poll() is None


@pytest.mark.parametrize(("stated", "code"), [(False, 70), (True, 1)])
def test_a_lane_that_fails_ends_the_process_and_its_chunk_is_not_committed(
    bench: Bench, stated: bool, code: int
) -> None:
    bench.publish(300)
    worker = bench.start(fail_at=120, stated=stated)
    assert worker.wait(30) == code
    failed = bench.entries(kind="began")
    (first,) = {entry.first for entry in failed if entry.partition == 0 and entry.first <= 120 <= entry.last}
    assert bench.committed()[0] <= first
    assert all(committed <= len(bench.handled("a")[number]) for number, committed in enumerate(bench.committed()))
    assert "worker.failed" in bench.said()
    assert ("offset 0 is not there" in bench.said()) is stated
    assert "layla" not in bench.said()
    bench.start()
    bench.wait(lambda: bench.committed() == [300] * PARTITIONS, "the commit of all")


def test_a_worker_that_cannot_be_wired_ends_and_says_why(bench: Bench) -> None:
    assert bench.start(fail_to_wire=True).wait(30) == 1
    assert "no topic orders" in bench.said()


def test_a_stage_that_is_stopped_in_the_middle_of_a_chunk_commits_only_what_it_handled(bench: Bench) -> None:
    bench.publish(200)
    worker = bench.start(chunk_s=0.1)
    bench.wait(lambda: len(bench.entries()) > 3, "some chunks")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    handled = bench.handled("a")
    assert bench.committed() == [len(handled[partition]) for partition in range(PARTITIONS)]


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
