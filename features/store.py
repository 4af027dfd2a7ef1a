"""The feature store: chunks of facts applied to Redis, effectively once, and read into vectors just before.

The protocol is the design's. For each shard one hash of fences says how far each facts partition was applied, how far
each source was, and what the store was written for; one hash per facts partition, the outbox, keeps the rows of orders
that may be asked for again. A chunk is one script call per shard.
"""

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha1
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import MovedError, NoScriptError, OutOfMemoryError, ResponseError

from features import cluster
from features.batches import Batch, Chunk, Encoder, Positions, Reply, fences_key, tag
from features.declared import Definitions
from features.definitions import DEFINITIONS
from features.errors import ForeignStore, Gap, NotAnAddress, OneOfACluster, Restarted, StoreFull
from features.formulas import Floats
from features.script import lua

__all__ = ["Applied", "Chunk", "Client", "Positions", "Seen", "Store", "connect", "shown"]

Client = Redis | cluster.Cluster

# Chunks that a server has before it at a time: one in work and one ready (5,000 orders/s). It answers all that it finds
# waiting together, after one fsync, so that with four it and we took turns (3,600); with one it waits for us (4,100).
_IN_FLIGHT = 2
# Every start of a server and every promotion of a replica gives the data that it serves a new id; its run id would be
# the same when a master that was replaced, and took over what its replica lacked, is promoted again.
_HISTORY = "return string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')"
_pack = msgspec.msgpack.Encoder().encode


class Applied(msgspec.Struct, frozen=True):
    """What came of a chunk.

    `decided` are the places in the chunk of the orders and refused orders that need a decision now; `matrix` their
    vectors, (len(decided), len(names)) float64. `applied` facts are new to the store, `repeats` were dropped; the
    others it had applied before. `late` has place and seconds behind the partition's clock of every late fact.
    `positions` are those of each of `decided`, none where the store knows no other partition: with the order's own
    offset they say which facts its vector was made of. Both are kept and told again just as rows are.
    """

    decided: list[int]
    matrix: Floats
    applied: int
    repeats: int
    late: Sequence[tuple[int, int]] = ()
    positions: Sequence[Positions] = ()


class Seen(msgspec.Struct, frozen=True):
    """Each shard's server, as an id of what it lived through; the offset of each partition that all have applied."""

    servers: tuple[str, ...]
    fences: dict[int, int]


class _Single(Redis):
    """A single server's client. Raises OneOfACluster where a cluster's node answers."""

    async def execute_command(self, *arguments: Any, **named: Any) -> Any:
        try:
            return await super().execute_command(*arguments, **named)  # type: ignore[no-untyped-call]  # untyped there
        except MovedError:
            raise OneOfACluster(
                "the feature store's address redis:// is a cluster's node: give it as redis+cluster://HOST:PORT,HOST:PORT"
            ) from None


def connect(url: str, timeout_s: float = 10.0) -> Client:
    """A client that never retries by itself: whoever repeats a chunk must look at the fences first.

    `url` is a server's, `redis://host:port/0`, or a cluster's, `redis+cluster://host:port,host:port`. `timeout_s`
    bounds a connection's opening and each answer. `rediss` is over TLS: `?ssl_ca_certs=FILE` has the authorities that
    may vouch for the server, `&password_file=FILE` the password. Raises NotAnAddress.
    """
    url, proof = _proof(url)
    options: dict[str, Any] = proof | {
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "socket_connect_timeout": timeout_s,
        "socket_timeout": timeout_s,
    }
    try:
        return cluster.connect(url, **options) if cluster.SCHEME in url else _Single.from_url(url, **options)
    except ValueError:
        raise NotAnAddress(
            "the feature store's address cannot be read: expected redis://HOST:PORT/DATABASE, "
            "or of a cluster redis+cluster://HOST:PORT,HOST:PORT"
        ) from None


def _proof(url: str) -> tuple[str, dict[str, str]]:
    """The address as the client takes it, and the password that a file has."""
    address, _, query = url.partition("?")
    named = dict(parse_qsl(query, keep_blank_values=True))
    path = named.pop("password_file", None)
    if path is None:
        return url, {}
    try:
        password = Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NotAnAddress(f"{path}: {type(error).__name__}; expected the file of the store's password") from None
    return f"{address}?{urlencode(named)}", {"password": password}


