"""Real servers for tests and benchmarks: Kafka, Redis, PostgreSQL on free loopback ports.

In: nothing but installed programs. Out: context managers with an address, `stop`, `kill` and `start`.
Never: a process or a folder that outlives the run, a port that another program can be given.

    with Kafka() as kafka, Redis() as redis:
        ...                      # kafka.brokers, redis.url
        kafka.kill()             # SIGKILL
        kafka.start()            # the same ports and data
"""

from tests.harness.kafka import Kafka
from tests.harness.postgres import Postgres
from tests.harness.redis import Redis
from tests.harness.redis_cluster import ClusterNode, RedisCluster
from tests.harness.secured_kafka import SecuredKafka
from tests.harness.secured_postgres import SecuredPostgres
from tests.harness.secured_redis import SecuredRedis
from tests.harness.server import MissingServer, Server, ServerFailed
from tests.harness.waiting import free_port, wait_until

__all__ = [
    "ClusterNode",
    "Kafka",
    "MissingServer",
    "Postgres",
    "Redis",
    "RedisCluster",
    "SecuredKafka",
    "SecuredPostgres",
    "SecuredRedis",
    "Server",
    "ServerFailed",
    "free_port",
    "wait_until",
]
