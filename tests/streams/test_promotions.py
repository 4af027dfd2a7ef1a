"""Rules that change while orders are screened: on a real broker, with the real worker and the real command."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import structlog
from click.testing import CliRunner

from events import topics
from events.facts import encode as encode_fact
from features.definitions import DEFINITIONS
from models.decisions import Decision
from models.decisions import decode as decode_decision
from models.rules import Ruleset, default, hash_of, parsed
from models.rules.promotion import Promotion, encode
from streams.cli import main
from streams.kafka import Sender
from streams.promotions import InForce, Other, Promoted, entries, promote, told
from tests.harness import Kafka, Redis, wait_until
from tests.streams.fakes import order_fact
from tests.streams.pipeline import Pipeline, make_topics

NAMES = DEFINITIONS.names
PARTITIONS = 2
WITHIN_S = 5.0


def text_of(code: str, rules_set: str = "default") -> str:
    return (
        f"set: {rules_set}\nrules:\n"
        f"- {{name: all, code: {code}, when: event.amount_minor >= 0, action: review, owner: risk, expiry: never}}\n"
    )


def ruleset(code: str, rules_set: str = "default") -> Ruleset:
    return parsed(text_of(code, rules_set), NAMES)


class Sent(NamedTuple):
    """What of a Kafka record the workers look at."""

    key: bytes | None
    value: bytes | None
    offset: int = 7


def promotion(rules: Ruleset, **other: str) -> Promotion:
    return msgspec.structs.replace(Promotion(rules.text, rules.hash, "noor", None), **other)


def test_a_promotion_of_the_own_set_comes_into_force_and_of_another_does_not() -> None:
    rules = InForce(default(NAMES), NAMES)
    rules.take(Sent(b"other", encode(promotion(ruleset("a.a", "other")))))
    assert rules.ruleset == default(NAMES)
    rules.take(Sent(b"default", encode(promotion(ruleset("a.a")))))
    assert rules.ruleset.hash == ruleset("a.a").hash


GOOD = ruleset("a.a")
UNKNOWN = text_of("a.a").replace("event.amount_minor", "card.no_such_feature")


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        (b"default", b"{", "not a promotion of rules"),
        (b"default", None, "not a promotion of rules"),
        (b"default", b"\xff", "not a promotion of rules"),
        (None, encode(promotion(GOOD)), "its key is not its set's name"),
        (b"default", encode(promotion(ruleset("a.a", "other"))), "its key is not its set's name"),
        (b"default", encode(promotion(GOOD, text=GOOD.text + " ")), "its text is not the one of its hash"),
        (b"default", encode(promotion(GOOD, actor="")), "it has no actor"),
        (
            b"default",
            encode(Promotion(UNKNOWN, hash_of(UNKNOWN), "noor", None)),
            "1 mistakes, the first at 3:32: rule all: when: unknown feature card.no_such_feature",
        ),
    ],
)
def test_a_bad_message_is_refused_loudly_and_the_old_rules_stay(key: bytes, value: bytes, why: str) -> None:
    rules = InForce(default(NAMES), NAMES)
    with structlog.testing.capture_logs() as logs:
        rules.take(Sent(key, value))
    assert rules.ruleset == default(NAMES)
    assert logs == [
        {"event": "rules.refused", "log_level": "error", "offset": 7, "why": why, "in_force": default(NAMES).hash}
    ]


def amana(*arguments: str | Path) -> str:
    result = CliRunner().invoke(main, ["rules", *map(str, arguments)])
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_two_promotions_at_once_are_both_told_and_the_later_is_in_force_for_everybody() -> None:
    one, other = ruleset("one.one"), ruleset("other.other")

    async def both(brokers: str) -> Any:
        return await asyncio.gather(promote(brokers, one, "noor"), promote(brokers, other, "sami"))

    with Kafka() as kafka:
        make_topics(kafka.brokers, PARTITIONS)
        first, second = sorted(
            zip(asyncio.run(both(kafka.brokers)), (one, other), strict=True), key=lambda p: p[0].offset
        )
        held = asyncio.run(entries(kafka.brokers))
        listed = amana("log", "--brokers", kafka.brokers)
    assert [each.promotion.hash for each in held if each.promotion] == [first[1].hash, second[1].hash]
    earlier_is_known = second[0].replaces == first[1].hash
    assert earlier_is_known or [each.offset for each in second[0].between] == [first[0].offset]
    assert all(each.offset == second[0].offset for each in first[0].after)
    workers = [InForce(default(NAMES), NAMES) for _ in range(2)]
    for worker in workers:
        for each in held:
            worker.take(Sent(b"default", encode(each.promotion), each.offset))
    assert [worker.ruleset.hash for worker in workers] == [second[1].hash] * 2
    assert "noor" in listed
    assert "sami" in listed


def test_who_promotes_is_told_of_others_just_before_and_since() -> None:
    before, since = Other(3, "b" * 32, "noor"), Other(5, "s" * 32, "sami")
    first = f"set default: rules {GOOD.hash} promoted at offset 4, in place of"
    assert told(GOOD, Promoted(4, None, (), ())) == ([f"{first} the workers' own"], "")
    assert told(GOOD, Promoted(4, "r" * 32, (), ())) == ([f"{first} {'r' * 32}"], "")
    assert told(GOOD, Promoted(4, "r" * 32, (before,), (since,))) == (
        [f"{first} {'b' * 32}", f"noor promoted rules {'b' * 32} just before, at offset 3"],
        f"sami promoted rules {'s' * 32} since, at offset 5: those are in force",
    )


class Screened(NamedTuple):
    """A running screening that is fed orders, a few at a time."""

    pipeline: Pipeline
    next_amount: Iterator[int]

    def feed(self, per_partition: int) -> None:
        asyncio.run(self._feed(per_partition))

    async def _feed(self, per_partition: int) -> None:
        sender = Sender(self.pipeline.brokers, "test")
        await sender.start()
        for partition in range(PARTITIONS):
            facts = [order_fact(next(self.next_amount), partition) for _ in range(per_partition)]
            await sender.send(topics.FACTS, partition, [(None, encode_fact(fact)) for fact in facts])
        await sender.stop()

    def decided(self) -> list[tuple[int, Decision]]:
        return [(record.partition, decode_decision(record.value)) for record in self.pipeline.read(topics.DECISIONS)]

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = self.pipeline.log("screen-0").read_text().splitlines()
        found = [msgspec.json.decode(line) for line in lines if line.startswith("{")]
        return [each for each in found if each["event"] == event]

    def feed_until(self, rules: str) -> float:
        """Feed until each partition's last decision was made by those rules; the seconds that took."""
        started = time.monotonic()
        while True:
            self.feed(1)
            time.sleep(0.1)
            last = dict(self.decided())
            if len(last) == PARTITIONS and {decision.rules for decision in last.values()} == {rules}:
                return time.monotonic() - started
            assert time.monotonic() - started < 200, self.pipeline.logs()[-3000:]


