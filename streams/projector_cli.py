"""`amana projector`."""

import os
from pathlib import Path
from typing import Any

import click

from events.options import BROKERS, TEXT
from streams.cli import FOLDER, PATH, log_level, options


@click.command()
@options("database", "keyring", "metrics_host", "metrics_port")
@click.option("--issuer", type=TEXT, envvar="AMANA_ISSUER", default="https://amana.example", show_default=True,
              help="Our name in tokens.")  # fmt: skip
@click.option("--partners", envvar="AMANA_PARTNERS", type=FOLDER, default="var/partners", show_default=True,
              help="The folder of partners' public keys, NAME.json each.")  # fmt: skip
@click.option("--contracts", envvar="AMANA_CONTRACTS", type=FOLDER,
              help="The folder of contracts; by default those that come with Amana.")  # fmt: skip
@click.option("--signers", envvar="AMANA_SIGNERS", type=PATH,
              help="The file of those who may sign contracts.")  # fmt: skip
@click.option("--demo", envvar="AMANA_DEMO", is_flag=True,
              help="For demonstrations alone: contracts signed by made-up people count.")  # fmt: skip
@click.option("--jwks", envvar="AMANA_JWKS", type=PATH, default="var/jwks.json", show_default=True,
              help="Our published key set: it says which key signs.")  # fmt: skip
@click.option("--brokers", envvar="AMANA_BROKERS", type=BROKERS,
              help="Publish there the labels that partners' reports become.")  # fmt: skip
@click.option("--retry", is_flag=True, help="Try again first what could not be told before.")
def projector(contracts: Path | None, **settings: Any) -> None:
    """Make partners' messages of what becomes of cases: projected, sealed, on the ledger, in the outbox.

    It can send to nobody: `amana deliverer` does, and sees sealed bytes alone. A second projector may run beside it,
    and takes over when one ends.

    \b
    Examples:
      amana partner jwks && amana projector --signers var/signers.yaml
      amana projector --demo --database sqlite:///var/amana.db --metrics-port 9106
      amana projector --retry --signers var/signers.yaml        after what had failed was mended
    """
    from streams import logs
    from streams.bootstrap.projector import run_projector
    from streams.projector_settings import ProjectorSettings

    logs.configure(log_level(os.environ))
    given = settings if contracts is None else {**settings, "contracts": contracts}
    run_projector(ProjectorSettings(**given))
