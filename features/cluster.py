"""A client of a Redis Cluster that the store can use as it uses a single server's."""

from typing import Any, Self, cast

from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import parse_url
from redis.exceptions import ClusterError, RedisClusterException, SlotNotCoveredError
from redis.exceptions import ConnectionError as Unreachable

from features.errors import NotACluster

SCHEME = "+cluster://"


class Cluster(RedisCluster):
    """Follows slots to where they are, and leaves every other trouble to its user.

    An answer that sends it elsewhere (MOVED, ASK, TRYAGAIN) says that nothing was applied, so that it asks again. What
    mends itself, such as a node that is down and not yet replaced, is the ConnectionError that a single server would
    cause. Like a single server's client it connects when it is first used.
    """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection: one that is waited on, with its answer.

        Called by redis-py too, when the cluster is down: its own closes them under those who wait.
        """
        self._initialize = True
        for node in (*self.nodes_manager.nodes_cache.values(), *self.nodes_manager.startup_nodes.values()):
            node.update_active_connections_for_reconnect()
            await node.disconnect_free_connections()

    async def initialize(self, *arguments: Any, **named: Any) -> Self:
        """Learn which node has which slots.

        Raises NotACluster for a server outside of a cluster, ConnectionError if no node answers, or if none knows them
        all.
        """
        try:
            await super().initialize(*arguments, **named)
        except RedisClusterException as error:
            if isinstance(error.__cause__, RedisClusterException):
                raise NotACluster(f"the feature store's address is a cluster's: {error.__cause__}") from error
            raise Unreachable(str(error)) from error
        return self

    async def execute_command(self, *arguments: Any, **named: Any) -> Any:
        try:
            return await super().execute_command(*arguments, **named)
        except (ClusterError, SlotNotCoveredError) as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error


def connect(url: str, **options: Any) -> Cluster:
    """A client of the cluster at `redis+cluster://[user:password@]host:port,host:port[?options]`, or rediss+cluster.

    One node that is up is enough to find the others.
    """
    scheme, _, rest = url.partition(SCHEME)
    credentials, at, rest = rest.rpartition("@")
    hosts, mark, query = rest.partition("?")
    first, *others = (f"{scheme}://{credentials}{at}{host}{mark}{query}" for host in hosts.split(","))
    nodes = [ClusterNode(node["host"], node.get("port", 6379)) for node in map(parse_url, others)]
    # Learning all slots anew after some MOVED would close connections that others wait on; a slot at a time will do.
    return cast("Cluster", Cluster.from_url(first, startup_nodes=nodes, reinitialize_steps=0, **options))
