"""A process that kills itself at each point where it could leave something half done, and its restart."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis as Client

from events import topics
from events.facts import OrderFact
from events.facts import decode as decode_fact
from events.types import AnyEvent, Label
from features.batches import fences_key
from models.decisions import decode as decode_decision
from simulator.settings import Settings
from simulator.store import simulate
from tests.harness import Kafka, Redis, wait_until
from tests.streams import proof
from tests.streams.pipeline import Pipeline

SHARDS = 2
CRASHED = -9


class Setup:
    """One pipeline for all points: each test adds a store's events of its own."""

    def __init__(self, pipeline: Pipeline, client: Client) -> None:
        self.pipeline = pipeline
        self.client = client
        self.seed = 0

    def events(self) -> list[AnyEvent]:
        self.seed += 1
        store = Settings(seed=self.seed, days=1, customers=200, orders_per_day=150)
        return [each.event for each in simulate(store) if not isinstance(each.event, Label)]

    def run_until_crash(self, stage: str, point: str, events: list[AnyEvent]) -> None:
        """Publish, and start the stage that will crash: screening with all facts there, so that its chunks are full."""
        facts = self.pipeline.count(topics.FACTS)
        self.pipeline.publish(events)
        if stage == "screen":
            self.pipeline.wait_for(topics.FACTS, facts + len(events))
        command = [sys.executable, "-m", "tests.streams.crashing", stage, "--instance", "0"]
        self.pipeline.launch(f"{stage}-0", command, {"AMANA_CRASH_AT": point})
        process = self.pipeline.processes[f"{stage}-0"]
        wait_until(lambda: process.poll() is not None, 40, f"the crash {point}")
        assert process.returncode == CRASHED, self.pipeline.logs()

    def wait_for_intake(self) -> None:
        raw = (topics.ORDERS, topics.VISITS, topics.ACTIVITY)
        wait_until(
            lambda: all(self.pipeline.caught_up("intake", topic) for topic in raw), 60, "intake to have caught up"
        )

    def recover(self, events: list[AnyEvent]) -> None:
        """Start screening where it does not run, wait until it has caught up, and end it."""
        if not self.pipeline.runs("screen-0"):
            self.pipeline.start("screen")
        wait_until(lambda: self.pipeline.caught_up("screen", topics.FACTS), 60, "screening to have caught up")
        assert proof.orders_in(events) <= self.decided_orders()
        self.pipeline.kill("screen-0")

    def fences(self) -> list[dict[int, int]]:
        """What each shard has applied, by facts partition."""
        by_shard = [self.client.hgetall(fences_key(shard)) for shard in range(SHARDS)]
        return [{int(p): int(offset) for p, offset in fences.items() if p.isdigit()} for fences in by_shard]

    def applied_orders(self) -> set[str]:
        """Orders that every shard has applied."""
        fences = self.fences()
        facts = [(record, decode_fact(record.value)) for record in self.pipeline.read(topics.FACTS)]
        return {
            fact.order_id
            for record, fact in facts
            if isinstance(fact, OrderFact) and all(record.offset <= each.get(record.partition, -1) for each in fences)
        }

    def decided_orders(self) -> set[str]:
        return proof.decided_orders(self.pipeline.read(topics.DECISIONS))

    def repeats(self) -> int:
        return proof.repeated(self.pipeline.read(topics.DECISIONS))

    def assert_sound(self) -> None:
        """One decision an order, equal repeats, and the state that the facts alone give."""
        proof.decisions_of(self.pipeline.read(topics.DECISIONS))
        facts, _ = proof.facts_of(self.pipeline.read(topics.FACTS))
        state = proof.undisturbed(facts.values(), SHARDS).state
        wait_until(lambda: proof.state_of(self.client) == state, 20, "the state that the facts give")


@contextmanager
def opened(folder: Path, partitions: int) -> Iterator[Setup]:
    with (
        Kafka() as kafka,
        Redis() as redis,
        Pipeline(kafka.brokers, redis.url, folder, partitions=partitions, shards=SHARDS) as pipeline,
        Client.from_url(redis.url) as client,
    ):
        yield Setup(pipeline, client)


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    with opened(tmp_path_factory.mktemp("crashes"), partitions=4) as setup:
        yield setup


@pytest.fixture
def intake(setup: Setup) -> None:
    if not setup.pipeline.runs("intake-0"):
        setup.pipeline.start("intake")


def test_between_two_shards_one_is_behind_and_catches_up(setup: Setup, intake: None) -> None:
    events = setup.events()
    setup.run_until_crash("screen", "between-shards", events)
    first, second = setup.fences()
    assert first != second
    setup.recover(events)
    setup.assert_sound()


def test_after_apply_the_kept_rows_are_decided(setup: Setup, intake: None) -> None:
    events = setup.events()
    setup.run_until_crash("screen", "after-apply", events)
    assert setup.applied_orders() - setup.decided_orders()
    setup.recover(events)
    setup.assert_sound()


@pytest.mark.parametrize(
    "point",
    [
        "after-publish",
        "mid-commit",
        pytest.param("mid-publish", marks=pytest.mark.slow),
        pytest.param("after-acknowledge", marks=pytest.mark.slow),
    ],
)
def test_what_was_published_and_not_committed_is_published_again_with_the_same_bytes(
    setup: Setup, intake: None, point: str
) -> None:
    events = setup.events()
    before = setup.repeats()
    setup.run_until_crash("screen", point, events)
    setup.recover(events)
    assert setup.repeats() > before
    setup.assert_sound()


def test_facts_that_intake_wrote_and_did_not_commit_are_repeated_and_count_once(setup: Setup) -> None:
    events = setup.events()
    _, before = proof.facts_of(setup.pipeline.read(topics.FACTS))
    setup.pipeline.kill("intake-0")
    setup.run_until_crash("intake", "intake-after-facts", events)
    setup.pipeline.start("intake")
    setup.wait_for_intake()
    setup.recover(events)
    _, after = proof.facts_of(setup.pipeline.read(topics.FACTS))
    assert after > before
    setup.assert_sound()


def test_over_crashes_the_logged_vectors_are_those_of_a_clean_run(tmp_path: Path) -> None:
    """In one partition, whose log is the order of application."""
    with opened(tmp_path, partitions=1) as setup:
        setup.pipeline.start("intake")
        for point in ("between-shards", "after-apply"):
            events = setup.events()
            setup.run_until_crash("screen", point, events)
            setup.recover(events)
        facts, _ = proof.facts_of(setup.pipeline.read(topics.FACTS))
        decisions = map(decode_decision, proof.decisions_of(setup.pipeline.read(topics.DECISIONS)).values())
        logged = {decision.decision_id: decision.vector for decision in decisions}
    assert logged == proof.undisturbed(facts.values(), SHARDS).vectors