def shown(url: str) -> str:
    """Of an address what may be shown: neither who logs in, nor options, which may be a password too."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


class Store:
    """The feature store of one set of definitions, in `shards` parts, through a client from `connect`.

    A client reconnects silently, and the server behind it may then have been restarted empty or from an older copy.
    Whoever must know looks first, and sends chunks that only the servers then seen apply.
    """

    def __init__(self, client: Client, definitions: Definitions = DEFINITIONS, shards: int = 1) -> None:
        self.definitions, self.shards = definitions, shards
        self._client = client
        self._encoder = Encoder(definitions, shards)
        self._turns = [asyncio.Semaphore(_IN_FLIGHT) for _ in range(shards)]
        self._source = lua(definitions)
        self._sha = sha1(self._source.encode(), usedforsecurity=False).hexdigest()

    async def prepare(self, facts_topic_id: str) -> None:
        """Write what an empty store is for, or check what this one was written for.

        Raises ForeignStore if it differs.
        """
        wanted = {"facts_topic_id": facts_topic_id, "definitions": self.definitions.hash, "shards": str(self.shards)}
        for shard in range(self.shards):
            fences = fences_key(shard)
            for field, value in wanted.items():
                await self._client.hsetnx(fences, field, value)
            _check(shard, wanted, await written_for(self._client, shard, list(wanted)))

    async def look(self) -> Seen:
        """Which server each shard is on now, and what it has applied."""
        servers = [await self._client.eval(_HISTORY, 1, fences_key(shard)) for shard in range(self.shards)]
        return Seen(tuple(server.decode() for server in servers), await self.fences())

    async def fences(self) -> dict[int, int]:
        """For each facts partition that any shard knows, the highest offset that every shard has applied, else -1."""
        by_shard = [await self._fences_of(shard) for shard in range(self.shards)]
        partitions = {partition for fences in by_shard for partition in fences}
        return {p: min(fences.get(p, -1) for fences in by_shard) for p in sorted(partitions)}

    async def apply(self, chunk: Chunk) -> Applied:
        """Apply what is new of a chunk; read the vectors of its orders, each as things stood just before it.

        An order is decided if every shard that it touches has a row for it: a fresh one, or the one that an
        earlier attempt left in the outbox. Repeats have none, nor have orders below `chunk.committed`.

        Raises Gap if a shard has not applied all up to `chunk.previous`, Restarted if it is on another server than
        `chunk.servers` says, ForeignStore if it is not this store's, StoreFull if it is out of memory; other shards
        may then have applied the chunk, which repeating it allows for. Errors of the connection pass through as the
        client's.
        """
        batches, sources = self._encoder.batches(chunk)
        calls = [self._call(shard, batch, chunk, sources) for shard, batch in enumerate(batches)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        replies = [answer for answer in answers if isinstance(answer, Reply)]
        decided, matrix, positions = self._encoder.vectors(chunk, batches, replies)
        applied, repeats = sum(r.applied for r in replies), sum(r.repeats for r in replies)
        return Applied(decided, matrix, applied, repeats, _late(chunk, replies), positions)

    async def _call(self, shard: int, batch: Batch, chunk: Chunk, sources: Sequence[str]) -> Reply:
        partition, last = str(chunk.partition), chunk.offsets[-1] if chunk.offsets else chunk.previous
        server = chunk.servers[shard] if chunk.servers else ""
        head = (server, partition, chunk.previous, chunk.committed, last, batch.newest, sources)
        arguments = (_pack(head), bytes(batch.kinds), *_stream(batch.numbers))
        keys = (fences_key(shard), f"{tag(shard)}outbox:{partition}", *batch.keys)
        try:
            async with self._turns[shard]:
                rows, applied, repeats, late = await self._evaluate(keys, arguments)
        except ResponseError as error:
            raise _stated(error, shard, chunk) from error
        return Reply(rows, applied, repeats, late)

    async def _evaluate(self, keys: Sequence[str], arguments: Sequence[bytes | int]) -> Any:
        call: Any = self._client.execute_command
        try:
            return await call("EVALSHA", self._sha, len(keys), *keys, *arguments)
        except NoScriptError:  # a fresh server, or its scripts were flushed; the call applied nothing
            return await call("EVAL", self._source, len(keys), *keys, *arguments)

    async def _fences_of(self, shard: int) -> dict[int, int]:
        fields: Any = await self._client.hgetall(fences_key(shard))
        return {int(name): int(value) for name, value in fields.items() if name.isdigit()}


async def written_for(client: Client, shard: int, fields: Sequence[str]) -> list[str]:
    """What a shard says that it was written for: `definitions`, `shards`, `facts_topic_id`; "none" if it does not."""
    found: Any = await client.hmget(fences_key(shard), list(fields))
    return ["none" if value is None else value.decode() for value in found]


def _stream(values: Sequence[int | str]) -> tuple[bytes, int]:
    """Values packed one after another, and where the first begins, 0 if there is none: an array behind its length."""
    return _pack(values), 0 if not values else 1 if len(values) < 16 else 3 if len(values) < 65_536 else 5


def _late(chunk: Chunk, replies: Sequence[Reply]) -> list[tuple[int, int]]:
    pairs = [pair for reply in replies for pair in zip(reply.late[::2], reply.late[1::2], strict=True)]
    behind = dict(pairs)
    return [(place, behind[offset]) for place, offset in enumerate(chunk.offsets) if offset in behind] if behind else []


def _check(shard: int, wanted: Mapping[str, str], found: Sequence[str]) -> None:
    differs = [
        f"{field} is {there} there, {here} here"
        for (field, here), there in zip(wanted.items(), found, strict=True)
        if here != there
    ]
    if differs:
        raise ForeignStore(f"feature store shard {shard} was written for something else: {'; '.join(differs)}")


def _stated(error: ResponseError, shard: int, chunk: Chunk) -> Exception:
    if isinstance(error, OutOfMemoryError):
        return StoreFull(f"feature store shard {shard} is out of memory: raise its maxmemory; it applied nothing")
    word, _, detail = str(error).partition(" ")
    if word == "GAP":
        return Gap(shard, chunk.partition, int(detail.split()[0]), chunk.previous)
    if word == "RESTARTED":
        return Restarted(f"feature store shard {shard} is on another server than was looked at: look again")
    if word == "FOREIGN":
        return ForeignStore(f"feature store shard {shard} was not prepared for these definitions; it has {detail}")
    return error
