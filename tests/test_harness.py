"""The harness itself: real servers come up, survive a kill with their data, and leave nothing behind."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

from tests.harness import Kafka, MissingServer, Postgres, Redis, RedisCluster, free_port, wait_until

ROOT = Path(__file__).parents[1]


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_kafka_keeps_its_records_over_a_kill() -> None:
    with Kafka() as kafka:
        admin = KafkaAdminClient(bootstrap_servers=kafka.brokers)
        admin.create_topics([NewTopic("harness", num_partitions=1, replication_factor=1)])
        admin.close()
        producer = KafkaProducer(bootstrap_servers=kafka.brokers)
        producer.send("harness", b"kept").get(timeout=10)
        producer.close()
        kafka.kill()
        kafka.start()
        consumer = KafkaConsumer(
            "harness", bootstrap_servers=kafka.brokers, auto_offset_reset="earliest", consumer_timeout_ms=20_000
        )
        assert next(consumer).value == b"kept"
        consumer.close()


def test_redis_keeps_its_writes_over_a_kill() -> None:
    with Redis() as server:
        with redis.Redis.from_url(server.url) as client:
            client.set("key", "kept")
        server.kill()
        server.start()
        with redis.Redis.from_url(server.url) as client:
            assert client.get("key") == b"kept"
            assert client.config_get("appendfsync") == {"appendfsync": "always"}
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_a_cluster_puts_a_replica_in_a_killed_masters_place_and_takes_it_back_as_a_replica() -> None:
    with RedisCluster(replicas=1, timeout_ms=1_000) as cluster:
        master = cluster.owner("key")
        with cluster.client() as client:
            client.set("key", "kept")
        cluster.settle(master)
        cluster.fail_over(master)
        assert cluster.owner("key") is not master
        with cluster.client() as client:
            assert client.get("key") == b"kept"
        cluster.restore()
        assert master not in cluster.masters()
        assert master.call("CONFIG GET", "appendfsync") == {"appendfsync": "always"}


def test_every_test_gets_an_empty_database(postgres: Postgres, database: str) -> None:
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        rows = connection.execute("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'")
        assert rows.fetchone() == (0,)
    assert database.startswith(postgres.url.removesuffix("postgres"))


def test_a_run_that_is_killed_leaves_no_server_and_no_folder() -> None:
    script = "from tests.harness import Redis\nwith Redis() as r: print(r.port, r.folder, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        port, folder = run.stdout.readline().split()
        assert answers(int(port))
        run.send_signal(signal.SIGKILL)
        run.wait()
        wait_until(lambda: not Path(folder).exists() and not answers(int(port)), 5, "the server to be gone")


def test_a_missing_program_is_named_with_the_package_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingServer, match=r"redis-server is not installed; .*apt-get install redis-server"), Redis():
        pass


def test_waiting_for_what_never_comes_ends_in_time_and_names_it() -> None:
    started = time.monotonic()
    with pytest.raises(TimeoutError, match=r"^waited 0\.1 s for a sign$"):
        wait_until(lambda: False, 0.1, "a sign")
    assert time.monotonic() - started < 2


def test_a_free_port_is_not_one_that_a_client_may_be_given() -> None:
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert free_port() < first_ephemeral
