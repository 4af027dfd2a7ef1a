"""A Faust worker that carries one stage: chunked transport, a lane a partition, its own end when something is wrong."""

import asyncio
import gc
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import faust
import msgspec
import structlog
import uvloop
from faust.types import TP

from events.errors import AmanaError
from events.security import MECHANISM, security_of
from streams.lanes import Lanes, Stage, heard_by
from streams.logs import type_and_place
from streams.membership import check_place
from streams.transport import ChunkTransport
from vault.errors import VaultError

log = structlog.get_logger()

EXIT_STATED, EXIT_FAILED = 1, 70
STATED = (AmanaError, VaultError)  # whose messages are ours: what, where and what was expected
# Faust fetches in a thread of its own. At Python's 5 ms each of its steps waited so long for a lane to let it run.
SWITCH_S = 0.0005


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`instance` names this member of its group for good (static membership): a restart has its partitions."""

    group: str
    instance: str
    brokers: str
    topics: tuple[str, ...]
    chunk_records: int = 500
    fetch_bytes: int = 4 * 1024 * 1024  # a partition's at a time; 1 MiB, the client's default, halved intake's rate
    session_timeout_s: float = 10.0
    commit_interval_s: float = 0.5
    stall_s: float = 120.0


Wire = Callable[["Worker", AsyncExitStack], Awaitable[Stage]]


class Worker(faust.App):
    """`wire` makes the stage inside the running loop; what it opens on the stack is closed when the worker stops."""

    def __init__(self, settings: WorkerSettings, wire: Wire) -> None:
        super().__init__(
            settings.group,
            broker=f"kafka://{settings.brokers.replace(',', ';kafka://')}",
            broker_credentials=credentials(settings.brokers),
            store="memory://",
            datadir=Path(tempfile.gettempdir(), "amana-faust"),  # nothing is kept there, yet Faust makes it
            web_enabled=False,
            key_serializer="raw",
            value_serializer="raw",
            topic_disable_leader=True,
            topic_allow_declare=False,
            stream_wait_empty=False,
            stream_buffer_maxsize=4,
            consumer_max_fetch_size=settings.fetch_bytes,
            broker_max_poll_records=settings.chunk_records,
            broker_commit_interval=settings.commit_interval_s,
            broker_session_timeout=settings.session_timeout_s,
            broker_heartbeat_interval=min(3.0, settings.session_timeout_s / 3),
            consumer_group_instance_id=settings.instance,
            consumer_auto_offset_reset="earliest",
            producer_request_timeout=20.0,
        )
        self.transport = self._chunks = ChunkTransport(self.conf.broker, self, loop=self.loop)
        self._chunks.lost, self._chunks.fail = self._lost, fail
        self.settings = settings
        self.lanes: Lanes | None = None
        self._wire = wire
        self._stack = AsyncExitStack()
        self._stage: Stage | None = None
        self.agent(self.topic(*settings.topics, key_serializer="raw", value_serializer="raw", value_type=None))(
            self._dispatch
        )
        self.on_partitions_assigned.connect(self._assigned)  # type: ignore[arg-type]  # Faust passes more than it says
        self.on_partitions_revoked.connect(self._revoked)  # type: ignore[arg-type]

    def ready(self) -> bool:
        """Whether it has partitions and handles them."""
        return self.lanes is not None and bool(self.lanes.partitions)

    def waiting(self) -> bool:
        """Whether the stage waits for something that it knows to be down."""
        return bool(getattr(self._stage, "waiting", False))

    def positions(self) -> list[tuple[TP, int, int]]:
        """For each partition of ours: the next offset to handle, and the end of its log as last heard."""
        positions = self.lanes.positions if self.lanes is not None else {}
        return [(tp, position, self.consumer.highwater(tp) or 0) for tp, position in positions.items()]

    def committed(self, tp: TP) -> int | None:
        """The offset that the partition is read from after its assignment, as far as this worker knows."""
        offset = getattr(self.consumer, "_committed_offset", {}).get(tp)  # Faust has no public way
        return offset if offset is not None and offset >= 0 else None

    def watch(self, endless: Coroutine[Any, Any, None]) -> None:
        """Run a task beside the lanes that ends the process if it fails."""
        task = asyncio.ensure_future(endless)
        task.add_done_callback(heard_by(fail))
        self._stack.callback(task.cancel)

    async def on_first_start(self) -> None:
        try:
            self._stage = await self._wire(self, self._stack)
        except Exception as error:  # whatever it was: a worker that can't be wired must not look alive
            fail(error)
            raise
        self.lanes = Lanes(self._stage, fail, self.committed, self.settings.chunk_records)
        self._chunks.has_room = self.lanes.has_room
        spare_the_collector()
        await super().on_first_start()

    async def on_stop(self) -> None:
        if self.lanes is not None:
            self.lanes.revoke(self.lanes.partitions)
        await super().on_stop()
        await self._stack.aclose()

    async def _lost(self, member: str) -> None:
        """In the consumer's own thread, which would not end the process by itself."""
        try:
            await check_place(self.settings.brokers, self.settings.group, self.settings.instance, member)
        except Exception as error:
            fail(error)
            raise

    async def _dispatch(self, stream: Any) -> None:
        assert self.lanes is not None
        async for chunk in stream.noack().events():
            await self.lanes.put(chunk.message.tp, chunk)

    async def _assigned(self, _app: Any, assigned: set[TP], *_: Any, **__: Any) -> None:
        assert self.lanes is not None
        ours = [tp for tp in assigned if tp.topic in self.settings.topics]
        log.info("partitions.assigned", partitions=names(ours))
        self.lanes.assign(ours)

    async def _revoked(self, _app: Any, revoked: set[TP], *_: Any, **__: Any) -> None:
        if self.lanes is not None:
            log.info("partitions.revoked", partitions=names(revoked))
            self.lanes.revoke(revoked)


