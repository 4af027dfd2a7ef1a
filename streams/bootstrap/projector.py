"""Wires `amana projector`: it opens cases and seals for partners; it can send to nobody."""

import asyncio
import os
import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress

from sqlalchemy import Engine

from review.disclosing import SealedCases
from review.feedback import take_reports
from review.store import CaseStore, SubjectKeyTable
from review.triggers import TriggerTable
from sharing import in_force
from sharing.contracts import FOLDER, Contract, load
from sharing.delivery import notices
from sharing.delivery.schedule import Schedule
from sharing.grouping import Grouping
from sharing.ledger.store import Ledger
from sharing.projecting import Projecting, begun
from sharing.projection import Projection, compile_contract
from sharing.projector import Projector
from sharing.signers import DEMO, Signers
from sharing.standing import Agreed, day_of
from sharing.tokens import Sealer
from sharing.tokens.keys import load_partners
from sharing.tokens.keyset import Following, signing_keys
from streams.agreements import Watched
from streams.bootstrap import now_ms
from streams.bootstrap.database import engine
from streams.bootstrap.running import first_to_end, until_stopped
from streams.labels import publish_pending
from streams.metrics import Metrics, serve
from streams.projecting import Loop, ProjectorMetrics
from streams.projector_settings import ProjectorSettings
from streams.settings import Settings
from vault.envelopes import Envelopes
from vault.keyring import Keyring


def run_projector(settings: ProjectorSettings) -> None:
    """Until a signal stops it; ends the process, as a worker does, when something is wrong."""
    with suppress(asyncio.CancelledError):
        asyncio.run(until_stopped(_work(settings)))


async def _work(settings: ProjectorSettings) -> None:
    async with AsyncExitStack() as stack:
        metrics = Metrics()
        keyring = Keyring.load(settings.keyring)  # before a database is made: without keys none is of use
        agreed = Agreed(contracts(settings, now_ms()))
        sql = engine(Settings(database=settings.database))
        stack.callback(sql.dispose)
        watched = Watched(agreed, now_ms, metrics)
        projector = projecting(settings, sql, agreed=agreed.contracts)
        if settings.retry:
            with sql.begin() as connection:
                projector.triggers.retry(connection)
        seal = sealer(settings, keyring, now_ms())
        loop = Loop(projector, ProjectorMetrics(metrics), housekeeping(settings, sql, seal, watched.look))
        if settings.metrics_port is not None:
            site = await serve(metrics, lambda: loop.ready, settings.metrics_host, settings.metrics_port)
            stack.push_async_callback(site.cleanup)
        await first_to_end(loop.run())


def projecting(
    settings: ProjectorSettings, sql: Engine, now: Callable[[], int] = now_ms, agreed: Sequence[Contract] | None = None
) -> Projecting:
    """The projector's parts from settings; `agreed` are the contracts, by default those of the settings' folder."""
    keyring = Keyring.load(settings.keyring)
    key = keyring.key("disclosure", len(keyring.keys("disclosure")))
    projections = [
        compile_contract(each, key, keyring.keys("partner")) for each in agreed or contracts(settings, now())
    ]
    projector = Projector(projections, sealer(settings, keyring, now()), key, os.urandom)
    return Projecting(
        engine=sql,
        triggers=TriggerTable(),
        cases=SealedCases(CaseStore(sql), Envelopes(keyring, SubjectKeyTable(sql), os.urandom)),
        projector=projector,
        grouping=Grouping(batch_projections(projections), projector, key, random.SystemRandom().shuffle),
        ledger=Ledger(),
        schedule=Schedule(),
        clock=now,
    )


def batch_projections(projections: Sequence[Projection]) -> list[Projection]:
    return [each for each in projections if each.contract.delivery == "batch"]


def sealer(settings: ProjectorSettings, keyring: Keyring, at_ms: int) -> Sealer:
    """Signs with the key that the published set says at the time, to the partners whose keys are there."""
    following = Following(settings.jwks, signing_keys(keyring), at_ms // 1000)
    return Sealer(settings.issuer, following, load_partners(settings.partners))


def contracts(settings: ProjectorSettings, at_ms: int) -> list[Contract]:
    """Those that hold, ended or not, signed by people of the settings' file. Raises ContractError for others."""
    signers = Signers.load(settings.signers) if settings.signers else Signers.load(DEMO, settings.demo)
    return in_force.load_all(settings.contracts, signers, day_of(at_ms), settings.demo)


def told_on_blocks() -> list[Contract]:
    """Of the contracts that come with Amana, those whose messages an outcome alone decides on: for `amana whatif`."""
    return [each for path in sorted(FOLDER.glob("*.yaml")) if (each := load(path)).trigger == "blocked"]


def housekeeping(
    settings: ProjectorSettings, sql: Engine, seal: Sealer, look: Callable[[], None]
) -> Callable[[], None]:
    """Between steps: notices about streams are sealed, partners' reports become labels, and labels are published.

    `look` looks whether contracts have ended meanwhile.
    """
    store = CaseStore(sql)

    def work() -> None:
        look()
        with begun(sql) as connection:
            notices.release(connection, seal, Ledger(), Schedule(), os.urandom, now_ms())
        take_reports(sql)
        if settings.brokers is not None:
            publish_pending(store, settings.brokers, now_ms())

    return work
