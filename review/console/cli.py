"""`amana console`: serves the analysts' console."""

import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import click
import sqlalchemy as sa
import uvicorn

from events.options import TEXT
from events.questions import InformationAsked
from events.types import LabelEvent
from models.decisions import Decision
from review.access.openid import load as load_openid
from review.access.provider import Provider, client, secret_of
from review.chores import Chores
from review.cli import (
    database_option,
    envelopes_of,
    keyring_option,
    labels_options,
    opened_database,
    publish_decisions,
    publish_labels,
    publish_questions,
    stated,
)
from review.console.app import warmed
from review.console.house import House, furnished
from sharing.contracts import FOLDER, load
from sharing.delivery.sockets import GuardedConfig, Room
from vault.blind_index import BlindIndex
from vault.keyring import Keyring

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
ROUND_S = 1.0
ROOM = Room(connections=500, per_address=200)  # analysts of one house may share an address, a proxy's or their NAT's
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("console")
@database_option
@keyring_option
@click.option("--host", type=TEXT, default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8600, show_default=True, help="The port.")
@click.option("--certificate", type=FILE, help="The server's certificate chain (PEM): serve https.")
@click.option("--certificate-key", type=FILE, help="Its private key (PEM).")
@click.option(
    "--oidc", type=FILE, help="How people sign in elsewhere (OpenID Connect): a YAML file, see docs/console.md."
)
@click.option(
    "--privacy-database",
    type=TEXT,
    envvar="AMANA_PRIVACY_DATABASE",
    help="The database under the role of privacy officers, to serve their pages too; SQLite's is the same.",
)
@labels_options
@stated
def console_command(
    *,
    database: str,
    keyring: Path,
    host: str,
    port: int,
    certificate: Path | None,
    certificate_key: Path | None,
    oidc: Path | None,
    privacy_database: str | None,
    brokers: str | None,
    labels_file: Path | None,
) -> None:
    """Serve the analysts' console. Without a certificate on this machine's own addresses alone.

    Labels leave a minute after the verdict, to the brokers or the file; with neither they wait in the database. The
    decisions that supersede the machine's for the order service, and questions to it, go to the brokers alone.

    \b
    Examples:
      amana console --database sqlite:///var/amana.db --keyring var/keyring.json
      amana console --host 0.0.0.0 --port 443 --certificate console.pem --certificate-key console.key
    """
    if (certificate is None) != (certificate_key is None):
        raise click.UsageError("give both of --certificate and --certificate-key, or neither")
    if certificate is None and host not in LOOPBACK:
        raise click.UsageError(f"{host} is not this machine alone: give --certificate and --certificate-key")
    engine = opened_database(database)
    envelopes, blind = envelopes_of(engine, keyring), BlindIndex(Keyring.load(keyring))
    house = furnished(
        engine,
        envelopes,
        blind,
        os.urandom,
        lambda: time.time_ns() // 1_000_000,
        https=certificate is not None,
        contracts=[load(path) for path in sorted(FOLDER.glob("*.yaml"))],
        provider=provider_of(oidc) if oidc else None,
        private=private_of(engine, privacy_database),
    )
    config = GuardedConfig(
        warmed(house),
        ROOM,
        ssl_certfile=certificate,
        ssl_keyfile=certificate_key,
        log_level="warning",
        access_log=False,  # an address names a case; who saw it is in the audit trail
        server_header=False,
    )
    with listening(host, port) as bound, chores(house, brokers, labels_file), suppress(KeyboardInterrupt):
        click.echo(f"{'https' if certificate else 'http'}://{f'[{host}]' if ':' in host else host}:{port}/")
        server = uvicorn.Server(config)
        server.run(sockets=[bound])
        if not server.started:
            raise click.ClickException("the console could not start")


def listening(host: str, port: int) -> socket.socket:
    """A socket that takes connections from here on. Raises click.ClickException where the address is not to be had."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        why = str(error.strerror).partition(" (while")[0]
        raise click.ClickException(f"cannot listen on {host}, port {port}: {why}") from None


def provider_of(path: Path) -> Provider:
    """Raises BadOpenID."""
    settings = load_openid(path)
    return Provider(settings, secret_of(settings, path), client(), time.monotonic)


def private_of(engine: sa.Engine, database: str | None) -> sa.Engine | None:
    """What privacy officers' work is done on: SQLite knows no roles, so there it is the same."""
    if database is not None:
        return opened_database(database)
    return engine if engine.dialect.name == "sqlite" else None


@contextmanager
def chores(house: House, brokers: str | None, labels_file: Path | None) -> Iterator[None]:
    """Done in a thread of their own while the block runs."""

    def publish(labels: Sequence[LabelEvent]) -> None:
        publish_labels(labels, brokers, labels_file)

    def supersede(decisions: Sequence[Decision]) -> None:
        assert brokers is not None
        publish_decisions(decisions, brokers)

    def ask(questions: Sequence[InformationAsked]) -> None:
        assert brokers is not None
        publish_questions(questions, brokers)

    stopped = threading.Event()
    doing = Chores(
        house.desk,
        house.cases,
        publish,
        house.clock,
        labels_go=bool(brokers or labels_file),
        supersede=supersede if brokers else None,
        ask=ask if brokers else None,
        sweep=house.access.sweep,
    )
    thread = threading.Thread(target=doing.run, args=(stopped, ROUND_S), name="chores", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(timeout=10)
