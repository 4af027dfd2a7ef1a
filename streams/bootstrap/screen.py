"""Wires `amana screen`."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

import msgspec

from events import topics
from features.definitions import DEFINITIONS, Definitions
from features.formulas import Floats
from features.store import Store, connect
from models import artifact, screening
from models.decisions import Decision
from models.policy import Policy
from models.scoring import HistScorer
from models.screening import Decided
from streams.bootstrap import group, sender, started, worker
from streams.kafka import KafkaLog
from streams.lanes import Stage
from streams.lateness import Late
from streams.lateness import encode as encode_late
from streams.metrics import Metrics
from streams.screening import Conclude, Screening
from streams.settings import Settings
from streams.stages.screen import ScreenStage, count_late, decision_messages
from streams.worker import Worker

RULES_POLICY = Policy(0.5, 0.9)  # has no effect without a model: the rules name outcomes themselves


def screen_worker(settings: Settings, definitions: Definitions = DEFINITIONS) -> Worker:
    async def parts(stack: AsyncExitStack, topic_ids: Mapping[str, str], metrics: Metrics) -> Stage:
        out = await sender(settings, stack, "screen")

        async def publish(partition: int, decisions: list[Decision]) -> None:
            await out.send(topics.DECISIONS, partition, decision_messages(decisions))

        async def report(partition: int, late: list[Late]) -> None:
            await out.send(topics.LATE, partition, [(None, encode_late(entry)) for entry in late])
            count_late(metrics, late)

        store = Store(await stack.enter_async_context(connect(settings.redis)), definitions, settings.shards)
        topic_id = topic_ids[topics.FACTS]
        log = KafkaLog(settings.brokers, topics.FACTS, group("screen"))
        await started(stack, log)
        conclude = concluder(settings, definitions)
        screening = Screening(store, log, topic_id, conclude, publish, settings.accept_gap, report)
        await screening.begin()
        return ScreenStage(screening, metrics)

    return worker(settings, "screen", (topics.FACTS,), (topics.FACTS,), parts)


def concluder(settings: Settings, definitions: Definitions = DEFINITIONS) -> Conclude:
    """Scores by the current model where there is one, by the rules where there is none."""
    scorer = artifact.load(settings.models) if (settings.models / artifact.CURRENT).exists() else None
    policy = policy_of(settings, scorer)

    def conclude(facts: Sequence[Decided], matrix: Floats, flags: tuple[str, ...]) -> list[Decision]:
        return screening.conclude(facts, matrix, scorer, policy, definitions, flags=flags)

    return conclude


def policy_of(settings: Settings, scorer: HistScorer | None) -> Policy:
    """The policy that the model came with; thresholds that the configuration fixes take the place of its costs."""
    own = scorer.policy if scorer is not None else RULES_POLICY
    fixed = {"review_at": settings.review_at, "block_at": settings.block_at}
    return msgspec.structs.replace(own, **{name: at for name, at in fixed.items() if at is not None})
