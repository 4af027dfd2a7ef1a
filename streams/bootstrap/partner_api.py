"""Wires `amana partner-api`: polls, streams and tokens, for partners. It holds no key but the ledger's."""

import os
import ssl
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import structlog
import uvicorn

from events.errors import AmanaError
from sharing.contracts import Contract
from sharing.delivery.counter import Counter
from sharing.delivery.http import Endpoints, HttpSettings
from sharing.delivery.streams import Terms
from streams.bootstrap import now_ms
from streams.bootstrap.database import engine
from streams.bootstrap.deliverer import contracts, desk, keys_of, push_urls
from streams.delivery_settings import DeliverySettings
from streams.errors import Unservable
from streams.settings import Settings

log = structlog.get_logger()

LOOPBACK = ("127.0.0.1", "::1", "localhost")
MAX_REQUESTS = 200  # at once: long polls of all partners among them
HEADER_BYTES = 16 * 1024


def run_partner_api(settings: DeliverySettings) -> None:
    """Serve until a signal stops it."""
    config = server(settings)
    log.info("partner_api.serving", host=settings.host, port=settings.port, tls=settings.certificate is not None)
    uvicorn.Server(config).run()


def server(settings: DeliverySettings) -> uvicorn.Config:
    """Raises Unservable for plain HTTP that others could reach, or without our published keys."""
    tls = settings.certificate is not None and settings.private_key is not None
    if not tls and not (settings.loopback and settings.host in LOOPBACK):
        raise Unservable("the partners' endpoints need --certificate and --private-key; without TLS: --demo alone")
    config = uvicorn.Config(
        application(settings).app(),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,  # it would hold streams' ids
        server_header=False,
        lifespan="off",
        limit_concurrency=MAX_REQUESTS,
        h11_max_incomplete_event_size=HEADER_BYTES,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=5,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.private_key,
        ssl_version=ssl.PROTOCOL_TLS_SERVER,
    )
    config.load()
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return config


def application(settings: DeliverySettings, now: Callable[[], int] = now_ms) -> Endpoints:
    sql = engine(Settings(database=settings.database))
    made = desk(settings, sql, now)
    counter = Counter(
        sql,
        made,
        settings.issuer,
        partial(keys_of, settings),
        terms(settings, contracts(settings), datetime.fromtimestamp(now() / 1000, UTC).date()).get,
        now,
        os.urandom,
        lambda partner, rows: log.error("outbox.unledgered", partner=partner, messages=rows),
    )
    checkpoint = made.checkpoint if settings.keyring is not None else None
    return Endpoints(counter, settings.issuer, partial(_published, settings.jwks), checkpoint, HttpSettings())


def terms(settings: DeliverySettings, agreed: list[Contract], today: date) -> dict[str, Terms]:
    """What each partner's contracts say of its stream."""
    events: dict[str, list[str]] = {}
    for contract in agreed:
        events.setdefault(contract.partner, []).append(contract.event_uri)
    urls, poll_root = push_urls(settings, today), f"{settings.issuer}/ssf/poll"
    return {
        partner: Terms(settings.issuer, tuple(dict.fromkeys(found)), urls.get(partner), poll_root)
        for partner, found in events.items()
    }


def _published(path: Path | None) -> bytes:
    """Our key set as `amana partner jwks` wrote it: read anew, for it changes while this runs."""
    if path is None:
        return b'{"keys":[]}'
    try:
        return path.read_bytes()
    except OSError as error:
        raise AmanaError(f"{path}: {error.strerror}; expected our published keys") from None
