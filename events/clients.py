"""Clients of kafka-python that leave nothing running when they cannot be made."""

from collections.abc import Callable
from typing import Any, TypeVar

from kafka.net.compat import KafkaNetClient

from events.addresses import addresses
from events.security import kafka_configs

T = TypeVar("T")


def made(client: Callable[..., T], brokers: str, timeout_s: float, **configs: Any) -> T:
    """A producer or admin client that has found a broker; raises kafka.errors.KafkaError if none answers in time.

    Raises BadAddress for what is no address, BadSecurity for what it cannot prove itself with. The clients' own
    constructors leave a thread and its sockets behind where none answers, one more at each attempt.
    """
    networks: list[KafkaNetClient] = []

    def network(**settings: Any) -> KafkaNetClient:
        networks.append(KafkaNetClient(**settings))
        return networks[-1]

    try:
        return client(
            bootstrap_servers=addresses(brokers),
            bootstrap_timeout_ms=round(timeout_s * 1000),
            kafka_client=network,
            **kafka_configs(brokers) | configs,
        )
    except BaseException:
        for unused in networks:
            unused.close()
        raise
