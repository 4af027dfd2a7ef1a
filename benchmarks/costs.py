"""What an order costs, part by part: the product's stages over a fixed sequence of chunks, without Faust."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from statistics import median
from typing import Any, NamedTuple
from unittest.mock import patch

from faust.types import TP

import streams.intake
import streams.screening
import streams.stages.intake
from benchmarks import workload
from benchmarks.full import Full, full
from benchmarks.report import Outcome, Plan, Run, by_contender
from benchmarks.stopwatch import Stopwatch
from events import canonical, geo, likeness, topics
from features.definitions import DEFINITIONS
from features.store import Store, connect
from models import artifact, screening
from models.decisions import Decision
from streams.bootstrap import known_topics
from streams.kafka import Sender
from streams.log import Bounds, LogRecord, batched
from streams.metrics import Metrics
from streams.screening import Screening
from streams.stages.intake import IntakeStage
from streams.stages.screen import ScreenStage, decision_messages

CHUNK = 500
Handle = Callable[[TP, Sequence[Any]], Awaitable[None]]


class Record(NamedTuple):
    """A record as a consumer gives it."""

    offset: int
    timestamp: int
    value: bytes


class Tee:
    """Sends what it is given, and keeps the values."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self.values: list[bytes] = []

    async def send(self, topic: str, partition: int, messages: Sequence[tuple[bytes | None, bytes]]) -> None:
        self.values += [value for _, value in messages]
        await self._sender.send(topic, partition, messages)


class Uncommitted:
    """A facts log of which nothing was read before."""

    async def committed(self) -> Mapping[int, int]:
        return {}

    async def bounds(self) -> Mapping[int, Bounds]:
        return {0: Bounds(0, 1)}

    def read(self, partition: int, first: int, until: int) -> AsyncIterator[Sequence[LogRecord]]:
        raise AssertionError(f"there is nothing to rebuild in [{first}, {until}) of {partition}")


def measure(plan: Plan) -> Outcome:
    warm, count = plan.of(5, 1), plan.of(20, 1)
    orders = workload.orders((warm + count) * CHUNK)
    runs: list[Run] = []
    with full() as path:
        for number in range(plan.rounds):
            path.renew()
            forget()
            watch = asyncio.run(watched(path, [order.value for order in orders], warm))
            runs += [
                Run(part, number, {"processor_us": us(spent.processor_s, count), "wall_us": us(spent.wall_s, count)})
                for part, spent in watch.spent.items()
            ]
    parts = {
        part: [median(values["processor_us"]), median(values["wall_us"])] for part, values in by_contender(runs).items()
    }
    return Outcome(
        workload=(
            f"{count} chunks of {CHUNK} simulated orders, one after another, after {warm} others; one process, no"
            " Faust, a real broker and store. Wall time beyond processor time is waiting, which other partitions'"
            " chunks fill. Sending includes the Kafka client's own work; the script's processor time is the client's."
        ),
        runs=runs,
        figures={
            f"{stage}_us_per_order": sum(processor for part, (processor, _) in parts.items() if part.startswith(stage))
            for stage in ("intake", "screen")
        },
        targets={},
        columns=["part", "processor, us an order", "wall, us an order"],
        rows=[[part, *(f"{value:.1f}" for value in values)] for part, values in parts.items()],
    )


def us(seconds: float, chunks: int) -> float:
    return 1e6 * seconds / (chunks * CHUNK)


def forget() -> None:
    """Canonical forms are remembered: without this, a second round would find all of the first's."""
    for module in (canonical, geo, likeness):
        for function in vars(module).values():
            if hasattr(function, "cache_clear"):
                function.cache_clear()


async def watched(path: Full, bodies: Sequence[bytes], warm: int) -> Stopwatch:
    """Bodies through intake, then what came of it through screening; the time of all but the first chunks."""
    watch = Stopwatch()
    sender = Sender(path.pipeline.brokers, "bench")
    await sender.start()
    try:
        tee = Tee(sender)
        with taking_in(path, tee, watch) as handle:
            await run(handle, TP(topics.ORDERS, 0), bodies, watch, warm)
        async with screens(path, sender, watch) as handle:
            await run(handle, TP(topics.FACTS, 0), tee.values, watch, warm)
    finally:
        await sender.stop()
    return watch


async def run(handle: Handle, tp: TP, values: Sequence[bytes], watch: Stopwatch, warm: int) -> None:
    now_ms = time.time_ns() // 1_000_000
    kept = dict(watch.spent)
    for number, chunk in enumerate(batched((Record(*one) for one in enumerate_at(values, now_ms)), CHUNK)):
        if number == warm:
            watch.spent = dict(kept)
        await handle(tp, chunk)


def enumerate_at(values: Sequence[bytes], at_ms: int) -> Iterator[tuple[int, int, bytes]]:
    return ((offset, at_ms, value) for offset, value in enumerate(values))


@contextmanager
def taking_in(path: Full, sender: Tee, watch: Stopwatch) -> Iterator[Handle]:
    intake = workload.intake(path.pipeline.keyring)
    stage = IntakeStage(intake, sender, known_topics(path.pipeline.brokers, [topics.ORDERS]), Metrics())
    with measuring(
        watch,
        (stage, "handle", "intake: around"),
        (intake, "take", "intake: canonical forms, pseudonyms, facts"),
        (streams.intake, "admit", "intake: decode and guard"),
        (streams.stages.intake, "send_facts", "intake: encode"),
        (sender, "send", "intake: send"),
    ):
        yield stage.handle


@asynccontextmanager
async def screens(path: Full, sender: Sender, watch: Stopwatch) -> AsyncIterator[Handle]:
    brokers = path.pipeline.brokers
    scorer = artifact.load(path.models)
    store = Store(connect(path.redis.url))
    topic_id = known_topics(brokers, [topics.FACTS])[topics.FACTS]
    await store.prepare(topic_id)

    def conclude(facts: Any, matrix: Any, flags: tuple[str, ...]) -> list[Decision]:
        return screening.conclude(facts, matrix, scorer, scorer.policy, DEFINITIONS, flags=flags)

    async def publish(partition: int, decisions: list[Decision]) -> None:
        with watch.measure("screen: encode"):
            messages = decision_messages(decisions)
        with watch.measure("screen: send"):
            await sender.send(topics.DECISIONS, partition, messages)

    stage = ScreenStage(Screening(store, Uncommitted(), topic_id, conclude, publish), Metrics())
    with measuring(
        watch,
        (stage, "handle", "screen: around"),
        (streams.screening, "decode_records", "screen: decode"),
        (store, "apply", "screen: features, pack and send"),
        (store._encoder, "batches", "screen: features, encode"),
        (store, "_evaluate", "screen: features, script"),
        (store._encoder, "vectors", "screen: features, parse"),
        (screening, "conclude", "screen: decide"),
        (scorer, "scores", "screen: score"),
        (scorer, "reasons", "screen: reasons of the flagged"),
    ):
        yield stage.handle


@contextmanager
def measuring(watch: Stopwatch, *places: tuple[Any, str, str]) -> Iterator[None]:
    """Measure the functions at (object, attribute, part) until the context ends."""
    with ExitStack() as stack:
        for where, name, part in places:
            stack.enter_context(patch.object(where, name, watch.around(part, getattr(where, name))))
        yield
