"""Models and rules that change while orders are screened: on real servers, with the real worker and commands."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from events import topics
from events.facts import encode as encode_fact
from features.definitions import DEFINITIONS
from models.decisions import Decision
from models.decisions import decode as decode_decision
from models.promotion import KEY, Named, Promotion, Switch, encode
from models.rules import default, parsed
from streams.kafka import Sender
from streams.rollouts import entries, promotions
from tests.harness import Kafka, Redis, wait_until
from tests.streams.fakes import order_fact
from tests.streams.made_models import saved
from tests.streams.pipeline import Pipeline

PARTITIONS = 2
WITHIN_S = 5.0
RULES = (
    "set: default\nrules:\n"
    "- {name: all, code: some.rule, when: event.amount_minor >= 0, action: review, owner: risk, expiry: never}\n"
)


class Screened(NamedTuple):
    """A running screening that is fed orders."""

    pipeline: Pipeline
    numbers: Iterator[int]

    def feed(self, per_partition: int = 1) -> None:
        asyncio.run(self._feed(per_partition))

    async def _feed(self, per_partition: int) -> None:
        sender = Sender(self.pipeline.brokers, "test")
        await sender.start()
        for partition in range(PARTITIONS):
            facts = [order_fact(next(self.numbers), partition) for _ in range(per_partition)]
            await sender.send(topics.FACTS, partition, [(None, encode_fact(fact)) for fact in facts])
        await sender.stop()

    def decided(self) -> list[tuple[int, Decision]]:
        return [(record.partition, decode_decision(record.value)) for record in self.pipeline.read(topics.DECISIONS)]

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = self.pipeline.log("screen-0").read_text().splitlines()
        return [
            each for line in lines if line.startswith("{") and (each := msgspec.json.decode(line))["event"] == event
        ]

    def feed_until(self, **expected: Any) -> float:
        """Feed until each partition's last decision has these fields; the seconds that took."""
        started = time.monotonic()
        while True:
            self.feed()
            time.sleep(0.1)
            last = dict(self.decided())
            if len(last) == PARTITIONS and all(
                getattr(decision, name) == value for decision in last.values() for name, value in expected.items()
            ):
                return time.monotonic() - started
            assert time.monotonic() - started < 200, self.pipeline.logs()[-3000:]

    def amana(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "streams.cli", *arguments]
        env, folder = self.pipeline.env, self.pipeline.folder
        done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def switches(self) -> list[Switch]:
        return [each.said for each in asyncio.run(entries(self.pipeline.brokers)) if isinstance(each.said, Switch)]


def judged_as_recorded(decisions: Sequence[tuple[int, Decision]], switches: Sequence[Switch]) -> None:
    """Each partition's orders were judged by what the topic says, from its offsets on; every fact is an order."""
    for partition in range(PARTITIONS):
        of_partition = [switch for switch in switches if switch.partition == partition]
        assert [switch.offset for switch in of_partition] == sorted(switch.offset for switch in of_partition)
        for number, decision in enumerate(unrepeated(d for p, d in decisions if p == partition)):
            judge = [switch.judge for switch in of_partition if switch.offset <= number][-1]
            assert (decision.model in dict(judge.models), decision.rules) == (True, judge.rules)


def unrepeated(decisions: Any) -> list[Decision]:
    """The first of each id."""
    first: dict[str, Decision] = {}
    for decision in decisions:
        first.setdefault(decision.decision_id, decision)
    return list(first.values())


async def send(brokers: str, value: bytes) -> None:
    sender = Sender(brokers, "test")
    await sender.start()
    await sender.send(topics.MODELS, 0, [(KEY, value)])
    await sender.stop()


@pytest.mark.timeout(600)
def test_a_promotion_and_a_rule_take_effect_within_seconds_without_a_restart_or_a_lost_order(tmp_path: Path) -> None:
    first, second = saved(tmp_path / "models", 1), saved(tmp_path / "models", 2)
    (rules := tmp_path / "rules.yaml").write_text(RULES)
    own, other = default(DEFINITIONS.names).hash, parsed(RULES, DEFINITIONS.names).hash
    with (
        Kafka() as kafka,
        Redis() as redis,
        Pipeline(kafka.brokers, redis.url, tmp_path, partitions=PARTITIONS) as full,
    ):
        screened = Screened(full, iter(range(1, 1_000_000)))
        full.start("screen")
        screened.feed_until(model=first.version, rules=own)
        said = screened.amana("models", "promote", second.version, "--actor", "noor")
        took_s = screened.feed_until(model=second.version)
        screened.amana("rules", "promote", str(rules), "--actor", "noor")
        rules_took_s = screened.feed_until(model=second.version, rules=other)
        asyncio.run(send(kafka.brokers, encode(Promotion(champion=Named(first.version, "0" * 64), actor="eve"))))
        wait_until(lambda: len(screened.logged("models.refused")) == 1, 20, "the refusal")
        screened.feed(5)
        handled = lambda: full.caught_up("screen", topics.FACTS)  # noqa: E731
        wait_until(handled, 150, "everything to be handled")
        full.kill("screen-0")
        full.start("screen")
        screened.feed_until(model=second.version, rules=other)
        screened.amana("models", "promote", first.version, "--actor", "sami")
        screened.feed_until(model=first.version, rules=other)
        back = screened.amana("models", "rollback", "--actor", "noor")
        back_took_s = screened.feed_until(model=second.version, rules=other)
        wait_until(handled, 150, "everything to be handled")
        fed, decisions, switches = full.count(topics.FACTS), screened.decided(), screened.switches()
        held, listed = asyncio.run(promotions(kafka.brokers)), screened.amana("models", "log")
        refused = screened.logged("models.refused")
    assert said == f"model {second.version} promoted at offset 2, in place of the workers' own\n"
    assert max(took_s, rules_took_s, back_took_s) < WITHIN_S
    assert f"model {second.version} promoted at offset " in back
    assert {decision.order_id for _, decision in decisions} == {f"o-{number}" for number in range(1, fed + 1)}
    judged_as_recorded(decisions, switches)
    assert refused[0]["why"].endswith(f"content hash {first.content}, expected {'0' * 64}")
    assert refused[0]["in_force"] == [second.version]
    assert [(each.champion, each.actor, each.rollback) for _, each in held] == [
        (second, "noor", False),
        (Named(first.version, "0" * 64), "eve", False),
        (first, "sami", False),
        (second, "noor", True),
    ]
    assert "facts/1 from offset" in listed
