"""Secured servers for tests of whole processes: Kafka, Redis and PostgreSQL under names of their own."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from events import admin
from events.acls import secure
from events.principals import kafka_passwords, principals
from events.topics import SPECS, share_specs
from streams.bootstrap.database import engine
from streams.roles import grant
from streams.secrets import make, postgres_passwords
from streams.settings import Settings
from tests.harness import SecuredKafka, SecuredPostgres, SecuredRedis

ROOT = Path(__file__).parents[2]


class House(NamedTuple):
    """`redis` is None where nothing needs it."""

    kafka: SecuredKafka
    redis: SecuredRedis | None
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
            "AMANA_REDIS": self.redis.reached_by("screen") if self.redis else "",
            "AMANA_DATABASE": self.postgres.reached_by(stage, self.database),
            "AMANA_KEYRING": str(self.folder / "keyring.json"),
            "AMANA_MODELS": str(self.folder / "models"),
            "AMANA_RULES": str(self.folder / "rules.yaml"),
        }

    def amana(self, stage: str, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
        """A command of its own process; `more` of its environment."""
        return self.start(stage, [sys.executable, "-m", "streams.cli", *arguments], self.environment(stage) | more)

    def start(self, name: str, command: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        """What it prints is in NAME.out, what it says beside it in NAME.log."""
        with (self.folder / f"{name}.log").open("ab") as log, (self.folder / f"{name}.out").open("ab") as out:
            return subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=out, stderr=log)

    def logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()[-3000:]}" for path in self.folder.glob("*.log"))


@contextmanager
def secured(folder: Path, partners: Sequence[str], partitions: int = 2, *, redis: bool = True) -> Iterator[House]:
    """All servers with topics, tables, and what each principal and role may; secrets by `amana certs dev`."""
    secrets = folder / "secrets"
    make(secrets, partners, datetime.now(UTC))
    with ExitStack() as stack:
        kafka = stack.enter_context(SecuredKafka(partners, secrets))
        store = stack.enter_context(SecuredRedis(secrets)) if redis else None
        postgres = stack.enter_context(SecuredPostgres(secrets))
        with admin.connect(kafka.admin, timeout_s=60) as client:
            shared = [spec for partner in partners for spec in share_specs(partner)]
            admin.create_topics(client, partitions, specs=(*SPECS, *shared))
            secure(client, principals(partners), kafka_passwords(secrets))
        database = postgres.create_database("amana_secured")
        sql = engine(Settings(database=database))
        grant(sql, postgres_passwords(secrets))
        sql.dispose()
        yield House(kafka, store, postgres, database, folder)
