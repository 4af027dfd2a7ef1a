"""Wires `amana projector`: it opens cases and seals for partners; it can send to nobody."""

import asyncio
import os
import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import date
from pathlib import Path
from typing import NamedTuple

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
from sharing.projector import Draw, Projector
from sharing.signers import DEMO, Signers
from sharing.standing import Agreed, day_of
from sharing.tokens import PartnerKeys, Sealer
from sharing.tokens.keys import load_partners
from sharing.tokens.keyset import Following, signing_keys
from streams.agreements import Watched, agreement_names, check_none_gone, check_none_keyless, key_names
from streams.bootstrap import now_ms
from streams.bootstrap.database import engine
from streams.bootstrap.running import first_to_end, until_stopped
from streams.labels import publish_pending
from streams.metrics import Metrics, serve
from streams.projecting import Loop, ProjectorMetrics
from streams.projector_settings import ProjectorSettings
from streams.renewed import Renewed, agreement_files, key_files
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
        keyring = Keyring.load(settings.keyring)
        contracts(settings, now_ms())
        sealer(settings, keyring, now_ms())  # all three before a database is made: without them it is of no use
        sql = engine(Settings(database=settings.database))
        stack.callback(sql.dispose)
        going = renewed(settings, sql, now_ms, metrics)
        watched = Watched(lambda: going.now.agreed, now_ms, metrics)
        if settings.retry:
            with sql.begin() as connection:
                going.now.projecting.triggers.retry(connection)

        def look() -> None:
            going.look()
            watched.look()

        between = housekeeping(settings, sql, lambda: going.now.sealer, look)
        loop = Loop(lambda: going.now.projecting, ProjectorMetrics(metrics), between)
        if settings.metrics_port is not None:
            site = await serve(metrics, lambda: loop.ready, settings.metrics_host, settings.metrics_port)
            stack.push_async_callback(site.cleanup)
        await first_to_end(loop.run())


class Going(NamedTuple):
    """What a projector goes by, all of the same contracts and keys."""

    agreed: Agreed
    projecting: Projecting
    sealer: Sealer
    keys: Mapping[str, PartnerKeys]
    names: frozenset[str]


def renewed(
    settings: ProjectorSettings, sql: Engine, now: Callable[[], int], metrics: Metrics | None = None
) -> Renewed[Going]:
    """The projector's parts, made anew when contracts, signers, partners' keys or our own change."""

    def make(_: date) -> Going:
        people, keyring = signers(settings), Keyring.load(settings.keyring)
        agreed = Agreed(contracts(settings, now(), people))
        seal = sealer(settings, keyring, now())
        ours = {f"ours: key {key.kid}" for key in signing_keys(keyring)}
        names = agreement_names(agreed, people) | key_names(seal.partners) | ours
        return Going(agreed, projecting(settings, sql, now, agreed.contracts), seal, seal.partners, names)

    def files() -> list[Path]:
        agreements = agreement_files(settings.contracts, settings.signers)
        return [*agreements, *key_files(settings.partners), settings.keyring]

    def check(before: Going, after: Going) -> None:
        check_none_gone(before.agreed, after.agreed)
        check_none_keyless(before.keys, after.keys)

    return Renewed(make, files, now, metrics, check, names=lambda going: going.names)


def up_to(most_ms: int) -> int:
    """Each as likely as any other, and not to be foreseen by who knows those before."""
    return secrets.randbelow(most_ms + 1)


def projecting(
    settings: ProjectorSettings,
    sql: Engine,
    now: Callable[[], int] = now_ms,
    agreed: Sequence[Contract] | None = None,
    draw: Draw = up_to,
) -> Projecting:
    """The projector's parts from settings; `agreed` are the contracts, by default those of the settings' folder."""
    keyring = Keyring.load(settings.keyring)
    key = keyring.key("disclosure", len(keyring.keys("disclosure")))
    projections = [
        compile_contract(each, key, keyring.keys("partner")) for each in agreed or contracts(settings, now())
    ]
    replaced = in_force.replaced(settings.contracts, day_of(now()))
    projector = Projector(projections, sealer(settings, keyring, now()), key, os.urandom, draw, replaced)
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


def signers(settings: ProjectorSettings) -> Signers:
    return Signers.load(settings.signers) if settings.signers else Signers.load(DEMO, settings.demo)


def contracts(settings: ProjectorSettings, at_ms: int, people: Signers | None = None) -> list[Contract]:
    """Those that hold, ended or not, signed by people, by default of the settings' file. Raises ContractError."""
    return in_force.load_all(settings.contracts, people or signers(settings), day_of(at_ms), settings.demo)


def told_on_blocks() -> list[Contract]:
    """Of the contracts that come with Amana, those whose messages an outcome alone decides on: for `amana whatif`."""
    return [each for path in sorted(FOLDER.glob("*.yaml")) if (each := load(path)).trigger == "blocked"]


def housekeeping(
    settings: ProjectorSettings, sql: Engine, seal: Callable[[], Sealer], look: Callable[[], None]
) -> Callable[[], None]:
    """Between steps: notices about streams are sealed, partners' reports become labels, and labels are published.

    `look` looks whether contracts have changed or ended meanwhile.
    """
    store = CaseStore(sql)

    def work() -> None:
        look()
        with begun(sql) as connection:
            notices.release(connection, seal(), Ledger(), Schedule(), os.urandom, now_ms())
        take_reports(sql)
        if settings.brokers is not None:
            publish_pending(store, settings.brokers, now_ms())

    return work
