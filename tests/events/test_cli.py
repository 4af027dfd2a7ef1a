"""The commands, against a real broker where they need one."""

import codecs
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest
from click.testing import CliRunner, Result
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from events import admin, cli
from events import schemas as json_schemas
from events.cli import publish, schemas, topics
from events.errors import NotAccepted
from events.types import AnyEvent
from tests.events.examples import CARD, activity, body, label, order, visit
from tests.harness import Kafka
from tests.harness.waiting import free_port


def run(command: object, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments], catch_exceptions=False)  # type: ignore[arg-type]


def ends(kafka: Kafka) -> int:
    """How many records the raw topics have."""
    with KafkaConsumer(bootstrap_servers=kafka.brokers) as consumer:
        raw = [
            TopicPartition(topic, partition)
            for topic in ("orders", "visits", "activity", "labels")
            for partition in (0, 1)
        ]
        return sum(consumer.end_offsets(raw).values())


def test_topics_are_created_listed_and_checked(kafka: Kafka, client: KafkaAdminClient) -> None:
    first = run(topics, "create", "--brokers", kafka.brokers, "--partitions", "2", "--partner", "acquirer")
    assert first.exit_code == 0
    again = run(topics, "create", "--brokers", kafka.brokers, "--partitions", "2", "--partner", "acquirer")
    assert again.output == "13 topics as they should be\n"
    listed = run(topics, "list", "--brokers", kafka.brokers).output
    assert all(name in listed for name in ("orders", "facts", "share.acquirer.v1", "share.acquirer.ack.v1"))
    other = run(topics, "create", "--brokers", kafka.brokers, "--partitions", "3")
    assert other.exit_code == 1
    assert "has 2 partitions, expected 3" in other.output


@pytest.mark.usefixtures("raw_topics")
def test_the_good_lines_are_published_and_the_bad_ones_named_by_number(kafka: Kafka, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    lines = [
        codecs.BOM_UTF8 + body(order()) + b"\r",
        b"",
        body(order(note=CARD)),
        body(visit()),
        b"{broken layla@example.com",
        body(activity("LoggedIn")),
        body(order(ip="layla")),
        b"[" * 3000,
        body(order(type="Elsewhere")),
        body(label("FraudConfirmed")),
    ]
    file.write_bytes(b"\n".join(lines) + b"\n")
    before = ends(kafka)
    result = run(publish, "--brokers", kafka.brokers, str(file))
    assert result.exit_code == 1
    assert ends(kafka) - before == 4
    assert result.stdout == "4 events published, 5 lines refused\n"
    assert result.stderr.splitlines() == [
        f"{file}:3: refused.card_number",
        f"{file}:5: refused.undecodable",
        f"{file}:7: refused.ill_formed in ip",
        f"{file}:8: refused.too_deep",
        f"{file}:9: refused.unknown_type in type",
    ]


class Dying:
    """A publisher whose broker is gone after two events."""

    def __init__(self, _brokers: str) -> None:
        self._left = 2

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def publish_many(self, events: Sequence[AnyEvent]) -> list[None]:
        self._left -= len(events)
        if self._left < 0:
            raise NotAccepted([event.event_id for event in events], "no acknowledgement in time")
        return [None] * len(events)


def test_a_broker_that_dies_meanwhile_leaves_what_is_published_and_what_not_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cli, "Publisher", Dying)
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(body(order(event_id=f"e-{number}")) for number in range(1, 6)))
    result = run(publish, "--rate", "20", str(file))
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: 2 events published; then, of {file}:3 to 4, not accepted: e-3, e-4: no acknowledgement in time\n"
    )


@pytest.mark.usefixtures("raw_topics")
def test_a_rate_is_kept(kafka: Kafka, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join([body(order())] * 60))
    started = time.monotonic()
    assert run(publish, "--brokers", kafka.brokers, "--rate", "100", str(file)).exit_code == 0
    assert time.monotonic() - started > 0.5


@pytest.mark.usefixtures("failed_connections")
def test_a_broker_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = admin.connect
    monkeypatch.setattr(admin, "connect", lambda brokers: connect(brokers, 0.5))
    result = run(topics, "list", "--brokers", f"127.0.0.1:{free_port()}")
    assert result.exit_code == 1
    assert result.output.startswith("Error: the broker at 127.0.0.1:")
    assert result.output.count("\n") == 1


def test_a_partners_name_that_cannot_be_a_topic_is_a_usage_error() -> None:
    assert run(topics, "create", "--partner", "A/B").exit_code == 2


def test_schemas_are_written_where_they_are_asked_for(tmp_path: Path) -> None:
    result = run(schemas, "--out", str(tmp_path / "schemas"))
    assert result.exit_code == 0
    assert json_schemas.stale(tmp_path / "schemas") == []
    assert (
        json.loads((tmp_path / "schemas" / "orders.json").read_text(encoding="utf-8"))["title"] == "Records of orders"
    )


@pytest.mark.parametrize("command", [topics, topics.commands["create"], topics.commands["list"], publish, schemas])
def test_help_has_an_example(command: object) -> None:
    assert "amana" in run(command, "--help").output
