"""Wires `amana deliverer`: it sees sealed bytes and partners' answers, and no key but the ledger's."""

import asyncio
import logging
import random
import ssl
from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import date
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from events import topics
from sharing import reports
from sharing.delivery.answers import Answers
from sharing.delivery.deliverer import Deliverer, Way
from sharing.delivery.desk import Desk
from sharing.delivery.limits import Limits
from sharing.delivery.push import Push, PushSettings
from sharing.delivery.schedule import Schedule
from sharing.delivery.ways import Ways
from sharing.errors import ContractError
from sharing.in_force import begun, check_signed
from sharing.ledger.checkpoints import Signer
from sharing.ledger.store import Ledger
from sharing.signers import DEMO, Signers
from sharing.standing import Agreed
from sharing.tokens.keys import PartnerKeys, load_partners
from streams.agreements import Watched, agreement_names, check_none_gone, check_none_keyless, key_names
from streams.bootstrap import group, known_topics, now_ms, started
from streams.bootstrap.database import engine
from streams.bootstrap.running import first_to_end, until_stopped
from streams.deliveries import Acknowledgements, ByKafka
from streams.delivery_metrics import DeliveryMetrics
from streams.delivery_settings import DeliverySettings
from streams.kafka import Sender
from streams.metrics import Metrics, serve
from streams.renewed import Renewed, agreement_files, key_files
from streams.settings import Settings
from vault.keyring import Keyring


def run_deliverer(settings: DeliverySettings) -> None:
    """Until a signal stops it; ends the process, as a worker does, when something is wrong."""
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # it tells of every request, and where it went
    with suppress(asyncio.CancelledError):
        asyncio.run(until_stopped(_work(settings)))


async def _work(settings: DeliverySettings) -> None:
    metrics = Metrics()
    going = renewed(settings, now_ms, metrics, partial(check_topics, settings))
    held = keys(settings, now_ms, metrics)
    await asyncio.to_thread(check_topics, settings, going.now.agreed)

    def silent(at_ms: int) -> Collection[bytes]:
        return going.now.agreed.silent(at_ms)

    async with AsyncExitStack() as stack:
        sql = engine(Settings(database=settings.database))
        stack.callback(sql.dispose)
        made = desk(settings, sql, silent)
        sender = Sender(settings.brokers, f"amana-deliverer-{settings.instance}")
        await started(stack, sender)
        answers = Answers(made, settings.issuer, partial(keys_of, held), now_ms, report)
        watched = Watched(lambda: going.now.agreed, now_ms, metrics)

        def look() -> None:
            going.look()
            held.look()
            watched.look()

        counted = DeliveryMetrics(metrics, look)
        reader = Acknowledgements(
            settings.brokers, group("deliverer"), lambda: going.now.agreed.partners, answers, counted.answered
        )
        await started(stack, reader)
        checkpoint = made.checkpoint if settings.keyring else None
        by_kafka = Way(ByKafka(sender, made.roots, checkpoint).send)
        trusted = _trusting(settings.push_ca)

        def way(partner: str) -> Way | None:
            urls, pushing = going.now.urls, PushSettings(loopback=settings.loopback)
            by_push = Way(Push(urls, trusted, pushing, checkpoint).send, pushing.at_most(settings.lease_s))
            return Ways(sql, by_kafka, by_push, frozenset(urls)).of(partner)

        deliverer = Deliverer(made, way, counted)
        if settings.metrics_port is not None:
            site = await serve(metrics, lambda: deliverer.ready, settings.metrics_host, settings.metrics_port)
            stack.push_async_callback(site.cleanup)
        await first_to_end(deliverer.run(), reader.run())


class Going(NamedTuple):
    """What delivery goes by: the contracts, and by partner the URL that is signed for."""

    agreed: Agreed
    urls: dict[str, str]
    names: frozenset[str]


