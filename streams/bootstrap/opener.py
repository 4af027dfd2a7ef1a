"""Wires `amana opener`."""

import os
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

from sqlalchemy import Engine

from events import topics
from history.index import Index
from review.joining import JoiningStore
from review.opener import Opener, Vault
from review.store import SubjectKeyTable
from streams.bootstrap import now_ms, started, worker
from streams.bootstrap.database import engine
from streams.kafka import RawRecords
from streams.lanes import Stage
from streams.metrics import Metrics
from streams.settings import Settings
from streams.stages.opener import OpenerStage
from streams.worker import Worker
from vault.blind_index import BlindIndex
from vault.envelopes import Envelopes
from vault.keyring import Keyring


def opener_worker(settings: Settings) -> Worker:
    async def parts(stack: AsyncExitStack, _: Mapping[str, str], metrics: Metrics) -> Stage:
        raw = RawRecords(settings.brokers)
        await started(stack, raw)
        sql = engine(settings)
        return OpenerStage(opener(settings, sql), raw, Index(sql).verification_of, metrics)

    return worker(settings, "opener", (topics.DECISIONS,), (topics.ORDERS, topics.ACTIVITY), parts)


def opener(settings: Settings, sql: Engine, now: Callable[[], int] = now_ms) -> Opener:
    keyring = Keyring.load(settings.keyring)
    vault = Vault(Envelopes(keyring, SubjectKeyTable(sql), os.urandom), BlindIndex(keyring))
    return Opener(JoiningStore(sql), vault, now, Index(sql).path_of)
