"""A screening that is fed orders at a rate while models and rules are promoted, and what the topics say of it."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from events import topics
from events.facts import encode as encode_fact
from models.decisions import Decision
from models.decisions import decode as decode_decision
from models.promotion import Promotion, Switch
from streams.kafka import Sender
from streams.rollouts import Entry, entries
from tests.harness import wait_until
from tests.streams.fakes import order_fact
from tests.streams.pipeline import Pipeline

TICK_S = 0.1
POLL_S = 0.2


class Screened:
    """Orders number 1, 2, 3 ... go to the partitions of facts in turn: partition p's offset o has the number
    o * partitions + p + 1.
    """

    def __init__(self, pipeline: Pipeline, per_second: float) -> None:
        self.pipeline = pipeline
        self.fed = 0
        self._per_second = per_second
        self._enough = threading.Event()

    @contextmanager
    def fed_meanwhile(self) -> Iterator[None]:
        """Orders come at the rate until the context is left; all that were fed are in the topic then."""
        self._enough.clear()
        thread = threading.Thread(target=lambda: asyncio.run(self._feed()))
        thread.start()
        try:
            yield
        finally:
            self._enough.set()
            thread.join()

    async def _feed(self) -> None:
        sender = Sender(self.pipeline.brokers, "test")
        await sender.start()
        begun, before = time.monotonic(), self.fed
        while not self._enough.is_set():
            due = before + round((time.monotonic() - begun) * self._per_second)
            for partition in range(self.pipeline.partitions):
                await sender.send(topics.FACTS, partition, self._facts(partition, due))
            self.fed = max(self.fed, due)
            await asyncio.sleep(TICK_S)
        await sender.stop()

    def _facts(self, partition: int, due: int) -> list[tuple[None, bytes]]:
        numbers = [n for n in range(self.fed + 1, due + 1) if (n - 1) % self.pipeline.partitions == partition]
        return [(None, encode_fact(order_fact(number, partition))) for number in numbers]

    def amana(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "streams.cli", *arguments]
        env, folder = self.pipeline.env, self.pipeline.folder
        done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def said(self) -> list[Entry]:
        return asyncio.run(entries(self.pipeline.brokers))

    def wait_for_switch(self, *, model: str, rules: str, timeout_s: float = 150) -> None:
        """Until every partition's last switch is to these."""

        def switched() -> bool:
            time.sleep(POLL_S)
            last = {each.said.partition: each.said for each in self.said() if isinstance(each.said, Switch)}
            judges = {(switch.judge.models, switch.judge.rules) for switch in last.values()}
            return len(last) == self.pipeline.partitions and judges == {(((model, 1.0),), rules)}

        wait_until(switched, timeout_s, f"all partitions to be judged by {model} and rules {rules}")

    def wait_until_handled(self) -> None:
        wait_until(lambda: self.pipeline.caught_up("screen", topics.FACTS), 200, "everything to be handled")

    def decided(self) -> list[tuple[int, Decision]]:
        return [(record.partition, decode_decision(record.value)) for record in self.pipeline.read(topics.DECISIONS)]

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = self.pipeline.log("screen-0").read_text().splitlines()
        found = [msgspec.json.decode(line) for line in lines if line.startswith("{")]
        return [each for each in found if each["event"] == event]


def seconds_to_switch(said: Sequence[Entry], model: str, after: int) -> float:
    """By the broker's clock: from the promotion of a model, the first behind an offset, until all partitions follow."""
    promoted = next(
        each
        for each in said
        if isinstance(each.said, Promotion) and each.said.champion.version == model and each.offset > after
    )
    first: dict[int, int] = {}
    for each in said:
        if isinstance(each.said, Switch) and each.offset > promoted.offset and each.said.judge.models[0][0] == model:
            first.setdefault(each.said.partition, each.at_ms)
    return (max(first.values()) - promoted.at_ms) / 1000


def judged_as_recorded(decisions: Iterable[tuple[int, Decision]], said: Sequence[Entry], partitions: int) -> None:
    """Each partition's orders were judged by what the topic says, from its offsets on."""
    switches = [each.said for each in said if isinstance(each.said, Switch)]
    for partition in range(partitions):
        of_partition = [switch for switch in switches if switch.partition == partition]
        for decision in (each for number, each in decisions if number == partition):
            offset = (decision.source.offset - 1) // partitions
            judge = [switch.judge for switch in of_partition if switch.offset <= offset][-1]
            assert (((decision.model, 1.0),), decision.rules) == (judge.models, judge.rules)


def unrepeated(decisions: Iterable[tuple[int, Decision]]) -> list[tuple[int, Decision]]:
    """The first decision of each id: the one that counts."""
    first: dict[str, tuple[int, Decision]] = {}
    for partition, decision in decisions:
        first.setdefault(decision.decision_id, (partition, decision))
    return list(first.values())
