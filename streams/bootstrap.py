"""The one place that wires: every worker's stage from settings. A test can wire the same parts with others."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine

import history.database
import review.database
from events import admin, topics
from events.facts import AnyFact
from features.batches import Floats
from features.definitions import DEFINITIONS
from features.store import Store, connect
from history.database import make_engine
from history.index import Index
from models import artifact, screening
from models.decisions import Decision
from models.policy import Policy
from models.scoring import HistScorer
from review.opener import Opener, Vault
from review.store import CaseStore, SubjectKeyTable
from sharing.contracts import FOLDER, load
from sharing.projection import compile_contract
from streams.embedded import Embedded, Lines
from streams.errors import Stopped
from streams.files import FACTS_ID
from streams.intake import Intake
from streams.kafka import KafkaLog, RawOrders, Sender
from streams.lanes import Stage
from streams.log import FileLog
from streams.metrics import Metrics, serve
from streams.screening import Conclude, Screening
from streams.settings import Settings
from streams.stages import HistoryStage, IntakeStage, OpenerStage, ScreenStage, decision_messages
from streams.watch import watch_progress, watch_topics
from streams.worker import Worker, WorkerSettings
from vault.blind_index import BlindIndex
from vault.envelopes import Envelopes
from vault.keyring import Keyring
from vault.pseudonyms import Pseudonymiser

RAW = (topics.ORDERS, topics.VISITS, topics.ACTIVITY)
RULES_POLICY = Policy(0.5, 0.9)  # has no effect without a model: the rules name outcomes themselves

Parts = Callable[[AsyncExitStack, Mapping[str, str], Metrics], Awaitable[Stage]]


class Client(Protocol):
    async def start(self) -> None: ...

    async def stop(self) -> None: ...


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def intake_worker(settings: Settings) -> Worker:
    async def parts(stack: AsyncExitStack, topic_ids: Mapping[str, str], metrics: Metrics) -> Stage:
        intake = Intake(Pseudonymiser(Keyring.load(settings.keyring)))
        return IntakeStage(intake, await sender(settings, stack, "intake"), topic_ids, metrics)

    return worker(settings, "intake", RAW, RAW, parts)


def screen_worker(settings: Settings) -> Worker:
    async def parts(stack: AsyncExitStack, topic_ids: Mapping[str, str], metrics: Metrics) -> Stage:
        out = await sender(settings, stack, "screen")

        async def publish(partition: int, decisions: list[Decision]) -> None:
            await out.send(topics.DECISIONS, partition, decision_messages(decisions))

        store = Store(connect(settings.redis), DEFINITIONS, settings.shards)
        await store.prepare(topic_ids[topics.FACTS])
        log = KafkaLog(settings.brokers, topics.FACTS, group("screen"))
        await started(stack, log)
        return ScreenStage(Screening(store, log, concluder(settings), publish, settings.accept_gap), metrics)

    return worker(settings, "screen", (topics.FACTS,), (topics.FACTS,), parts)


def history_worker(settings: Settings) -> Worker:
    async def parts(stack: AsyncExitStack, topic_ids: Mapping[str, str], metrics: Metrics) -> Stage:
        index = Index(engine(settings))
        return HistoryStage(index, await sender(settings, stack, "history"), topic_ids, metrics)

    return worker(settings, "history", (topics.DECISIONS, topics.LABELS), (topics.LABELS,), parts)


def opener_worker(settings: Settings) -> Worker:
    async def parts(stack: AsyncExitStack, _: Mapping[str, str], metrics: Metrics) -> Stage:
        orders = RawOrders(settings.brokers)
        await started(stack, orders)
        return OpenerStage(
            opener(settings, engine(settings)), orders, await sender(settings, stack, "opener"), metrics
        )

    return worker(settings, "opener", (topics.DECISIONS,), (topics.ORDERS,), parts)


async def embedded(settings: Settings, redis: str, folder: Path, now: Callable[[], int]) -> Embedded:
    """One process over files: the store at `redis`, all else in `folder`."""
    sql = engine(settings)
    out = Lines(folder)

    async def publish(_: int, decisions: list[Decision]) -> None:
        """Nothing to send: the runner writes what `handle` returns."""

    facts = FileLog(folder / f"{topics.FACTS}.jsonl")
    store = Store(connect(redis), DEFINITIONS, settings.shards)
    await store.prepare(FACTS_ID)
    screening = Screening(store, facts, concluder(settings), publish)
    intake = Intake(Pseudonymiser(Keyring.load(settings.keyring)))
    return Embedded(intake, facts, screening, Index(sql), opener(settings, sql, now), out)


def concluder(settings: Settings) -> Conclude:
    """Scores by the current model where there is one, by the rules where there is none."""
    scorer = artifact.load(settings.models) if (settings.models / artifact.CURRENT).exists() else None
    policy = policy_of(settings, scorer)

    def conclude(facts: Sequence[AnyFact], matrix: Floats, flags: tuple[str, ...]) -> list[Decision]:
        return screening.conclude(facts, matrix, scorer, policy, DEFINITIONS, flags=flags)  # type: ignore[arg-type]

    return conclude


def policy_of(settings: Settings, scorer: HistScorer | None) -> Policy:
    """The thresholds that the model came with, unless the configuration says otherwise."""
    own = scorer.policy if scorer is not None else RULES_POLICY
    review_at = own.review_at if settings.review_at is None else settings.review_at
    return Policy(review_at, own.block_at if settings.block_at is None else settings.block_at)


def opener(settings: Settings, sql: Engine, now: Callable[[], int] = now_ms) -> Opener:
    keyring = Keyring.load(settings.keyring)
    vault = Vault(Envelopes(keyring, SubjectKeyTable(sql), os.urandom), BlindIndex(keyring))
    key = keyring.key("disclosure", len(keyring.keys("disclosure")))
    projections = [compile_contract(load(path), key) for path in sorted(FOLDER.glob("*.yaml"))]
    return Opener(CaseStore(sql), vault, projections, now)


def engine(settings: Settings) -> Engine:
    """The database, its tables brought up to date."""
    sql = make_engine(settings.database)
    history.database.upgrade(sql)
    review.database.upgrade(sql)
    return sql


def worker(settings: Settings, stage: str, read: Sequence[str], watched: Sequence[str], parts: Parts) -> Worker:
    """`watched` topics' ids are part of stored state: the worker stops when one is no longer the topic it was."""

    async def wire(app: Worker, stack: AsyncExitStack) -> Stage:
        topic_ids = await asyncio.to_thread(known_topics, settings.brokers, {*read, *watched})
        metrics = Metrics()
        if settings.metrics_port is not None:
            site = await serve(metrics, app.ready, settings.metrics_host, settings.metrics_port)
            stack.push_async_callback(site.cleanup)
        app.watch(watch_topics(settings.brokers, {topic: topic_ids[topic] for topic in watched}))
        app.watch(watch_progress(app, metrics))
        return await parts(stack, topic_ids, metrics)

    member = f"{stage}-{settings.instance}"
    return Worker(
        WorkerSettings(group=group(stage), instance=member, brokers=settings.brokers, topics=tuple(read)), wire
    )


def known_topics(brokers: str, names: Collection[str]) -> dict[str, str]:
    """The topics' ids. Raises Stopped where one is missing."""
    found = admin.topic_ids(brokers, sorted(names))
    if missing := sorted(set(names) - set(found)):
        raise Stopped(f"no topic {', '.join(missing)} at {brokers}: `amana topics create` makes them")
    return found


async def sender(settings: Settings, stack: AsyncExitStack, stage: str) -> Sender:
    made = Sender(settings.brokers, f"amana-{stage}-{settings.instance}")
    await started(stack, made)
    return made


async def started(stack: AsyncExitStack, client: Client) -> None:
    await client.start()
    stack.push_async_callback(client.stop)


def group(stage: str) -> str:
    """The consumer group of a stage."""
    return f"amana.{stage}"
