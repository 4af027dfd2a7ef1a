"""`amana keys`: create, rotate and list keyrings. No command prints a key."""

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

from vault.errors import KeyringError
from vault.keyring import PURPOSES, Keyring, Purpose

P = ParamSpec("P")
T = TypeVar("T")


def _stated(command: Callable[P, T]) -> Callable[P, T]:
    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except KeyringError as error:
            raise click.ClickException(str(error)) from None

    return run


keyring_option = click.option(
    "--keyring",
    envvar="AMANA_KEYRING",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The key file (mode 600).",
)


@click.group()
def keys() -> None:
    """Create, rotate and list the keys of a keyring file.

    \b
    Examples:
      amana keys init var/keyring.json
      amana keys show --keyring var/keyring.json
      amana keys rotate envelope --keyring var/keyring.json
      amana keys part var/ledger.json --purpose ledger --keyring var/keyring.json
    """


@keys.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@_stated
def init(path: Path) -> None:
    """Create a keyring at PATH, mode 600, with a first key for every purpose. An existing file is never overwritten.

    \b
    Example:
      amana keys init var/keyring.json
    """
    _show(Keyring.create(path, os.urandom))


@keys.command()
@click.argument("purpose", type=click.Choice(PURPOSES))
@keyring_option
@_stated
def rotate(purpose: Purpose, keyring: Path) -> None:
    """Add a new version of one PURPOSE's key. Earlier versions stay: what they sealed and named is still kept.

    Restart the stages that use the file. Rotating `pseudonym` or `blind_index` changes every name from then on; stored
    names are brought up to date from themselves.

    \b
    Example:
      amana keys rotate envelope --keyring var/keyring.json
    """
    _show(Keyring.rotate(keyring, purpose, os.urandom))


@keys.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--purpose", "purposes", type=click.Choice(PURPOSES), multiple=True, required=True, help="Of which keys.")
@keyring_option
@_stated
def part(path: Path, purposes: tuple[Purpose, ...], keyring: Path) -> None:
    """Write a file for one stage at PATH, mode 600, with the keys of some purposes alone.

    Run it again after a rotation: the stage's file is replaced by one with the new version.

    \b
    Examples:
      amana keys part var/ledger.json --purpose ledger --keyring var/keyring.json
      amana keys part var/console.json --purpose envelope --purpose blind_index --keyring var/keyring.json
    """
    _show(Keyring.load(keyring).part(path, purposes))


@keys.command()
@keyring_option
@_stated
def show(keyring: Path) -> None:
    """List purposes and versions; never a key.

    \b
    Example:
      amana keys show --keyring var/keyring.json
    """
    _show(Keyring.load(keyring))


def _show(keyring: Keyring) -> None:
    click.echo(keyring.path)
    for purpose, newest in keyring.versions().items():
        click.echo(f"  {purpose:12} versions 1 to {newest}" if newest > 1 else f"  {purpose:12} version 1")