def renewed(
    settings: DeliverySettings,
    now: Callable[[], int],
    metrics: Metrics | None = None,
    check: Callable[[Agreed], None] = lambda _: None,
) -> Renewed[Going]:
    """Both, made anew when contracts or signers change; `check` raises AmanaError for what can't be taken up."""

    def files() -> list[Path]:
        return agreement_files(settings.contracts, settings.signers)

    def follows(before: Going, after: Going) -> None:
        check_none_gone(before.agreed, after.agreed)
        check(after.agreed)

    def make(today: date) -> Going:
        agreed = contracts(settings, today)
        people = _signers(settings) if _looks_at_signatures(settings) else None
        return Going(agreed, push_urls(settings, today), agreement_names(agreed, people))

    return Renewed(make, files, now, metrics, follows, names=lambda going: going.names)


def check_topics(settings: DeliverySettings, agreed: Agreed) -> None:
    """Raises Stopped where a partner's topic is missing."""
    shared = [make(name) for name in agreed.partners for make in (topics.share_topic, topics.share_ack_topic)]
    known_topics(settings.brokers, shared)


def push_urls(settings: DeliverySettings, today: date) -> dict[str, str]:
    """By partner the URL that its contract pins, of contracts that are signed as they must be.

    One that has ended still pins it: what was told under it may have to be taken back. Raises ContractError.
    """
    urls: dict[str, str] = {}
    for path in _paths(settings):
        chain = begun(path, today)
        contract = chain[-1][1]
        if contract.valid_from > today or (url := contract.push_url) is None:
            continue
        if contract.to_this_machine and not settings.loopback:
            raise ContractError(f"{path}: pushes to this machine; only a demonstration may (--demo)")
        check_signed(chain, _signers(settings))
        urls[contract.partner] = url
    return urls


def _looks_at_signatures(settings: DeliverySettings) -> bool:
    """Whether it is known who may sign; else signatures matter for a URL alone, and to the projector."""
    return settings.signers is not None or settings.loopback


def _signers(settings: DeliverySettings) -> Signers:
    if settings.signers is not None:
        return Signers.load(settings.signers, demo=settings.loopback)
    if settings.loopback:
        return Signers.load(DEMO, demo=True)
    raise ContractError("a contract that pins a push URL is believed by its signatures: expected --signers")


def _trusting(ca: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def contracts(settings: DeliverySettings, today: date) -> Agreed:
    """Whatever holds that day, ended or not. Raises ContractError."""
    chains = [begun(path, today) for path in _paths(settings)]
    if _looks_at_signatures(settings):
        people = _signers(settings)
        for chain in chains:
            check_signed(chain, people)
    return Agreed(chain[-1][1] for chain in chains)


def _paths(settings: DeliverySettings) -> list[Path]:
    return sorted(settings.contracts.glob("*.yaml"))


def desk(
    settings: DeliverySettings, sql: Engine, silent: Callable[[int], Collection[bytes]], now: Callable[[], int] = now_ms
) -> Desk:
    """`silent` gives the hashes of the contracts that are not in force at a time."""
    signer = Signer(Keyring.load(settings.keyring).keys("ledger")) if settings.keyring is not None else None
    limits, schedule = Limits(settings.per_minute, settings.per_day), Schedule(lease_ms=round(settings.lease_s * 1000))
    return Desk(sql, Ledger(signer), limits, schedule, now, random.random, silent)


def report(connection: Connection, partner: str, jti: str, verdict: str) -> None:
    """What a partner says came of a message, for the projector, which makes labels of it."""
    reports.put(connection, partner, jti, "confirmed" if verdict == "confirmed" else "false_alarm", now_ms())


Keys = Renewed[Mapping[str, PartnerKeys]]


def keys(settings: DeliverySettings, now: Callable[[], int], metrics: Metrics | None = None) -> Keys:
    """All partners' keys, checked against each other as the projector does; the last good ones hold. Raises KeysError.

    Apart from the contracts: one that waits for a signature must not keep a partner's new key waiting.
    """
    return Renewed(
        lambda _: load_partners(settings.partners), lambda: key_files(settings.partners), now, metrics,
        check_none_keyless, "keys", key_names,
    )  # fmt: skip


def keys_of(held: Keys, partner: str) -> PartnerKeys | None:
    """A partner's keys as they hold now; None where there are none.

    `partner` may be what an assertion claims, before anything is verified: it leads to no file.
    """
    return held.look().get(partner)
