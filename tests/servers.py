"""Session-wide servers as fixtures: each starts when the first test asks for it.

Tests share them and keep apart by topic names of their own, FLUSHALL, or the `database` fixture. A test that stops or
kills a server starts its own from `tests.harness`.
"""

import gc
import logging
import uuid
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
import sqlalchemy as sa

from events import admin
from events.acls import secure
from events.principals import kafka_passwords, principals
from events.topics import SPECS, share_specs
from features.server import embedded
from tests.harness import Kafka, Postgres, Redis, RedisCluster, SecuredKafka
from tests.harness.patterns import Migrate, Migrated, Patterns


class Embedded(NamedTuple):
    url: str


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """A Kafka broker: `.brokers`."""
    with Kafka() as server:
        yield server


@pytest.fixture(scope="session")
def secured_kafka() -> Iterator[SecuredKafka]:
    """A broker as deploy/ has it, with the topics, principals and partners `acquirer` and `agency`."""
    partners = ("acquirer", "agency")
    with SecuredKafka(partners) as server:
        with admin.connect(server.admin, timeout_s=60) as client:
            shared = [spec for partner in partners for spec in share_specs(partner)]
            admin.create_topics(client, 2, specs=(*SPECS, *shared))
            secure(client, principals(partners), kafka_passwords(server.secrets))
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """A Redis server, AOF on every write: `.url`."""
    with Redis() as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisCluster]:
    """A Redis Cluster of three nodes without replicas: `.url`."""
    with RedisCluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server: `.url` of its first database, for SQLAlchemy."""
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def embedded_redis() -> Iterator[Embedded]:
    """The embedded store's own server, in a temporary folder: `.url`."""
    with embedded(None) as url:
        yield Embedded(url)


@pytest.fixture(scope="session")
def patterns(tmp_path_factory: pytest.TempPathFactory) -> Patterns:
    """Databases with their tables, migrated once and copied for every test that wants them."""
    return Patterns(tmp_path_factory.mktemp("patterns"))


@pytest.fixture
def migrated(request: pytest.FixtureRequest, patterns: Patterns, tmp_path: Path) -> Iterator[Migrated]:
    """An engine of a database of the test's own, "sqlite" or "postgresql", with the tables that a function makes."""
    with ExitStack() as stack:

        def migrated(kind: str, migrate: Migrate) -> sa.Engine:
            if kind == "sqlite":
                return stack.enter_context(patterns.sqlite(tmp_path / "amana.db", migrate))
            return stack.enter_context(patterns.postgresql(request.getfixturevalue("postgres"), migrate))

        yield migrated


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """The SQLAlchemy URL of an empty PostgreSQL database of the test's own."""
    name = f"test_{uuid.uuid4().hex}"
    yield postgres.create_database(name)
    postgres.drop_database(name)


@pytest.fixture
def failed_connections() -> Iterator[None]:
    """For tests whose broker is away: kafka-python leaves the socket of a failed attempt to the garbage collector.

    Its log is off, since a record that pytest keeps would keep the attempt's error, and that the socket.
    """
    logging.disable()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()
    logging.disable(logging.NOTSET)
