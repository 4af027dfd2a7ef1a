"""The workers on secured servers: Kafka, Redis and PostgreSQL over TLS, every process under a name of its own."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from events.publisher import Publisher
from events.types import OrderPlaced
from review.tables import cases
from tests.events import examples
from tests.harness import wait_until
from tests.streams.secured import House, secured

STAGES = {"intake": ["intake"], "screen": ["screen"], "history": ["history", "serve"], "opener": ["opener"]}


RULES = """\
rules:
- name: all
  code: card.velocity
  when: card.orders.count.1h >= 0
  action: review
  owner: tests
  expiry: never
"""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with secured(tmp_path, ["acquirer"]) as made:
        yield made


@pytest.mark.timeout(600)
def test_an_order_becomes_a_case_with_no_more_rights_than_each_stage_has(house: House) -> None:
    (house.folder / "rules.yaml").write_text(RULES)
    subprocess.run([sys.executable, "-m", "streams.cli", "keys", "init", house.folder / "keyring.json"], check=True)
    processes = {stage: house.amana(stage, *command) for stage, command in STAGES.items()}
    sql = sa.create_engine(house.postgres.reached_by("console", house.database))
    try:
        now = datetime.now(UTC)
        order = msgspec.convert(examples.order(occurred_at=now), OrderPlaced)
        with Publisher(house.kafka.reached_by("publisher"), timeout_s=60) as publisher:
            publisher.publish_many([order])

        def opened() -> list[str]:
            ended = {stage: process.poll() for stage, process in processes.items() if process.poll() is not None}
            assert not ended, house.logs()
            with sql.connect() as connection:
                return list(connection.scalars(sa.select(cases.c.order_id)))

        try:
            wait_until(lambda: bool(opened()), 300, "a case")
        except TimeoutError:
            raise AssertionError(house.logs()) from None
        assert opened() == ["o-1"]
    finally:
        sql.dispose()
        for process in processes.values():
            process.kill()
            process.wait()
