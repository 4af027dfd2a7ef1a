"""Models and rules that change while orders are screened: on real servers, with the real worker and commands."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from events import topics
from features.definitions import DEFINITIONS
from models.promotion import KEY, Named, Promotion, Switch, encode
from models.rules import default, parsed
from streams.kafka import Sender
from streams.rollouts import Entry
from tests.harness import Kafka, Redis, wait_until
from tests.streams.made_models import saved
from tests.streams.pipeline import Pipeline
from tests.streams.promoted import Screened, Whole, judged_as_recorded, seconds_to_switch, unrepeated

WITHIN_S = 5.0
PER_SECOND = 1_000
RULES = (
    "set: default\nrules:\n"
    "- {name: all, code: some.rule, when: event.amount_minor >= 0, action: review, owner: risk, expiry: never}\n"
)
OWN, OTHER = default(DEFINITIONS.names).hash, parsed(RULES, DEFINITIONS.names).hash


@contextmanager
def screened(folder: Path, partitions: int, per_second: float, feed: type[Screened] = Screened) -> Iterator[Screened]:
    (folder / "rules.yaml").write_text(RULES)
    with (
        Kafka() as kafka,
        Redis() as redis,
        Pipeline(kafka.brokers, redis.url, folder, partitions=partitions) as full,
    ):
        full.start("screen")
        if feed.topic == topics.ORDERS:
            full.start("intake")
        yield feed(full, per_second)


async def send(brokers: str, promotion: Promotion) -> None:
    sender = Sender(brokers, "test")
    await sender.start()
    await sender.send(topics.MODELS, 0, [(KEY, encode(promotion))])
    await sender.stop()


@pytest.mark.timeout(900)
def test_a_promotion_a_rule_and_a_rollback_take_effect_within_seconds_without_a_lost_order(tmp_path: Path) -> None:
    first, second = saved(tmp_path / "models", 1), saved(tmp_path / "models", 2)
    with screened(tmp_path, 2, per_second=20) as live:
        with live.fed_meanwhile():
            live.wait_for_switch(model=first.version, rules=OWN)
            told = live.amana("models", "promote", second.version, "--actor", "noor")
            live.wait_for_switch(model=second.version, rules=OWN)
            live.amana("rules", "promote", "rules.yaml", "--actor", "noor")
            live.wait_for_switch(model=second.version, rules=OTHER)
            live.amana("models", "promote", first.version, "--actor", "noor")
            live.wait_for_switch(model=first.version, rules=OTHER)
            back = live.amana("models", "rollback", "--actor", "sami")
            live.wait_for_switch(model=second.version, rules=OTHER)
            asyncio.run(send(live.pipeline.brokers, Promotion(champion=Named(first.version, "0" * 64), actor="eve")))
            wait_until(lambda: len(live.logged("models.refused")) == 1, 60, "the refusal")
            live.pipeline.kill("screen-0")
            live.pipeline.start("screen")
            wait_until(lambda: len(live.logged("models.promoted")) == 4, 60, "the restart")
        live.wait_until_handled()
        decisions, said, refused = live.decided(), live.said(), live.logged("models.refused")
    assert told == f"model {second.version} promoted at offset 2, in place of the workers' own\n"
    assert back == f"model {second.version} promoted at offset {back_offset(said)}, in place of {first.version}\n"
    assert {decision.order_id for _, decision in decisions} == {f"o-{number}" for number in range(1, live.fed + 1)}
    judged_as_recorded(live, unrepeated(decisions), said)
    assert seconds_to_switch(said, second.version, after=0) < WITHIN_S
    assert seconds_to_switch(said, second.version, after=back_offset(said) - 1) < WITHIN_S
    assert [each["why"].partition(": ")[2] for each in refused] == [
        f"content hash {first.content}, expected {'0' * 64}"
    ] * 2
    promotions = [each.said for each in said if isinstance(each.said, Promotion)]
    assert [(each.champion, each.actor, each.rollback) for each in promotions[:3]] == [
        (second, "noor", False),
        (first, "noor", False),
        (second, "sami", True),
    ]


def back_offset(said: Sequence[Entry]) -> int:
    return [each.offset for each in said if isinstance(each.said, Promotion) and each.said.rollback][-1]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_at_a_thousand_orders_a_second_no_order_is_lost_or_decided_twice(tmp_path: Path) -> None:
    """Raw orders through the whole path, and a model, a rule and the model before again, at a busy store's rate."""
    first, second = saved(tmp_path / "models", 1), saved(tmp_path / "models", 2)
    partitions = 4
    with screened(tmp_path, partitions, PER_SECOND, Whole) as live:
        with live.fed_meanwhile():
            live.wait_for_switch(model=first.version, rules=OWN)
            live.amana("models", "promote", second.version, "--actor", "noor")
            live.wait_for_switch(model=second.version, rules=OWN)
            live.amana("rules", "promote", "rules.yaml", "--actor", "noor")
            live.wait_for_switch(model=second.version, rules=OTHER)
            live.amana("models", "promote", first.version, "--actor", "noor")
            live.wait_for_switch(model=first.version, rules=OTHER)
        live.wait_until_handled()
        decisions, said, rate = live.decided(), live.said(), live.rate()
    assert len(decisions) == live.fed
    assert rate > 0.9 * PER_SECOND
    assert {decision.order_id for _, decision in decisions} == {f"o-{number}" for number in range(1, live.fed + 1)}
    judged_as_recorded(live, decisions, said)
    assert sum(isinstance(each.said, Switch) for each in said) == 4 * partitions
    assert seconds_to_switch(said, second.version, after=-1) < WITHIN_S
    assert seconds_to_switch(said, first.version, after=-1) < WITHIN_S
