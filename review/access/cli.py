"""`amana accounts`: make, list and change the accounts of analysts. No password is ever an argument."""

import os
import sys
import time
from getpass import getuser

import click
from rich.console import Console
from rich.table import Table

from events.options import TEXT
from review.access.accounts import Account, Language, hashed
from review.access.roles import PERMISSIONS, ROLES, Permission, Role
from review.access.store import AccessStore
from review.access.tokens import Tokens
from review.cli import database_option, opened_database, stated

username_argument = click.argument("username", type=TEXT)
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


@accounts.command()
@username_argument
@click.option("--name", type=TEXT, required=True, help="What the token is for, to end it by later.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(PERMISSIONS), required=True, help="What it may.")
@click.option("--days", type=click.IntRange(1, 366), default=90, show_default=True, help="How long it counts.")
@click.option("--revoke", is_flag=True, help="End the tokens of that name instead.")
@database_option
@stated
def token(username: str, name: str, scopes: tuple[Permission, ...], days: int, revoke: bool, database: str) -> None:
    """Make a token for a program that uses the API; it is shown once, and may no more than its account.

    \b
    Examples:
      amana accounts token noura --name nightly --scope queue.read --scope case.read
      amana accounts token noura --name nightly --scope queue.read --revoke
    """
    tokens = Tokens(opened_database(database), os.urandom)
    if revoke:
        click.echo(f"{username}: {tokens.revoke(username, name, _operator(), _now_ms())} ended")
    else:
        click.echo(tokens.issue(username, name, scopes, days, _operator(), _now_ms()))


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
