"""`amana accounts`: make, list and change the accounts of analysts. No password is ever an argument."""

import os
import sys
import time
from getpass import getuser

import click
from rich.console import Console
from rich.table import Table

from review.access.accounts import Account, Language, hashed
from review.access.roles import ROLES, Role
from review.access.store import AccessStore
from review.cli import database_option, opened_database, stated

username_argument = click.argument("username")
role_option = click.option(
    "--role", "roles", multiple=True, type=click.Choice(ROLES), help="May be given several times."
)
stdin_option = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@click.group()
def accounts() -> None:
    """Make, list and change the accounts that the console lets in.

    \b
    Examples:
      amana accounts add noura --role analyst --database sqlite:///var/amana.db
      amana accounts list
      amana accounts disable noura
    """


@accounts.command()
@username_argument
@role_option
@click.option("--language", type=click.Choice(["en", "ar"]), default="en", show_default=True, help="Of the pages.")
@stdin_option
@database_option
@stated
def add(username: str, roles: tuple[Role, ...], language: Language, password_stdin: bool, database: str) -> None:
    """Make an account; asks for its password.

    \b
    Examples:
      amana accounts add noura --role analyst --language ar
      pass show amana/noura | amana accounts add noura --role lead --password-stdin
    """
    if not roles:
        raise click.UsageError(f"give at least one --role: {', '.join(ROLES)}")
    account = Account(username=username, roles=roles, language=language, password=hashed(_password(password_stdin)))
    _store(database).add(account, _operator(), _now_ms())
    click.echo(f"{username}: {', '.join(roles)}")


@accounts.command("list")
@database_option
@stated
def list_command(database: str) -> None:
    """List the accounts.

    \b
    Example:
      amana accounts list --database sqlite:///var/amana.db
    """
    table = Table("name", "roles", "language", "state")
    now_ms = _now_ms()
    for account in _store(database).list():
        state = "disabled" if account.disabled else "locked" if now_ms < account.locked_until_ms else "open"
        table.add_row(account.username, ", ".join(account.roles), account.language, state)
    Console().print(table)


@accounts.command()
@username_argument
@stdin_option
@database_option
@stated
def password(username: str, password_stdin: bool, database: str) -> None:
    """Set a new password, and sign the account out everywhere.

    \b
    Example:
      amana accounts password noura
    """
    fresh = hashed(_password(password_stdin))
    _store(database).change(username, _operator(), _now_ms(), password=fresh, failures=0, locked_until_ms=0)
    click.echo(f"{username}: a new password; signed out everywhere")


@accounts.command()
@username_argument
@database_option
@stated
def disable(username: str, database: str) -> None:
    """Let an account in no more, and sign it out everywhere.

    \b
    Example:
      amana accounts disable noura
    """
    _store(database).change(username, _operator(), _now_ms(), disabled=True)
    click.echo(f"{username}: disabled")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    word: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return word


def _store(database: str) -> AccessStore:
    return AccessStore(opened_database(database), os.urandom)


def _operator() -> str:
    """Who runs the command, as the audit trail names them."""
    return f"cli:{getuser()}"[:64]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
