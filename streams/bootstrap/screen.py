"""Wires `amana screen`."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack

import msgspec

from events import topics
from features.definitions import DEFINITIONS, Definitions
from features.formulas import Floats
from features.store import Store, connect
from models import artifact, screening
from models.decisions import Decision
from models.policy import Policy
from models.rules import Ruleset, default, loaded
from models.scoring import HistScorer
from models.screening import Decided
from streams.bootstrap import group, known_topics, sender, started, worker
from streams.kafka import KafkaLog
from streams.lanes import Stage, heard_by
from streams.lateness import Late
from streams.lateness import encode as encode_late
from streams.metrics import Metrics
from streams.promotions import InForce, RulesFeed
from streams.screening import Conclude, Screening
from streams.settings import Settings
from streams.stages.screen import ScreenStage, count_late, decision_messages
from streams.worker import Worker, fail

RULES_POLICY = Policy(0.5, 0.9)  # without a model: for the points that rules add; other rules name outcomes themselves


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
        rules = await rules_in_force(settings, definitions, stack)
        conclude = concluder(settings, definitions, lambda: rules.ruleset)
        screening = Screening(store, log, topic_id, conclude, publish, settings.accept_gap, report)
        await screening.begin()
        return ScreenStage(screening, metrics)

    return worker(settings, "screen", (topics.FACTS,), (topics.FACTS,), parts)


async def rules_in_force(settings: Settings, definitions: Definitions, stack: AsyncExitStack) -> InForce:
    """The rules promoted last, and from now on whatever is promoted; the settings' own until then."""
    await asyncio.to_thread(known_topics, settings.brokers, [topics.RULES])
    feed = RulesFeed(settings.brokers)
    await started(stack, feed)
    rules = InForce(base_rules(settings, definitions), definitions.names)
    await feed.catch_up(rules.take)
    following = asyncio.ensure_future(feed.follow(rules.take))
    following.add_done_callback(heard_by(fail))
    stack.callback(following.cancel)
    return rules


def concluder(
    settings: Settings, definitions: Definitions = DEFINITIONS, rules: Callable[[], Ruleset] | None = None
) -> Conclude:
    """Scores by the current model where there is one; `rules` gives those in force, by default the settings' own."""
    scorer = artifact.load(settings.models) if (settings.models / artifact.CURRENT).exists() else None
    policy = policy_of(settings, scorer)
    own = base_rules(settings, definitions)

    def conclude(facts: Sequence[Decided], matrix: Floats, flags: tuple[str, ...]) -> list[Decision]:
        in_force = own if rules is None else rules()
        return screening.conclude(facts, matrix, scorer, policy, definitions, flags=flags, ruleset=in_force)

    return conclude


def base_rules(settings: Settings, definitions: Definitions = DEFINITIONS) -> Ruleset:
    """The rules of the file that the settings name, or those that come with Amana."""
    return default(definitions.names) if settings.rules is None else loaded(settings.rules, definitions.names)


def policy_of(settings: Settings, scorer: HistScorer | None) -> Policy:
    """The policy that the model came with; thresholds that the configuration fixes take the place of its costs."""
    own = scorer.policy if scorer is not None else RULES_POLICY
    fixed = {"review_at": settings.review_at, "block_at": settings.block_at}
    return msgspec.structs.replace(own, **{name: at for name, at in fixed.items() if at is not None})
