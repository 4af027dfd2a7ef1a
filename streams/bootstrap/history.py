"""Wires `amana history serve`."""

from collections.abc import Mapping
from contextlib import AsyncExitStack

from events import topics
from history.index import Index
from streams.bootstrap import sender, worker
from streams.bootstrap.database import engine
from streams.lanes import Stage
from streams.metrics import Metrics
from streams.settings import Settings
from streams.stages.history import HistoryStage
from streams.worker import Worker


def history_worker(settings: Settings) -> Worker:
    async def parts(stack: AsyncExitStack, topic_ids: Mapping[str, str], metrics: Metrics) -> Stage:
        index = Index(engine(settings))
        return HistoryStage(index, await sender(settings, stack, "history"), topic_ids, metrics)

    return worker(settings, "history", (topics.DECISIONS, topics.FACTS, topics.LABELS), (topics.LABELS,), parts)
