"""Commands of delivery: the deliverer, and what a person does about deliveries."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from events.options import TEXT
from streams.cli import PATH, options
from streams.options import PARTNER_NAME

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

Command = Callable[..., Any]

PER_DAY = click.IntRange(1, 1_000_000_000)  # a column of 32 bits holds it

CONTRACTS = click.option(
    "--contracts",
    envvar="AMANA_CONTRACTS",
    type=PATH,
    help="The folder of contracts; by default those that come with Amana.",
)
_OPTIONS = (
    click.option(
        "--issuer",
        type=TEXT,
        envvar="AMANA_ISSUER",
        default="https://amana.example",
        show_default=True,
        help="Our name in tokens, and the root of the partners' endpoints.",
    ),
    click.option(
        "--partners",
        envvar="AMANA_PARTNERS",
        type=PATH,
        default="var/partners",
        show_default=True,
        help="The folder of partners' public keys, NAME.json each.",
    ),
    CONTRACTS,
    click.option(
        "--signers",
        envvar="AMANA_SIGNERS",
        type=PATH,
        help="Who may sign contracts: a push goes to a URL that is signed for.",
    ),
    click.option(
        "--keyring",
        envvar="AMANA_KEYRING",
        type=PATH,
        help="A key file with the purpose ledger alone, to sign checkpoints; without it none go out.",
    ),
    click.option(
        "--per-minute",
        envvar="AMANA_PER_MINUTE",
        type=click.IntRange(1, 60_000),
        default=600,
        show_default=True,
        help="Messages to a partner a minute; urgent ones go ahead of it.",
    ),
    click.option(
        "--per-day",
        envvar="AMANA_PER_DAY",
        type=PER_DAY,
        default=100_000,
        show_default=True,
        help="New messages to a partner a day (UTC); urgent ones go ahead of it.",
    ),
    click.option(
        "--demo",  # not --loopback: Faust reads the command line too, and takes that for its own --loop
        "loopback",
        is_flag=True,
        help="For demonstrations alone: push to this machine, and serve on it without TLS.",
    ),
)


def delivering(command: Command) -> Command:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@options("brokers", "instance", "metrics_host", "metrics_port", "database")
@delivering
@click.option(
    "--lease",
    "lease_s",
    envvar="AMANA_LEASE",
    type=click.FloatRange(12),
    default=60.0,
    show_default=True,
    help="Seconds after which what a dead deliverer had claimed is sent again.",
)
@click.option("--push-ca", envvar="AMANA_PUSH_CA", type=PATH, help="Certificates that pushes trust, not the system's.")
def deliverer(contracts: Path | None, **settings: Any) -> None:
    """Send sealed messages to partners, and take in what they acknowledge.

    It sees sealed bytes alone, and sends none that the ledger does not hold. A second process may run beside it, under
    another --instance.

    \b
    Examples:
      amana deliverer --database postgresql+psycopg://deliverer@127.0.0.1/amana --keyring var/ledger.json
      amana deliverer --instance 1 --metrics-port 9107 --per-minute 60
    """
    from streams import logs
    from streams.bootstrap.deliverer import run_deliverer
    from streams.cli import log_level

    logs.configure(log_level(os.environ))
    run_deliverer(_settings(contracts, settings))


@click.command("partner-api")
@options("database")
@delivering
@click.option(
    "--host", type=TEXT, envvar="AMANA_API_HOST", default="127.0.0.1", show_default=True, help="Where to listen."
)
@click.option("--port", envvar="AMANA_API_PORT", type=click.IntRange(1, 65535), default=8443, show_default=True)
@click.option("--certificate", envvar="AMANA_API_CERTIFICATE", type=PATH, help="The certificate chain, PEM.")
@click.option("--private-key", envvar="AMANA_API_PRIVATE_KEY", type=PATH, help="The certificate's key, PEM.")
@click.option("--jwks", envvar="AMANA_JWKS", type=PATH, help="Our published keys, as `amana partner jwks` writes them.")
def partner_api(contracts: Path | None, **settings: Any) -> None:
    """Serve partners that poll, and those that set up a stream: RFC 8936, OpenID Shared Signals Framework 1.0.

    https alone: without TLS it serves this machine, and with --demo only. --issuer is the address at which partners
    reach it.

    \b
    Examples:
      amana partner-api --issuer https://signals.store.example --host 0.0.0.0 --port 443 --jwks var/jwks.json \
        --certificate cert.pem --private-key key.pem
      amana partner-api --issuer http://127.0.0.1:8443 --demo
    """
    from streams import logs
    from streams.bootstrap.partner_api import run_partner_api
    from streams.cli import log_level

    logs.configure(log_level(os.environ))
    run_partner_api(_settings(contracts, settings))


def _settings(contracts: Path | None, settings: dict[str, Any]) -> Any:
    from streams.delivery_settings import DeliverySettings

    given = settings if contracts is None else {**settings, "contracts": contracts}
    return DeliverySettings(**given)


@click.group()
def delivery() -> None:
    """Look at deliveries to partners, hold them, and send dead letters again.

    \b
    Examples:
      amana delivery status
      amana delivery pause acquirer --actor sara
    """


ACTOR = click.option("--actor", type=TEXT, envvar="AMANA_ACTOR", required=True, help="Who does it.")
PARTNER = click.argument("partner", type=PARTNER_NAME)


@delivery.command()
@options("database")
def status(database: str) -> None:
    """Say how much waits for each partner, and how far disclosures have come.

    \b
    Example:
      amana delivery status
    """
    from rich.console import Console

    from sharing.delivery import allowances, disclosures, outbox
    from streams.shown_deliveries import status_tables

    with _open(database).connect() as connection:
        tables = status_tables(
            outbox.waiting(connection), disclosures.states(connection), allowances.paused(connection)
        )
    for table in tables:
        Console().print(table)


@delivery.command()
@PARTNER
@ACTOR
@CONTRACTS
@options("database")
def pause(partner: str, actor: str, contracts: Path | None, database: str) -> None:
    """Hold all messages to a partner but urgent ones: withdrawals, corrections and deletions go on.

    A partner is who a contract names, or who was told something before.

    \b
    Example:
      amana delivery pause acquirer --actor sara
    """
    from sharing.delivery import allowances
    from streams.bootstrap import now_ms
    from streams.known_partners import check_known

    with _open(database).begin() as connection:
        check_known(connection, contracts, partner)
        new = allowances.pause(connection, partner, actor, now_ms())
        _tell(connection, partner, "paused" if new else None)
    click.echo(f"{partner}: {'paused' if new else 'was paused already'}; urgent messages go on")


@delivery.command()
@PARTNER
@CONTRACTS
@options("database")
def resume(partner: str, contracts: Path | None, database: str) -> None:
    """Send a paused partner its messages again.

    \b
    Example:
      amana delivery resume acquirer
    """
    from sharing.delivery import allowances
    from streams.known_partners import check_known

    with _open(database).begin() as connection:
        check_known(connection, contracts, partner, also=allowances.paused(connection))
        was = allowances.resume(connection, partner)
        _tell(connection, partner, "enabled" if was else None)
    click.echo(f"{partner}: {'resumed' if was else 'was not paused'}")


@delivery.command()
@PARTNER
@click.option("--per-minute", type=click.IntRange(1, 60_000), help="Without it the deliverer's.")
@click.option("--per-day", type=PER_DAY, help="Without it the deliverer's.")
@CONTRACTS
@options("database")
def limit(partner: str, per_minute: int | None, per_day: int | None, contracts: Path | None, database: str) -> None:
    """Set a partner's own limits.

    \b
    Examples:
      amana delivery limit acquirer --per-minute 60 --per-day 5000
      amana delivery limit acquirer
    """
    from sharing.delivery import allowances
    from streams.known_partners import check_known

    with _open(database).begin() as connection:
        check_known(connection, contracts, partner)
        allowances.limit(connection, partner, per_minute, per_day)
    said = [f"{count} a {unit}" for count, unit in ((per_minute, "minute"), (per_day, "day")) if count is not None]
    click.echo(f"{partner}: {', '.join(said) or 'the limits of the deliverer'}")


@delivery.command()
@click.option("--partner", type=PARTNER_NAME, help="Only this partner's.")
@CONTRACTS
@options("database")
def dead(partner: str | None, contracts: Path | None, database: str) -> None:
    """List dead letters: ids and why, oldest first; what they say is sealed.

    \b
    Example:
      amana delivery dead --partner acquirer
    """
    from sharing.delivery import outbox
    from streams.known_partners import check_known

    with _open(database).connect() as connection:
        if partner is not None:
            check_known(connection, contracts, partner)
        for each in outbox.dead_letters(connection, partner):
            made = datetime.fromtimestamp(each.made_at_ms / 1000, UTC).isoformat(timespec="seconds")
            click.echo(f"{each.jti}  {each.partner}  {each.reason}  {each.attempts} attempts  made {made}")


@delivery.command()
@click.argument("jti", type=TEXT)
@options("database")
def retry(jti: str, database: str) -> None:
    """Send a dead letter again, with the same id.

    \b
    Example:
      amana delivery retry KxW0bq1rYIQ2v6nT9mZ4aA
    """
    from sharing.delivery import outbox
    from streams.bootstrap import now_ms

    with _open(database).begin() as connection:
        outbox.retry(connection, jti, now_ms())
    click.echo(f"{jti}: is sent again")


def _tell(connection: "Connection", partner: str, status: str | None) -> None:
    """A stream's receiver is told when we pause or resume it (SSF 1.0, 8.1.5)."""
    from sharing.delivery import registrations, streams
    from streams.bootstrap import now_ms

    stream = registrations.stream_of(connection, partner)
    if stream is not None and status is not None:
        registrations.notify(connection, stream, streams.UPDATED, {"status": status}, now_ms())


def _open(database: str) -> "Engine":
    from history.database import existing

    return existing(database)
