"""Wires `amana opener`."""

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

from sqlalchemy import Engine

from events import topics
from history.index import Index
from review.opener import Opener, Vault
from review.store import CaseStore, SubjectKeyTable
from sharing.contracts import FOLDER, Contract, load
from sharing.projection import compile_contract
from streams.bootstrap import known_topics, now_ms, sender, started, worker
from streams.bootstrap.database import engine
from streams.kafka import RawOrders
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
        shared = [topics.share_topic(contract.partner) for contract in contracts()]
        await asyncio.to_thread(known_topics, settings.brokers, shared)
        orders = RawOrders(settings.brokers)
        await started(stack, orders)
        return OpenerStage(opener(settings, engine(settings)), orders, await sender(settings, stack, "opener"), metrics)

    return worker(settings, "opener", (topics.DECISIONS,), (topics.ORDERS,), parts)


def opener(settings: Settings, sql: Engine, now: Callable[[], int] = now_ms) -> Opener:
    keyring = Keyring.load(settings.keyring)
    vault = Vault(Envelopes(keyring, SubjectKeyTable(sql), os.urandom), BlindIndex(keyring))
    key = keyring.key("disclosure", len(keyring.keys("disclosure")))
    projections = [compile_contract(contract, key) for contract in contracts()]
    return Opener(CaseStore(sql), vault, projections, now, Index(sql).path_of)


def contracts() -> list[Contract]:
    """Those that the opener itself tells of: what was blocked. All others need what the case knows besides."""
    return [each for path in sorted(FOLDER.glob("*.yaml")) if (each := load(path)).trigger == "blocked"]
