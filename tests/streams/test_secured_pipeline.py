"""The workers on secured servers: Kafka, Redis and PostgreSQL over TLS, every process under a name of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
import sqlalchemy as sa

from events import admin
from events.acls import secure
from events.principals import kafka_passwords, principals
from events.publisher import Publisher
from events.topics import SPECS, share_specs
from events.types import OrderPlaced
from review.tables import cases
from streams.bootstrap.database import engine
from streams.roles import grant
from streams.secrets import make, postgres_passwords
from streams.settings import Settings
from tests.events import examples
from tests.harness import SecuredKafka, SecuredPostgres, SecuredRedis, wait_until

PARTNERS = ("acquirer",)
ROOT = Path(__file__).parents[2]
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


class House(NamedTuple):
    kafka: SecuredKafka
    redis: SecuredRedis
    postgres: SecuredPostgres
    database: str
    folder: Path

    def environment(self, stage: str) -> dict[str, str]:
        """All that a stage is told: addresses, and files of its own folder of secrets."""
        own = self.kafka.secrets / stage
        return {
            "AMANA_BROKERS": str(self.kafka.brokers),
            "AMANA_KAFKA_PROTOCOL": "SASL_SSL",
            "AMANA_KAFKA_CA": str(own / "ca.pem"),
            "AMANA_KAFKA_USER": stage,
            "AMANA_KAFKA_PASSWORD_FILE": str(own / "kafka.password"),
            "AMANA_REDIS": self.redis.reached_by("screen"),
            "AMANA_DATABASE": self.postgres.reached_by(stage, self.database),
            "AMANA_KEYRING": str(self.folder / "keyring.json"),
            "AMANA_MODELS": str(self.folder / "models"),
            "AMANA_RULES": str(self.folder / "rules.yaml"),
        }

    def amana(self, stage: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{stage}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "streams.cli", *arguments],
                cwd=ROOT,
                env=os.environ | self.environment(stage),
                stdout=log,
                stderr=log,
            )

    def logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()[-3000:]}" for path in self.folder.glob("*.log"))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    secrets = tmp_path / "secrets"
    make(secrets, PARTNERS, datetime.now(UTC))
    with ExitStack() as stack:
        kafka = stack.enter_context(SecuredKafka(PARTNERS, secrets))
        redis = stack.enter_context(SecuredRedis(secrets))
        postgres = stack.enter_context(SecuredPostgres(secrets))
        with admin.connect(kafka.admin, timeout_s=60) as client:
            admin.create_topics(client, 2, specs=(*SPECS, *share_specs("acquirer")))
            secure(client, principals(PARTNERS), kafka_passwords(secrets))
        database = postgres.create_database("amana_secured")
        sql = engine(Settings(database=database))
        grant(sql, postgres_passwords(secrets))
        sql.dispose()
        yield House(kafka, redis, postgres, database, tmp_path)


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
