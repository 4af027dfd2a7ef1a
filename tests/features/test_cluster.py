"""What only a cluster does: slots that move, servers that are replaced, replicas that lack the last writes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import msgspec
import pytest
from redis import Redis as SyncRedis
from redis.exceptions import ConnectionError as Unreachable

from features.batches import tag
from features.cluster import Cluster
from features.errors import Gap, NotACluster, NotAnAddress, OneOfACluster, Restarted
from features.store import Applied, Chunk, Store, connect, shown
from tests.features.chunks import SMALL, chunk, opened, order, rows
from tests.harness import Redis, RedisCluster, free_port, wait_until

SHARDS = 3  # each on a node of its own
FIRST = tag(0)


@pytest.fixture(scope="module")
def whole_cluster() -> Iterator[RedisCluster]:
    with RedisCluster(replicas=1, timeout_ms=1_000) as servers:
        yield servers


@pytest.fixture
def cluster(whole_cluster: RedisCluster) -> Iterator[RedisCluster]:
    """Emptied; afterwards all of its nodes run again."""
    with whole_cluster.client() as client:
        client.flushall()
    yield whole_cluster
    whole_cluster.restore()


def with_client(url: str, body: Callable[[Cluster], Awaitable[Any]]) -> Any:
    async def work() -> Any:
        async with connect(url, timeout_s=5) as client:
            return await body(client)

    return asyncio.run(work())


def facts_of(chunk_number: int) -> Chunk:
    """Ten orders that follow those of the chunk before; entities in every shard."""
    first = 10 * chunk_number
    facts = [order(n, n / 10, card=f"c{n % 7}", ip=f"i{n % 5}") for n in range(first, first + 10)]
    return chunk(first, *facts)


async def only_there(store: Store, wanted: Chunk) -> Applied:
    """Apply a chunk on the servers that the store is on now."""
    return await store.apply(msgspec.structs.replace(wanted, servers=(await store.look()).servers))


async def insist(store: Store, wanted: Chunk) -> Applied:
    """Apply a chunk on whatever servers there are, as soon as they answer."""
    while True:
        try:
            return await only_there(store, wanted)
        except (Unreachable, Restarted):
            await asyncio.sleep(0.1)


async def undisturbed(client: Cluster, chunks: int) -> list[list[list[float]]]:
    store = await opened(client, SHARDS)
    found = [rows(await store.apply(facts_of(n))) for n in range(chunks)]
    await client.flushall()
    return found


def test_three_shards_are_on_three_nodes(redis_cluster: RedisCluster) -> None:
    seen = with_client(redis_cluster.url, lambda client: Store(client, SMALL, SHARDS).look())
    assert len(set(seen.servers)) == SHARDS


def test_a_chunk_for_a_slot_that_moved_is_refused_and_after_a_look_goes_on_as_if_nothing_was(
    cluster: RedisCluster,
) -> None:
    target = next(node for node in cluster.masters() if node is not cluster.owner(FIRST))

    async def body(client: Cluster) -> None:
        expected = await undisturbed(client, 3)
        store = await opened(client, SHARDS)
        before = await store.look()
        found = [rows(await store.apply(facts_of(0)))]
        for _ in cluster.moving(FIRST, target):
            pass
        with pytest.raises(Restarted, match="shard 0 is on another server"):
            await store.apply(msgspec.structs.replace(facts_of(1), servers=before.servers))
        after = await store.look()
        assert after.servers[0] != before.servers[0]
        assert after.servers[1:] == before.servers[1:]
        assert after.fences == {0: 9}
        found += [rows(await only_there(store, facts_of(n))) for n in (1, 2)]
        assert found == expected

    with_client(cluster.url, body)


def test_while_a_slot_is_half_moved_its_shard_waits_and_then_every_fact_counts_once(cluster: RedisCluster) -> None:
    target = next(node for node in cluster.masters() if node is not cluster.owner(FIRST))

    async def body(client: Cluster) -> None:
        expected = await undisturbed(client, 2)
        store = await opened(client, SHARDS)
        found = [rows(await store.apply(facts_of(0)))]
        moving = cluster.moving(FIRST, target, keys_at_a_time=1)
        next(moving)
        with pytest.raises(Unreachable):
            await store.apply(facts_of(1))
        assert await store.fences() == {0: 9}
        for _ in moving:
            assert (await store.look()).fences == {0: 9}
        found.append(rows(await insist(store, facts_of(1))))
        assert found == expected

    with_client(cluster.url, body)


def test_a_failover_that_loses_the_last_writes_is_refused_and_rebuilt_from_what_the_fences_say(
    cluster: RedisCluster,
) -> None:
    async def body(client: Cluster) -> None:
        expected = await undisturbed(client, 4)
        store = await opened(client, SHARDS)
        before = await store.look()
        found = [rows(await store.apply(facts_of(0)))]
        master = cluster.owner(FIRST)
        cluster.cut_off_replicas(master)
        found += [rows(await store.apply(facts_of(n))) for n in (1, 2)]
        cluster.fail_over(master)
        with pytest.raises((Unreachable, Restarted)):
            await store.apply(msgspec.structs.replace(facts_of(3), servers=before.servers))
        with pytest.raises(Gap, match="up to offset 9, but the chunk follows offset 29"):
            await insist(store, facts_of(3))
        assert (await store.look()).fences == {0: 9}
        again = [rows(await insist(store, facts_of(n))) for n in (1, 2, 3)]
        assert [*found, again[2]] == expected

    with_client(cluster.url, body)


def test_a_server_that_followed_another_and_was_promoted_again_is_not_the_one_that_was_looked_at() -> None:
    async def body(client: Any) -> None:
        store = await opened(client)
        await store.apply(facts_of(0))
        before = await store.look()
        await client.replicaof("127.0.0.1", emptier.port)
        with SyncRedis.from_url(server.url) as other:
            wait_until(lambda: other.info("replication")["master_link_status"] == "up", 30, "the server to follow")
        await client.replicaof("no", "one")
        assert await client.dbsize() == 0
        with pytest.raises(Restarted):
            await store.apply(msgspec.structs.replace(chunk(0, order(0), partition=1), servers=before.servers))

    with Redis() as server, Redis() as emptier:
        with_client(server.url, body)


def test_a_node_that_is_down_and_not_yet_replaced_is_a_lost_connection_and_changes_nothing_elsewhere(
    cluster: RedisCluster,
) -> None:
    async def body(client: Cluster) -> None:
        expected = await undisturbed(client, 2)
        store = await opened(client, SHARDS)
        found = [rows(await store.apply(facts_of(0)))]
        master = cluster.owner(FIRST)
        cluster.settle(master)
        master.kill()
        with pytest.raises(Unreachable):
            await store.apply(facts_of(1))
        found.append(rows(await insist(store, facts_of(1))))
        assert found == expected

    with_client(cluster.url, body)


def test_a_client_is_made_while_no_node_answers(cluster: RedisCluster) -> None:
    url = f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{free_port()}"
    with pytest.raises(Unreachable, match="cannot be connected"):
        with_client(url, lambda client: Store(client, SMALL).fences())


def test_one_node_that_is_up_is_enough_to_find_the_others(cluster: RedisCluster) -> None:
    url = f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{cluster.nodes[0].port}"
    assert with_client(url, lambda client: Store(client, SMALL, SHARDS).fences()) == {}


def test_a_single_server_at_a_clusters_address_is_named(redis_server: Redis) -> None:
    url = f"redis+cluster://127.0.0.1:{redis_server.port}"
    with pytest.raises(NotACluster, match="address is a cluster's: Cluster mode is not enabled on this node"):
        with_client(url, lambda client: Store(client, SMALL).fences())


def test_a_clusters_node_at_a_single_servers_address_is_named(cluster: RedisCluster) -> None:
    with pytest.raises(OneOfACluster, match=r"give it as redis\+cluster://HOST:PORT,HOST:PORT"):
        with_client(cluster.nodes[0].url, lambda client: Store(client, SMALL, SHARDS).prepare("facts"))


@pytest.mark.parametrize(
    "url",
    [
        "localhost",
        "http://secret@localhost/0",
        "redis://screen:secret",
        "redis://localhost:secret/0",
        "redis+cluster://localhost:secret",
        "redis+cluster://one:7001,two:secret",
        "",
    ],
)
def test_an_address_of_no_known_form_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(NotAnAddress, match=r"expected redis://HOST:PORT/DATABASE, .* redis\+cluster://") as caught:
        connect(url)
    assert "secret" not in str(caught.value)


def test_an_address_is_shown_without_who_logs_in() -> None:
    urls = ["redis://u:p@one:7001/3?password=p", "redis+cluster://u:p@ss@one:7001,two:7002", "redis://one"]
    assert [shown(url) for url in urls] == ["redis://one:7001/3", "redis+cluster://one:7001,two:7002", "redis://one"]


def test_an_address_carries_credentials_to_every_node_and_options() -> None:
    client = connect("redis+cluster://screen:secret@one:7001,two:7002?client_name=amana")
    assert isinstance(client, Cluster)
    assert sorted(client.nodes_manager.startup_nodes) == ["one:7001", "two:7002"]
    for node in client.nodes_manager.startup_nodes.values():
        kwargs = node.connection_kwargs
        assert (kwargs["username"], kwargs["password"], kwargs["client_name"]) == ("screen", "secret", "amana")
