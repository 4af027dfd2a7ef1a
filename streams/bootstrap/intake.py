"""Wires `amana intake`."""

from collections.abc import Mapping
from contextlib import AsyncExitStack

from events import topics
from streams.bootstrap import sender, worker
from streams.intake import Intake
from streams.lanes import Stage
from streams.metrics import Metrics
from streams.settings import Settings
from streams.stages.intake import IntakeStage
from streams.worker import Worker
from vault.keyring import Keyring
from vault.pseudonyms import Pseudonymiser

RAW = (topics.ORDERS, topics.VISITS, topics.ACTIVITY)


def intake_worker(settings: Settings) -> Worker:
    async def parts(stack: AsyncExitStack, topic_ids: Mapping[str, str], metrics: Metrics) -> Stage:
        intake = Intake(Pseudonymiser(Keyring.load(settings.keyring)))
        return IntakeStage(intake, await sender(settings, stack, "intake"), topic_ids, metrics)

    return worker(settings, "intake", RAW, RAW, parts)