def credentials(brokers: str) -> faust.SASLCredentials | faust.SSLCredentials | None:
    """In Faust's own terms, how these brokers are reached."""
    security = security_of(brokers)
    context = security.context()
    if security.protocol == "SASL_SSL":
        return faust.SASLCredentials(
            username=security.user, password=security.password(), ssl_context=context, mechanism=MECHANISM
        )
    return None if context is None else faust.SSLCredentials(context)


def spare_the_collector() -> None:
    """Leave what is loaded by now out of garbage collection, and look for cycles less often.

    Facts and records make none, yet each chunk of them set off collections over all modules: a sixth of intake's
    processor time, and pauses of tens of milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def names(tps: Sequence[TP] | set[TP]) -> list[str]:
    return sorted(f"{tp.topic}/{tp.partition}" for tp in tps)


def fail(error: BaseException) -> None:
    """End the process: what was not acknowledged comes again, to this process's successor.

    The message of an error that is not ours is left out, because it may quote what somebody sent.
    """
    stated = isinstance(error, STATED)
    log.critical("worker.failed", **describe(error))
    sys.stderr.flush()
    os._exit(EXIT_STATED if stated else EXIT_FAILED)


def describe(error: BaseException) -> dict[str, Any]:
    """An error for a log: its type and place, and its text only where the text is ours."""
    if isinstance(error, STATED):
        return {"error": type(error).__name__, "message": str(error)}
    return type_and_place(error)


def run(make: Callable[[], Worker]) -> None:
    """Make the worker in a loop of its own and run it until a signal stops it; SIGTERM stops it in order."""
    sys.setswitchinterval(SWITCH_S)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # before Faust's own thread asks for its loop
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    runner = faust.Worker(make(), quiet=True, override_logging=False, redirect_stdouts=False, loop=loop)
    runner.spinner = None  # it would write terminal controls between the lines of the log
    runner.execute_from_commandline()
