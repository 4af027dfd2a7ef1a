"""Wires `amana screen`."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TypeVar

import msgspec
from aiokafka import ConsumerRecord

from events import topics
from features.definitions import DEFINITIONS, Definitions
from features.formulas import Floats
from features.store import Store, connect
from models import artifact, screening
from models.decisions import Decision
from models.errors import ForeignVectors
from models.policy import Policy
from models.promotion import Named, Promotion, Switch
from models.rollout import Challenger, Rollout
from models.rules import Ruleset, default, loaded
from models.scoring import HistScorer
from models.screening import Decided
from streams.bootstrap import group, known_topics, sender, started, worker
from streams.kafka import KafkaLog
from streams.lanes import Stage, heard_by
from streams.lateness import Late
from streams.lateness import encode as encode_late
from streams.metrics import Metrics
from streams.promotions import Feed, InForce, Take
from streams.rollouts import Models, Switches, switch_message
from streams.screening import Conclude, Screening
from streams.settings import Settings
from streams.stages.screen import ScreenStage, count_late, decision_messages
from streams.worker import Worker, fail

T = TypeVar("T")

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
        rules = await rules_in_force(settings, definitions, stack, metrics.unusable.labels("rules").inc)
        models = await models_in_force(settings, definitions, stack, metrics.unusable.labels("models").inc)

        async def record(switch: Switch) -> None:
            await out.send(topics.MODELS, 0, [switch_message(switch)])

        note = Switches(models, record, settings.instance).note
        conclude = concluder(settings, definitions, lambda: rules.ruleset, lambda: models.rollout)
        screening = Screening(store, log, topic_id, conclude, publish, settings.accept_gap, report, note)
        await screening.begin()
        return ScreenStage(screening, metrics)

    return worker(settings, "screen", (topics.FACTS,), (topics.FACTS,), parts)


async def rules_in_force(
    settings: Settings, definitions: Definitions, stack: AsyncExitStack, refused: Callable[[], None] = lambda: None
) -> InForce:
    """The rules promoted last, and from now on whatever is promoted; the settings' own until then."""
    feed = await _feed(settings, topics.RULES, stack)
    rules = InForce(base_rules(settings, definitions), definitions.names, refused)
    await feed.catch_up(rules.take)
    _follow(feed, rules.take, stack)
    return rules


async def models_in_force(
    settings: Settings, definitions: Definitions, stack: AsyncExitStack, refused: Callable[[], None] = lambda: None
) -> Models:
    """The models promoted last, and from now on whatever is promoted; the folder's current one until then."""
    feed = await _feed(settings, topics.MODELS, stack)
    models = Models(lambda promotion: opened(promotion, settings, definitions), lambda: base_rollout(settings), refused)
    held: list[ConsumerRecord] = []
    await feed.catch_up(held.append)
    models.begin(held)
    _follow(feed, models.take, stack)
    return models


async def _feed(settings: Settings, topic: str, stack: AsyncExitStack) -> Feed:
    await asyncio.to_thread(known_topics, settings.brokers, [topic])
    feed = Feed(settings.brokers, topic)
    await started(stack, feed)
    return feed


def _follow(feed: Feed, take: Take, stack: AsyncExitStack) -> None:
    following = asyncio.ensure_future(feed.follow(take))
    following.add_done_callback(heard_by(fail))
    stack.callback(following.cancel)


def concluder(
    settings: Settings,
    definitions: Definitions = DEFINITIONS,
    rules: Callable[[], Ruleset] | None = None,
    models: Callable[[], Rollout] | None = None,
) -> Conclude:
    """Scores by the current model where there is one; `rules` and `models` give those in force, by default the
    settings' own. They are asked once a chunk.
    """
    rules_now = rules or _always(base_rules(settings, definitions))
    models_now = models or _always(base_rollout(settings))

    def conclude(facts: Sequence[Decided], matrix: Floats, flags: tuple[str, ...]) -> list[Decision]:
        rollout = models_now()
        return screening.conclude(
            facts,
            matrix,
            rollout.scorer,
            rollout.policy,
            definitions,
            flags=flags,
            ruleset=rules_now(),
            challenger=rollout.challenger,
        )

    return conclude


def _always(value: T) -> Callable[[], T]:
    return lambda: value


def base_rollout(settings: Settings) -> Rollout:
    """The folder's current model, or none: the rules decide alone."""
    there = (settings.models / artifact.CURRENT).exists()
    scorer = artifact.load(settings.models, public=settings.models_key) if there else None
    return Rollout(scorer, policy_of(settings, scorer))


def opened(promotion: Promotion, settings: Settings, definitions: Definitions = DEFINITIONS) -> Rollout:
    """The promoted versions, of the settings' folder. Raises what is wrong: ModelsError, OSError, ValueError."""
    champion = loaded_scorer(promotion.champion, settings, definitions)
    challenger = None
    if promotion.challenger is not None:
        scorer = loaded_scorer(promotion.challenger, settings, definitions)
        challenger = Challenger(scorer, policy_of(settings, scorer), promotion.share)
    return Rollout(champion, policy_of(settings, champion), challenger)


def loaded_scorer(named: Named, settings: Settings, definitions: Definitions = DEFINITIONS) -> HistScorer:
    """Of that version with that content, and of these definitions. Raises ModelsError, OSError or ValueError."""
    scorer = artifact.load(settings.models, named.version, settings.models_key, named.content)
    if scorer.definitions != definitions.hash or scorer.names != tuple(definitions.names):
        raise ForeignVectors(
            f"model {scorer.version} was trained on definitions {scorer.definitions}, not on {definitions.hash}"
        )
    return scorer


def base_rules(settings: Settings, definitions: Definitions = DEFINITIONS) -> Ruleset:
    """The rules of the file that the settings name, or those that come with Amana."""
    return default(definitions.names) if settings.rules is None else loaded(settings.rules, definitions.names)


def policy_of(settings: Settings, scorer: HistScorer | None) -> Policy:
    """The policy that the model came with; thresholds that the configuration fixes take the place of its costs."""
    own = scorer.policy if scorer is not None else RULES_POLICY
    fixed = {"review_at": settings.review_at, "block_at": settings.block_at}
    return msgspec.structs.replace(own, **{name: at for name, at in fixed.items() if at is not None})
