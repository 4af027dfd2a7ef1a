"""`amana contracts`: check, compare, sign and explain contracts."""

import base64
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from events.errors import AmanaError
from events.options import TEXT
from sharing import approval, contracts, explain, in_force, signers
from sharing.errors import ContractError
from sharing.example import example_body
from sharing.signers import DEMO, Signers
from sharing.widening import Change, compare, signatures_needed

P = ParamSpec("P")
T = TypeVar("T")

_FILE = click.Path(dir_okay=False, path_type=Path)
_NO_TEXT = {"yes", "true", "false", "off", "null"}  # what YAML takes for something else
_MARKS = {"more": ("+", "red"), "less": ("-", "green"), "same": ("=", "dim")}
signers_option = click.option(
    "--signers",
    "people",
    envvar="AMANA_SIGNERS",
    type=_FILE,
    help="The file of those who may sign; by default made-up people, for demonstrations.",
)


def _stated(command: Callable[P, T]) -> Callable[P, T]:
    """A stated failure is one line on stderr and exit code 1."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except AmanaError as error:
            raise click.ClickException(str(error)) from None

    return run


@click.group("contracts")
def contracts_command() -> None:
    """Check, compare, sign and explain contracts: which partner gets what of an order.

    \b
    Examples:
      amana contracts check
      amana contracts diff carrier.yaml
      amana contracts approve carrier.yaml --signer noura --key noura.pem
      amana contracts explain carrier.yaml
    """


@contracts_command.command()
@click.argument("files", nargs=-1, type=_FILE)
@signers_option
@_stated
def check(files: tuple[Path, ...], people: Path | None) -> None:
    """Read contract FILES, or those that come with Amana, and say whether they may be acted on today.

    A file is held against the version before it, past/NAME-VERSION.yaml beside it. Exits with 1 if any is ill-formed,
    expired, not yet valid, or not signed by as many people as it needs, each named by file and line.

    \b
    Examples:
      amana contracts check
      amana contracts check carrier.yaml --signers signers.yaml
    """
    known, today, failed = _signers(people), datetime.now(UTC).date(), False
    for path in files or sorted(contracts.FOLDER.glob("*.yaml")):
        try:
            contract = in_force.load_one(path, known, today)
        except ContractError as error:
            click.echo(f"Error: {error}", err=True)
            failed = True
            continue
        signed = ", ".join(f"{each.signer} ({known.role(each.signer)})" for each in contract.signatures)
        click.echo(
            f"{path.name}: {contract.partner}, version {contract.version}, {len(contract.fields)} fields, "
            f"until {contract.valid_until}, signed by {signed}"
        )
    if failed:
        raise click.exceptions.Exit(1)


@contracts_command.command()
@click.argument("file", type=_FILE)
@click.argument("old", type=_FILE, required=False)
@click.option("--json", "as_json", is_flag=True, help="JSON instead of words.")
@_stated
def diff(file: Path, old: Path | None, as_json: bool) -> None:
    """Say what more or less would leave by FILE than by OLD, or else by the version before it.

    Exits with 3 if anything more would leave: two people must then sign.

    \b
    Examples:
      amana contracts diff carrier.yaml
      amana contracts diff carrier.yaml past/carrier-1.yaml
    """
    contract = contracts.load(file)
    before = contracts.load(old) if old else in_force.previous(file)
    changes = compare(before, contract)
    needed = signatures_needed(before, contract)
    if as_json:
        found = [{"direction": change.direction, "words": change.words} for change in changes]
        click.echo(json.dumps({"changes": found, "signatures_needed": needed}, ensure_ascii=False, indent=2))
    else:
        _show(changes)
        click.echo(f"{needed} {'people' if needed > 1 else 'person'} must sign.")
    if needed > 1:
        raise click.exceptions.Exit(3)


@contracts_command.command()
@click.argument("file", type=_FILE)
@click.option("--signer", type=TEXT, required=True, help="Your name, as the file of signers has it.")
@click.option("--key", type=_FILE, help="Your signing key, a PEM file of mode 600.")
@click.option("--demo", is_flag=True, help="Sign as one of the made-up people, whose keys are open.")
@signers_option
@_stated
def approve(file: Path, signer: str, key: Path | None, demo: bool, people: Path | None) -> None:
    """Sign what FILE now says; the signature is written into it.

    Read `diff` and `explain` first. Signatures on what the file said before fall away.

    \b
    Examples:
      amana contracts approve carrier.yaml --signer noura --key noura.pem --signers signers.yaml
      amana contracts approve carrier.yaml --signer noura --demo
    """
    if (key is None) == (not demo):
        raise click.UsageError("expected one of --key and --demo")
    private = signers.read_key(key) if key else signers.demo_key(signer)
    before = in_force.previous(file)  # first: what it refuses stays unsigned
    signed = approval.approve(file, signer, private, _signers(people))
    needed = signatures_needed(before, signed)
    names = ", ".join(each.signer for each in signed.signatures)
    missing = max(0, needed - len(signed.signatures))
    click.echo(f"{file}: signed by {names}; {f'{missing} more must sign' if missing else 'that is enough'}")


@contracts_command.command("explain")
@click.argument("file", type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print the example's message alone, as JSON.")
@_stated
def explain_command(file: Path, as_json: bool) -> None:
    """Show an example order beside what FILE's partner gets of it.

    What stays behind is struck out: in yellow where the partner gets something made of it.

    \b
    Examples:
      amana contracts explain carrier.yaml
      amana contracts explain carrier.yaml --json
    """
    contract = contracts.load(file)
    body = json.dumps(json.loads(example_body(contract)), indent=2, ensure_ascii=False)
    if as_json:
        click.echo(body)
        return
    table = Table("the order and its case", "", f"what {contract.partner} gets", title=f"{file.name}, an example")
    for row in explain.rows(contract):
        told = ", ".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in row.told.items())
        style = "bold" if row.whole else "yellow strike" if row.told else "dim strike"
        table.add_row(Text(row.path), Text.assemble((row.value, style)), Text(told, style="green"))
    console = Console(highlight=False)
    console.print(table)
    console.print_json(body)


@contracts_command.command()
@click.argument("path", type=_FILE)
@click.option("--name", type=TEXT, required=True, help="Whose key it is.")
@click.option("--role", type=TEXT, required=True, help="What the person is, e.g. privacy officer.")
@_stated
def key(path: Path, name: str, role: str) -> None:
    """Make a signing key at PATH, mode 600, and print the person's entry for the file of signers.

    \b
    Example:
      amana contracts key noura.pem --name noura --role "privacy officer" >> signers.yaml
    """
    if not re.fullmatch(r"[a-z][a-z0-9._-]{0,63}", name):
        raise click.BadParameter("expected lower-case letters, digits and . _ -, at most 64", param_hint="--name")
    if not 3 <= len(role) <= 64 or not re.fullmatch(r"[^\W_][\w ,'-]*", role) or role.lower() in _NO_TEXT:
        raise click.BadParameter("expected 3 to 64 letters, digits, spaces and , ' -", param_hint="--role")
    public = base64.b64encode(signers.create_key(path)).decode()
    click.echo(f"  - name: {name}\n    role: {role}\n    key: {public}")


def _signers(path: Path | None) -> Signers:
    return Signers.load(path) if path else Signers.load(DEMO, demo=True)


def _show(changes: tuple[Change, ...]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for change in changes:
        mark, style = _MARKS[change.direction]
        console.print(Text(f"{mark} {change.words}", style=style))
    if not changes:
        console.print("Nothing would be otherwise.")
