"""A screening that is fed orders at a rate while models and rules are promoted, and what the topics say of it."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
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

    topic = topics.FACTS

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
                numbers = [n for n in range(self.fed + 1, due + 1) if (n - 1) % self.pipeline.partitions == partition]
                await sender.send(self.topic, partition, [(None, self._record(n, partition)) for n in numbers])
            self.fed = max(self.fed, due)
            await asyncio.sleep(TICK_S)
        await sender.stop()

    def _record(self, number: int, partition: int) -> bytes:
        return encode_fact(order_fact(number, partition))

    def offset_of(self, decision: Decision) -> int:
        """The offset of a decided order's fact in its partition."""
        return (decision.source.offset - 1) // self.pipeline.partitions

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

    def rate(self) -> float:
        """Decided orders a second, by the broker's clock, over the whole time."""
        times = [record.at_ms for record in self.pipeline.read(topics.DECISIONS)]
        return 1000 * len(times) / (max(times) - min(times))

    def decided(self) -> list[tuple[int, Decision]]:
        return [(record.partition, decode_decision(record.value)) for record in self.pipeline.read(topics.DECISIONS)]

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = self.pipeline.log("screen-0").read_text().splitlines()
        found = [msgspec.json.decode(line) for line in lines if line.startswith("{")]
        return [each for each in found if each["event"] == event]


class Whole(Screened):
    """The same, but raw orders as the order service sends them, through intake: no fact is repeated while none fails,
    so that a fact has its order's offset.
    """

    topic = topics.ORDERS

    def _record(self, number: int, partition: int) -> bytes:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
        return _ORDER % {b"number": number, b"customer": number % 997, b"partition": partition, b"now": now}

    def offset_of(self, decision: Decision) -> int:
        return decision.source.offset

    def wait_until_handled(self) -> None:
        wait_until(lambda: self.pipeline.caught_up("intake", topics.ORDERS), 200, "all orders to be taken in")
        super().wait_until_handled()


_ORDER = (
    b'{"type":"OrderPlaced","event_id":"e-%(number)d","occurred_at":"%(now)s","order_id":"o-%(number)d",'
    b'"customer_id":"c-%(partition)d-%(customer)d","amount_minor":%(number)d,"currency":"USD",'
    b'"items":[{"sku":"s-1","category":"phones","quantity":1,"unit_amount_minor":%(number)d}],'
    b'"contact":{"name":"N %(customer)d","email":"c%(customer)d@example.org","phone":"+96650%(customer)07d"},'
    b'"payment":{"method":"card","psp_token":"tok_%(customer)d"},'
    b'"ip":"192.0.2.7"}'
)


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


def judged_as_recorded(live: Screened, decisions: Iterable[tuple[int, Decision]], said: Sequence[Entry]) -> None:
    """Each partition's orders were judged by what the topic says, from its offsets on."""
    switches = [each.said for each in said if isinstance(each.said, Switch)]
    decisions = list(decisions)
    for partition in range(live.pipeline.partitions):
        of_partition = [switch for switch in switches if switch.partition == partition]
        for decision in (each for number, each in decisions if number == partition):
            judge = [switch.judge for switch in of_partition if switch.offset <= live.offset_of(decision)][-1]
            assert (((decision.model, 1.0),), decision.rules) == (judge.models, judge.rules)


def unrepeated(decisions: Iterable[tuple[int, Decision]]) -> list[tuple[int, Decision]]:
    """The first decision of each id: the one that counts."""
    first: dict[str, tuple[int, Decision]] = {}
    for partition, decision in decisions:
        first.setdefault(decision.decision_id, (partition, decision))
    return list(first.values())
