"""Wires `amana partner-api`: polls, streams and tokens, for partners. It holds no key but the ledger's."""

import os
import ssl
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import structlog
import uvicorn

from sharing.delivery.counter import Counter
from sharing.delivery.http import Endpoints, HttpSettings
from sharing.delivery.sockets import GuardedConfig, Room
from sharing.delivery.streams import Terms
from sharing.errors import KeysError
from streams.agreements import Watched
from streams.bootstrap import now_ms
from streams.bootstrap.database import engine
from streams.bootstrap.deliverer import Going, desk, keys, keys_of, renewed
from streams.delivery_settings import DeliverySettings
from streams.errors import Unservable
from streams.settings import Settings

log = structlog.get_logger()

LOOPBACK = ("127.0.0.1", "::1", "localhost")
MAX_REQUESTS = 200  # at once: long polls of all partners among them
HEADER_BYTES = 16 * 1024
ROOM = Room()


def run_partner_api(settings: DeliverySettings) -> None:
    """Serve until a signal stops it."""
    config = server(settings)
    log.info("partner_api.serving", host=settings.host, port=settings.port, tls=settings.certificate is not None)
    uvicorn.Server(config).run()


def server(settings: DeliverySettings, room: Room = ROOM) -> uvicorn.Config:
    """Raises Unservable for plain HTTP that others could reach, or without our published keys."""
    tls = settings.certificate is not None and settings.private_key is not None
    if not tls and not (settings.loopback and settings.host in LOOPBACK):
        raise Unservable("the partners' endpoints need --certificate and --private-key; without TLS: --demo alone")
    config = GuardedConfig(
        application(settings).app(),
        room,
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
    published = Published(settings.jwks)
    sql = engine(Settings(database=settings.database))
    going = renewed(settings, now)
    watched = Watched(lambda: going.now.agreed, now)

    def silent(at_ms: int) -> Collection[bytes]:
        return going.look().agreed.silent(at_ms)

    def terms_of(partner: str) -> Terms | None:
        current = going.look()
        watched.look()
        found = terms(settings, current).get(partner)
        return found and msgspec.structs.replace(found, in_force=current.agreed.tells(partner, now()))

    made = desk(settings, sql, silent, now)
    counter = Counter(
        sql,
        made,
        settings.issuer,
        partial(keys_of, keys(settings, now)),
        terms_of,
        now,
        os.urandom,
        lambda partner, rows: log.error("outbox.unledgered", partner=partner, messages=rows),
    )
    checkpoint = made.checkpoint if settings.keyring is not None else None
    return Endpoints(counter, settings.issuer, published, checkpoint, HttpSettings())


def terms(settings: DeliverySettings, going: Going) -> dict[str, Terms]:
    """What each partner's contracts say of its stream."""
    events: dict[str, list[str]] = {}
    for contract in going.agreed.contracts:
        events.setdefault(contract.partner, []).append(contract.event_uri)
    poll_root = f"{settings.issuer}/ssf/poll"
    return {
        partner: Terms(settings.issuer, tuple(dict.fromkeys(found)), going.urls.get(partner), poll_root)
        for partner, found in events.items()
    }


class Published:
    """Our key set as `amana partner jwks` wrote it: read anew, for it changes while this runs.

    Raises KeysError where it cannot be read at the start; later the last good one is served, and a warning says so.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._good = b'{"keys":[]}' if path is None else _read(path)

    def __call__(self) -> bytes:
        if self._path is not None:
            try:
                self._good = _read(self._path)
            except KeysError as error:
                log.warning("jwks.unreadable", why=str(error))
        return self._good


class _Key(msgspec.Struct):
    """What is looked at of a key that is served; `d` would be its private half."""

    kty: str
    kid: str
    x: str
    d: msgspec.UnsetType = msgspec.UNSET


class _KeySet(msgspec.Struct):
    keys: Annotated[tuple[_Key, ...], msgspec.Meta(min_length=1)]


def _read(path: Path) -> bytes:
    """The file, if it is a set of public keys, one at least: nothing else is ever served. Raises KeysError."""
    expected = "expected our published key set, as `amana partner jwks` writes it"
    try:
        body = path.read_bytes()
        msgspec.json.decode(body, type=_KeySet)
    except OSError as error:
        raise KeysError(f"{path}: {error.strerror}; {expected}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise KeysError(f"{path}: not a set of public keys; {expected}") from None
    return body
