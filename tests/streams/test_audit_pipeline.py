"""The audit of a full run on four partitions: every difference has a cause."""

import json
from itertools import islice
from pathlib import Path

import pytest
from click.testing import CliRunner

from events import topics
from events.types import Label, OrderPlaced
from simulator.settings import Settings as StoreSettings
from simulator.store import simulate
from streams import logs
from streams.cli import main
from tests.harness import Kafka, Redis
from tests.streams.pipeline import Pipeline

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_every_difference_of_a_full_run_on_four_partitions_has_a_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "configure", lambda *_: None)
    simulated = islice(simulate(StoreSettings(days=21, orders_per_day=200, customers=400)), 8_000)
    events = [each.event for each in simulated]
    orders = sum(isinstance(event, OrderPlaced) for event in events)
    with Kafka() as kafka, Redis() as redis, Pipeline(kafka.brokers, redis.url, tmp_path) as pipeline:
        for stage in ("intake", "screen", "history"):
            pipeline.start(stage)
        for first in range(0, len(events), 200):  # in small pieces, so that partitions run side by side
            pipeline.publish(events[first : first + 200])
        pipeline.wait_for(topics.DECISIONS, orders, 120)
        pipeline.wait_for(topics.FACTS, len(events), 60)
        arguments = ["--brokers", kafka.brokers, "--from", "2026-01-01", "--until", "2026-03-01", "--json"]
        result = CliRunner().invoke(main, ["features", "audit", *arguments])
    report = json.loads(result.stdout)
    figures = report["figures"]
    assert any(isinstance(event, Label) for event in events)
    assert (figures["orders"], figures["without_decision"], figures["without_fact"]) == (orders, 0, 0)
    assert set(figures["differing"]) <= {"late fact", "crossed"}
    assert figures["differing"]
    assert result.exit_code == 0
