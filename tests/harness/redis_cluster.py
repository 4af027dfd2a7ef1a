from collections.abc import Iterator
from typing import Any

import redis

from tests.harness.redis import Redis
from tests.harness.server import Held
from tests.harness.waiting import free_port, wait_until

MASTERS = 3
SLOTS = 16_384
_FORM_S = 60.0


class ClusterNode(Redis):
    """One server of a cluster; `id` is its name there."""

    def __init__(self, timeout_ms: int) -> None:
        super().__init__()
        self.bus_port = free_port()
        self.timeout_ms = timeout_ms
        self.id = ""

    def command(self) -> list[str]:
        settings = {
            "cluster-enabled": "yes",
            "cluster-port": self.bus_port,
            "cluster-node-timeout": self.timeout_ms,
            "repl-diskless-sync-delay": 0,  # a replica that returns waits 5 s for others otherwise
        }
        return [*super().command(), *(part for key, value in settings.items() for part in (f"--{key}", str(value)))]

    def replication(self) -> dict[str, Any]:
        return dict(self.call("INFO", "replication"))

    def call(self, *command: object) -> Any:
        """Send this very node a command."""
        with redis.Redis.from_url(self.url) as client:
            return client.execute_command(*command)


class RedisCluster(Held):
    """Three masters with the slots in equal parts, each with so many replicas; every one as `Redis` runs it.

    `url` is its address for the product, `nodes` its servers, masters first. A master that is gone for `timeout_ms` is
    replaced by its replica some seconds later.
    """

    def __init__(self, replicas: int = 0, timeout_ms: int = 15_000) -> None:
        self.nodes = [ClusterNode(timeout_ms) for _ in range(MASTERS * (1 + replicas))]
        self.url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def client(self) -> redis.RedisCluster:
        """A client of the whole cluster; to be closed."""
        return redis.RedisCluster.from_url(self._running()[0].url)

    def owner(self, key: str) -> ClusterNode:
        """The master that has a key's slot now, as far as a running node knows."""
        asked = self._running()[0]
        slot = asked.call("CLUSTER KEYSLOT", key)
        for first, last, (_, port, *_), *_ in asked.call("CLUSTER SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == port)
        raise LookupError(f"no node has slot {slot}")

    def masters(self) -> list[ClusterNode]:
        return [node for node in self._running() if node.replication()["role"] == "master"]

    def moving(self, key: str, to: ClusterNode, keys_at_a_time: int = 100) -> Iterator[None]:
        """Move a key's slot to another master as resharding does; yields after each step."""
        slot, source = to.call("CLUSTER KEYSLOT", key), self.owner(key)
        to.call("CLUSTER SETSLOT", slot, "IMPORTING", source.id)
        source.call("CLUSTER SETSLOT", slot, "MIGRATING", to.id)
        while keys := source.call("CLUSTER GETKEYSINSLOT", slot, keys_at_a_time):
            source.call("MIGRATE", "127.0.0.1", to.port, "", 0, 10_000, "KEYS", *keys)
            yield
        for node in (to, source):
            node.call("CLUSTER SETSLOT", slot, "NODE", to.id)

    def settle(self, master: ClusterNode) -> None:
        """Return when a master's replicas have all that it was written so far."""
        offset = master.replication()["master_repl_offset"]
        has_it = lambda node: node.replication()["master_repl_offset"] >= offset  # noqa: E731
        wait_until(lambda: all(map(has_it, self._replicas_of(master))), _FORM_S, "the replicas to follow")

    def cut_off_replicas(self, master: ClusterNode) -> None:
        """Let a master's replicas have nothing more of it: what it is written from now on, a failover loses."""
        self.settle(master)
        for node in self._replicas_of(master):
            node.call("CONFIG SET", "masteruser", "nobody", "masterauth", "wrong")
        master.call("CLIENT KILL", "TYPE", "replica")

    def fail_over(self, master: ClusterNode) -> None:
        """Kill a master; returns when its replica has taken over and the cluster answers again."""
        master.kill()
        wait_until(lambda: len(self.masters()) == MASTERS and self._is_ready(), _FORM_S, "a replica to take over")

    def hand_over(self, master: ClusterNode) -> None:
        """Put a master's replica in its place while it lives on, whatever the replica lacks."""
        (replica,) = self._replicas_of(master)
        replica.call("CLUSTER FAILOVER", "FORCE")

        def taken_over() -> bool:
            return bool(replica.replication()["role"] == "master" and master.replication()["role"] == "slave")

        wait_until(lambda: taken_over() and self._is_ready(), _FORM_S, "the replica to take over")

    def restore(self) -> None:
        """Start the nodes that were killed, and let every replica have its master's data again."""
        for node in self.nodes:
            if not node.is_running:
                node.start()
            node.call("CONFIG SET", "masteruser", "", "masterauth", "")
        wait_until(self._is_ready, _FORM_S, "the cluster to be ready")

    def open(self) -> None:
        for node in self.nodes:
            node.open()
        self._form()

    def close(self) -> None:
        for node in self.nodes:
            node.close()

    def _form(self) -> None:
        for number, node in enumerate(self.nodes):
            node.id = node.call("CLUSTER MYID").decode()
            node.call("CLUSTER SET-CONFIG-EPOCH", number + 1)
            for other in self.nodes[:number]:  # hearing of each other by gossip takes them ten seconds at times
                node.call("CLUSTER MEET", "127.0.0.1", other.port, other.bus_port)
        wait_until(self._acquainted, _FORM_S, "the cluster's nodes to know each other")
        bounds = [SLOTS * number // MASTERS for number in range(MASTERS + 1)]
        masters, replicas = self.nodes[:MASTERS], self.nodes[MASTERS:]
        for node, first, end in zip(masters, bounds, bounds[1:], strict=False):
            node.call("CLUSTER ADDSLOTSRANGE", first, end - 1)
        for number, replica in enumerate(replicas):
            replica.call("CLUSTER REPLICATE", masters[number % MASTERS].id)
        wait_until(self._is_ready, _FORM_S, "the cluster to be ready")

    def _acquainted(self) -> bool:
        return all(node.call("CLUSTER INFO")["cluster_known_nodes"] == str(len(self.nodes)) for node in self.nodes)

    def _is_ready(self) -> bool:
        nodes = self._running()
        agreed = all(node.call("CLUSTER INFO")["cluster_state"] == "ok" for node in nodes)
        return agreed and all(node.replication().get("master_link_status", "up") == "up" for node in nodes)

    def _replicas_of(self, master: ClusterNode) -> list[ClusterNode]:
        return [node for node in self._running() if node.replication().get("master_port") == master.port]

    def _running(self) -> list[ClusterNode]:
        return [node for node in self.nodes if node.is_running]
