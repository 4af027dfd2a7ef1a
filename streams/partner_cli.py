"""`amana partner`: partners' keys, our own published ones, and a made-up stream to try the partner's side with."""

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from events.options import BROKERS, TEXT

if TYPE_CHECKING:
    from sharing.contracts import Contract
    from sharing.tokens.keyset import PublishedKey
    from streams.sandbox_ways import Answers

PATH = click.Path(path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def partner() -> None:
    """Make and check partners' keys, publish our own, and try the partner's side on made-up messages.

    \b
    Examples:
      amana partner keys acquirer --out keys
      amana partner check --partners var/partners
      amana partner jwks --keyring var/keyring.json --out var/jwks.json
      amana partner sandbox acquirer --make-keys --push http://127.0.0.1:8443/
    """


@partner.command()
@click.argument("name", type=TEXT)
@click.option("--out", type=FOLDER, required=True, help="The folder for NAME.private.json and NAME.json.")
def keys(name: str, out: Path) -> None:
    """Make NAME's key pair, as a partner does on its own machine, and print the public set that the store gets.

    The private file (mode 600) stays with the partner; an existing one is never overwritten.

    \b
    Example:
      amana partner keys acquirer --out keys
    """
    from sharing.tokens.making import write_pair

    private, public = write_pair(out, name, os.urandom)
    click.echo(public.read_text(), nl=False)
    click.echo(f"{private} stays with {name}; {public} is for the store", err=True)


@partner.command()
@click.argument("names", type=TEXT, nargs=-1, metavar="[NAME]...")
@click.option(
    "--partners",
    envvar="AMANA_PARTNERS",
    type=FOLDER,
    default="var/partners",
    show_default=True,
    help="The folder of partners' public sets, NAME.json each.",
)
def check(names: Sequence[str], partners: Path) -> None:
    """Read partners' public sets as the projector would, and list their keys by name. Exits with 1 at a mistake.

    \b
    Examples:
      amana partner check
      amana partner check acquirer carrier --partners var/partners
    """
    from sharing.errors import KeysError
    from sharing.tokens.keys import load_partners

    found = load_partners(partners)
    if missing := sorted(set(names) - set(found)):
        raise KeysError(f"{partners}: no {missing[0]}.json; expected the public JWK set of {missing[0]}")
    for name in names or sorted(found):
        held = found[name]
        click.echo(f"{name}: encrypted to {held.recipient_kid}; verified by {', '.join(held.signers)}")


@partner.command()
@click.option("--keyring", envvar="AMANA_KEYRING", type=PATH, default="var/keyring.json", help="The key file.")
@click.option(
    "--out",
    envvar="AMANA_JWKS",
    type=click.Path(dir_okay=False, path_type=Path),
    default="var/jwks.json",
    show_default=True,
    help="The file that partners fetch.",
)
@click.option(
    "--withdraw", is_flag=True, help="A key is in other hands: publish the newest alone, which signs from now on."
)
def jwks(keyring: Path, out: Path, withdraw: bool) -> None:
    """Publish the keys that partners verify our messages by. Run it daily, and after `amana keys rotate token`.

    A new key is published for a day before it signs, and stays for 30 days after the next one has taken over.

    \b
    Examples:
      amana partner jwks --keyring var/keyring.json --out var/jwks.json
      amana keys rotate token --keyring var/keyring.json && amana partner jwks
      amana partner jwks --withdraw
    """
    from sharing.tokens import keyset
    from vault.keyring import Keyring

    now_s = _now_s()
    held = keyset.signing_keys(Keyring.load(keyring))
    new = keyset.withdrawn(held, now_s) if withdraw else keyset.published(keyset.KeySet.load(out), held, now_s)
    new.write(out)
    signs = keyset.signing_key(new, held, now_s).kid
    for key in new.keys:
        click.echo(_told(key, signs, now_s))


@partner.command()
@click.argument("name", type=TEXT)
@click.option("--out", type=FOLDER, help="Write them here: NNN.jwe as sent, NNN.json what is in it.")
@click.option("--brokers", type=BROKERS, help="Send them on share.NAME.v1 of these Kafka addresses.")
@click.option(
    "--push", type=TEXT, metavar="URL", callback=lambda _, __, url: _receiver(url), help="POST them there (RFC 8935)."
)
@click.option(
    "--poll", type=TEXT, metavar="HOST:PORT", callback=lambda _, __, at: _address(at), help="Answer polls (RFC 8936)."
)
@click.option(
    "--keys",
    "folder",
    type=FOLDER,
    default="var/sandbox",
    show_default=True,
    help="NAME.json, your public set, and the sandbox's own keys.",
)
@click.option("--make-keys", is_flag=True, help="Make throw-away keys in that folder where they are missing.")
@click.option("--contract", "path", type=click.Path(dir_okay=False, path_type=Path), help="[default: NAME's own]")
@click.option("--count", type=click.IntRange(1, 1000), default=5, show_default=True, help="How many orders.")
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed, the same messages.")
@click.option("--wait", type=click.FloatRange(0), help="Seconds for all to be acknowledged, by Kafka or poll.")
def sandbox(
    name: str,
    out: Path | None,
    brokers: str | None,
    push: str | None,
    poll: tuple[str, int] | None,
    folder: Path,
    path: Path | None,
    make_keys: bool,
    **options: Any,
) -> None:
    """Send made-up messages to partner NAME's program: nothing of them is real, all of them are as in earnest.

    Disclosures of simulated frauds, by the partner's contract and sealed to its keys; then a withdrawal, a deletion, a
    correction, and a message that comes twice. Exits with 1 where one was refused, or not acknowledged in time.

    \b
    Examples:
      amana partner sandbox acquirer --make-keys --out var/sandbox/messages
      amana partner sandbox acquirer --brokers 127.0.0.1:9092 --wait 60
      amana partner sandbox acquirer --push http://127.0.0.1:8443/
      amana partner sandbox acquirer --poll 127.0.0.1:8936 --wait 60
    """
    from streams import sandbox as made_up
    from streams import sandbox_ways as ways
    from streams.sandbox_store import answered

    if sum(way is not None for way in (out, brokers, push, poll)) != 1:
        raise click.UsageError("expected one of --out, --brokers, --push and --poll")
    contract = _contract(name, path)
    keys = made_up.keys_of(folder, name, make=make_keys, now_s=_now_s())
    messages = made_up.stream(contract, keys, count=options["count"], seed=options["seed"], now_ms=_now_s() * 1000)
    for message in messages:
        click.echo(f"{message.jti} {message.kind}, {len(message.sealed)} bytes")
    click.echo(f"issuer {made_up.ISSUER}, keys {folder / 'jwks.json'}", err=True)
    if out:
        ways.to_folder(messages, out)
    elif push:
        _conclude(ways.to_push(messages, push))
    elif poll:
        _conclude(answered(messages, keys.partner, poll, options["wait"], _now_s))
    elif brokers:
        sent_s = _now_s()
        ways.to_kafka(messages, brokers, name)
        if options["wait"]:
            _conclude(ways.from_kafka(messages, brokers, keys.partner, made_up.ISSUER, sent_s, options["wait"], _now_s))


def _contract(name: str, path: Path | None) -> "Contract":
    """The partner's contract in the file that is named, or of those that come with Amana."""
    from sharing.contracts import FOLDER as CONTRACTS
    from sharing.contracts import load

    shipped = sorted(each.stem for each in CONTRACTS.glob("*.yaml"))
    if path is None and name not in shipped:
        raise click.UsageError(
            f"no contract with {name} comes with Amana; expected one of {', '.join(shipped)}, or its file as --contract"
        )
    contract = load(path or CONTRACTS / f"{name}.yaml")
    if contract.partner != name:
        raise click.UsageError(f"--contract is {contract.partner}'s, not {name}'s")
    return contract


def _now_s() -> int:
    from streams.bootstrap import now_ms

    return now_ms() // 1000


def _conclude(answers: "Answers") -> None:
    for jti, why in answers.refused.items():
        click.echo(f"{jti} refused: {why}", err=True)
    for jti in answers.waiting:
        click.echo(f"{jti} not acknowledged", err=True)
    if answers.refused or answers.waiting:
        raise click.exceptions.Exit(1)


def _receiver(url: str | None) -> str | None:
    if url is None or re.match(r"https://[^/]|http://(127\.0\.0\.1|localhost|\[::1\])[:/]", url):
        return url
    raise click.BadParameter("expected https://..., or http:// on this machine")


def _address(given: str | None) -> tuple[str, int] | None:
    if given is None:
        return None
    host, _, port = given.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise click.BadParameter("expected HOST:PORT")
    return host, int(port)


def _told(key: "PublishedKey", signs: str, now_s: int) -> str:
    what = "signs" if key.kid == signs else f"signs from {_day(key.nbf)}" if key.nbf > now_s else "verifies"
    return f"{key.kid} {what}" + (f", published until {_day(key.exp)}" if key.exp else "")


def _day(at_s: int) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M} UTC"