def assert_switched(decisions: Sequence[tuple[int, Decision]], switches: Sequence[dict[str, Any]]) -> None:
    """Each partition's orders were judged by the rules that the log says, from its offsets on."""
    for partition in range(PARTITIONS):
        starts = [(each["offset"], each["rules"]) for each in switches if each["partition"] == partition]
        for number, decision in enumerate(d for p, d in decisions if p == partition):
            assert decision.rules == [rules for offset, rules in starts if offset <= number][-1]


@pytest.mark.timeout(500)
def test_a_promotion_takes_effect_within_seconds_without_a_restart_or_a_lost_order(tmp_path: Path) -> None:
    (good := tmp_path / "good.yaml").write_text(text_of("some.rule"))
    with (
        Kafka() as kafka,
        Redis() as redis,
        Pipeline(kafka.brokers, redis.url, tmp_path, partitions=PARTITIONS) as full,
    ):
        screened = Screened(full, iter(range(1, 1_000_000)))
        full.start("screen")
        screened.feed_until(default(NAMES).hash)
        command = [sys.executable, "-m", "streams.cli", "rules", "promote", str(good), "--actor", "noor"]
        said = subprocess.run(command, env=full.env, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        took_s = screened.feed_until(ruleset("some.rule").hash)
        asyncio.run(send_rules(kafka.brokers, b"{}"))
        wait_until(lambda: len(screened.logged("rules.refused")) == 1, 20, "the refusal")
        screened.feed(5)
        handled = lambda: full.caught_up("screen", topics.FACTS)  # noqa: E731
        wait_until(handled, 150, "everything to be handled")
        full.kill("screen-0")
        full.start("screen")
        screened.feed(5)
        wait_until(handled, 150, "everything to be handled after the restart")
        fed = full.count(topics.FACTS)
        decisions, switches = screened.decided(), screened.logged("rules.switched")
    assert said == (
        f"set default: rules {ruleset('some.rule').hash} promoted at offset 0, in place of the workers' own\n"
    )
    assert took_s < WITHIN_S
    assert len({decision.decision_id for _, decision in decisions}) == fed
    assert len({decision.order_id for _, decision in decisions}) == fed
    assert_switched(unrepeated(decisions), switches)
    promoted = [d for _, d in decisions if d.rules == ruleset("some.rule").hash]
    assert {(d.outcome, d.reasons[0].code) for d in promoted} == {("review", "some.rule")}
    assert [d.rules for _, d in decisions[-3:]] == [ruleset("some.rule").hash] * 3


def unrepeated(decisions: Sequence[tuple[int, Decision]]) -> list[tuple[int, Decision]]:
    first: dict[str, tuple[int, Decision]] = {}
    for partition, decision in decisions:
        first.setdefault(decision.decision_id, (partition, decision))
    return list(first.values())


async def send_rules(brokers: str, value: bytes) -> None:
    sender = Sender(brokers, "test")
    await sender.start()
    await sender.send(topics.RULES, 0, [(b"default", value)])
    await sender.stop()
