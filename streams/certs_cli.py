"""`amana certs`: certificates and passwords for a try."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from events.options import TEXT


@click.group()
def certs() -> None:
    """Make certificates and passwords for a try of secured servers.

    \b
    Example:
      amana certs dev var/secrets --partner acquirer
    """


@certs.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--partner", "partners", type=TEXT, multiple=True, help="Also a password for this partner; may be repeated."
)
def dev(folder: Path, partners: Sequence[str]) -> None:
    """Make FOLDER: an authority that vouches for 30 days, and a sub-folder for each server, process and partner.

    A sub-folder has all that its machine needs: ca.pem, own.pem (key and certificate) where it is a server or the
    administrator, and its passwords. Files are mode 600; nothing is overwritten; the authority's key is not kept. The
    certificates say that they are for development: make others for production (docs/security.md).

    \b
    Example:
      amana certs dev var/secrets --partner acquirer
    """
    from streams import secrets

    try:
        made = secrets.make(folder, partners, datetime.now(UTC))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--partner") from None
    click.echo(f"{folder}: for development, valid for {secrets.LASTING.days} days")
    for name in made:
        click.echo(f"  {name}")
