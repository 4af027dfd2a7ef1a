"""Which partners there are, for a command that is about one of them: a name with a typing mistake stops nobody."""

from collections.abc import Collection, Iterator
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

import click
import sqlalchemy as sa

from sharing.contracts import FOLDER, load
from sharing.delivery.known import delivered_to, partners_of
from sharing.errors import ContractError


def check_known(connection: sa.Connection, contracts: Path | None, partner: str, also: Collection[str] = ()) -> None:
    """Raises click.BadParameter, with those there are, for a name in no contract of the folder and no delivery.

    A contract that cannot be read is passed over: a stop must not wait until it is mended.
    """
    agreed = set(_agreed(contracts or FOLDER))
    if partner in agreed or partner in also or delivered_to(connection, partner):
        return
    known = sorted(agreed | partners_of(connection))
    near = get_close_matches(partner, known, 1)
    hint = f"; did you mean {near[0]}?" if near else "."
    raise click.BadParameter(
        f"{partner} is in no contract, and nothing was ever told to it{hint} Expected one of: {', '.join(known)}",
        param_hint="partner",
    )


def _agreed(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("*.yaml")):
        with suppress(ContractError):
            yield load(path).partner
