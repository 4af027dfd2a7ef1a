"""`amana ledger`: verify what was told, and prove it to who asks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from events.options import TEXT
from sharing.errors import LedgerError
from sharing.ledger.checkpoints import ORIGIN

if TYPE_CHECKING:
    import sqlalchemy as sa

    from sharing.ledger.verification import Verification

Command = Callable[..., Any]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_PLACE = click.IntRange(0, 10**16 - 1)  # a checkpoint's size has at most 16 digits
_OUT = click.Path(dir_okay=False, path_type=Path, allow_dash=True)

_database = click.option(
    "--database",
    type=TEXT,
    envvar="AMANA_DATABASE",
    required=True,
    help="SQLAlchemy address, e.g. sqlite:///var/amana.db.",
)
_keyring = click.option(
    "--keyring",
    envvar="AMANA_KEYRING",
    type=click.Path(dir_okay=False, path_type=Path),
    default="var/keyring.json",
    show_default=True,
    help="The key file with the ledger's key.",
)
_origin = click.option(
    "--origin",
    type=TEXT,
    envvar="AMANA_LEDGER_ORIGIN",
    default=ORIGIN,
    show_default=True,
    help="The ledger's name in what is signed; never changed once partners have checkpoints.",
)
_key = click.option("--key", type=_FILE, help="Public keys from `amana ledger key`; by default those of the keyring.")
_out = click.option("--out", type=_OUT, default="-", show_default=True, help="A file; - is the terminal.")
_json = click.option("--json", "as_json", is_flag=True, help="JSON instead of words.")


@click.group()
def ledger() -> None:
    """Verify the ledger of disclosures, and prove to partners, auditors and subjects what is on it.

    \b
    Examples:
      amana ledger verify --database sqlite:///var/amana.db
      amana ledger verify --checkpoint kept-by-a-partner.txt
      amana ledger receipt 17 --out 17.tlog-proof
      amana ledger prove --since kept-by-a-partner.txt --out consistency.txt
      amana ledger export --out ledger.txt && amana ledger key > ledger.keys
    """


@ledger.command()
@_database
@_keyring
@_origin
@_key
@click.option(
    "--checkpoint", "checkpoints", type=_FILE, multiple=True, help="One that somebody kept; may be given several times."
)
@click.option(
    "--receipt", "receipts", type=_FILE, multiple=True, help="One that somebody kept; may be given several times."
)
@_json
def verify(
    *,
    database: str,
    keyring: Path,
    origin: str,
    key: Path | None,
    checkpoints: tuple[Path, ...],
    receipts: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Read the whole ledger; name every entry that is not as it was appended, or not as it was signed.

    Exit code 0: whole, and it begins as every checkpoint says. 1: it is not, or could not be read. What was rewritten
    and signed anew shows only against checkpoints and receipts that others kept: give them.

    \b
    Examples:
      amana ledger verify --database sqlite:///var/amana.db
      amana ledger verify --checkpoint kept-by-a-partner.txt --receipt 17.tlog-proof
      amana ledger verify --key ledger.keys --json
    """
    import msgspec

    from sharing.ledger import verification
    from sharing.ledger.store import snapshot
    from streams import ledger_proofs as proofs

    trusted = proofs.trusted_keys(key, keyring, origin)
    kept = [proofs.kept_checkpoint(path, trusted) for path in checkpoints]
    kept += [proofs.kept_receipt(path, trusted) for path in receipts]
    with (
        proofs.opened_ledger(database) as engine,
        snapshot(engine) as connection,
        _progress(connection, "verified") as advance,
    ):
        found = verification.verify(connection, trusted, kept, advance)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
    else:
        _tell(found, len(kept))
    if found.found:
        raise SystemExit(1)


@ledger.command()
@click.argument("place", type=_PLACE, required=False)
@click.option("--jti", type=TEXT, help="The message's id, instead of PLACE; unknown once its case is erased.")
@_database
@_keyring
@_origin
@_key
@_out
@click.option("--opening", type=_OUT, help="Write also what opens the commitment: for who is entitled to it, not more.")
def receipt(
    *,
    place: int | None,
    jti: str | None,
    database: str,
    keyring: Path,
    origin: str,
    key: Path | None,
    out: Path,
    opening: Path | None,
) -> None:
    """Write the receipt of one entry: its leaf, the proof that the ledger includes it, a signed checkpoint.

    What it would prove is checked first: of an entry that was changed there is no receipt, and the exit code is 1.
    It has no salt, no case, no message's id: nobody learns from it what was told. Its format is C2SP's tlog-proof. The
    last checkpoint is taken where it covers the entry; only otherwise is one signed, with the keyring's key.

    \b
    Examples:
      amana ledger receipt 17 --out 17.tlog-proof
      amana ledger receipt --jti bm9ib2R5LXJlYWRzLWl0ISE --out their.tlog-proof
      amana ledger receipt 17 --out 17.tlog-proof --opening 17.opening.json
    """
    import msgspec

    from sharing.ledger.receipts import Opening, Receipt
    from sharing.ledger.store import Ledger
    from streams import ledger_proofs as proofs

    if (place is None) == (jti is None):
        raise click.UsageError("give exactly one of PLACE and --jti")
    store = Ledger()
    with proofs.opened_ledger(database) as engine:
        with engine.connect() as connection:
            at = proofs.place_of(store, connection, jti) if place is None else place
            body = store.body(connection, at)
        signed, over = proofs.covering(engine, at + 1, key, keyring, origin)
        with engine.connect() as connection:
            proof = proofs.inclusion_of(connection, at, over)
            opens = opening and store.opening(connection, at)
    if opening and opens:
        _write(opening, msgspec.json.format(msgspec.json.encode(Opening(place=at, **opens)), indent=2) + b"\n")
    elif opening:
        raise LedgerError(f"entry {at}: nothing opens it; it has no commitment, or its case was erased")
    _write(out, Receipt(at, body, proof, signed).text())


@ledger.command()
@click.argument("place", type=_PLACE, required=False)
@click.option("--since", type=TEXT, help="A kept checkpoint's file, or the number of entries it was signed over.")
@_database
@_keyring
@_origin
@_key
@_out
def prove(
    *, place: int | None, since: str | None, database: str, keyring: Path, origin: str, key: Path | None, out: Path
) -> None:
    """Write the proof that the ledger still begins as --since says; or that it has an entry at PLACE.

    The first is in the form that C2SP's witnesses take, the second is a receipt that does not show the leaf. Where what
    is stored does not prove it, nothing is written and the exit code is 1: `amana ledger verify` says what was changed.

    \b
    Examples:
      amana ledger prove --since kept-by-a-partner.txt --out consistency.txt
      amana ledger prove --since 120000
      amana ledger prove 17
    """
    from sharing.ledger.receipts import Consistency, Receipt
    from streams import ledger_proofs as proofs

    if (place is None) == (since is None):
        raise click.UsageError("give exactly one of PLACE and --since")
    old, root = (None, None) if since is None else proofs.begins(since, proofs.trusted_keys(key, keyring, origin))
    with proofs.opened_ledger(database) as engine:
        signed, over = proofs.covering(engine, (place or 0) + 1 if old is None else old, key, keyring, origin)
        with engine.connect() as connection:
            if old is not None:
                text = Consistency(old, proofs.consistency_with(connection, old, root, over, since), signed).text()
            else:
                assert place is not None
                text = Receipt(place, b"", proofs.inclusion_of(connection, place, over), signed).text()
    _write(out, text)


@ledger.command()
@_database
@_keyring
@_origin
@_key
@click.option("--last", is_flag=True, help="Up to the last checkpoint, instead of signing one now: nothing is written.")
@_out
def export(*, database: str, keyring: Path, origin: str, key: Path | None, last: bool, out: Path) -> None:
    """Write all leaves and a signed checkpoint, for an auditor: no personal data, no salts.

    A line a leaf, exactly the bytes that are hashed; then an empty line and the checkpoint. See docs/ledger.md. Where
    the leaves are not those that the checkpoint was signed over, no file is left and the exit code is 1.

    \b
    Examples:
      amana ledger export --out ledger.txt
      amana ledger export --last --key ledger.keys --out ledger.txt      by who may read, and has no signing key
      amana ledger export | python examples/auditor/verify.py export - --key ledger.keys
    """
    from sharing.ledger.export import exported
    from sharing.ledger.store import snapshot
    from streams import ledger_proofs as proofs
    from streams.outputs import whole

    with proofs.opened_ledger(database) as engine:
        signed, over = (
            proofs.covering(engine, 0, key, keyring, origin) if last else proofs.signed_now(engine, keyring, origin)
        )
        with (
            whole(out) as file,
            snapshot(engine) as connection,
            _progress(connection, "exported") as advance,
        ):
            for page in exported(connection, over, signed):
                file.write(page.data)
                advance(page.entries)


@ledger.command()
@_database
@_keyring
@_origin
@_out
def checkpoint(*, database: str, keyring: Path, origin: str, out: Path) -> None:
    """Write a signed checkpoint of the ledger as it is now: what partners get with each delivery, and keep.

    \b
    Example:
      amana ledger checkpoint --out 2026-11-26.checkpoint
    """
    from streams import ledger_proofs as proofs

    with proofs.opened_ledger(database) as engine:
        signed, _ = proofs.signed_now(engine, keyring, origin)
    _write(out, signed)


@ledger.command("key")
@_keyring
@_origin
def key_command(*, keyring: Path, origin: str) -> None:
    """Print the ledger's public keys, the newest last: partners and auditors check checkpoints with them.

    \b
    Example:
      amana ledger key --keyring var/keyring.json > ledger.keys
    """
    from streams import ledger_proofs as proofs

    for each in proofs.signer_of(keyring, origin).keys:
        click.echo(each)


def _write(path: Path, data: bytes) -> None:
    from streams.outputs import whole

    with whole(path) as file:
        file.write(data)


@contextmanager
def _progress(connection: "sa.Connection", what: str) -> Iterator[Callable[[int], object]]:
    from rich.console import Console

    from sharing.ledger.store import Ledger
    from streams.runs import progress

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with progress(console, what, Ledger().size(connection)) as advance:
        yield advance


def _tell(found: "Verification", kept: int) -> None:
    for finding in found.findings:
        click.echo(str(finding))
    if found.found > len(found.findings):
        click.echo(f"and {found.found - len(found.findings):,} more")
    if found.found:
        click.echo(f"the ledger of {found.size:,} entries is NOT whole: {found.found:,} findings", err=True)
    else:
        others = f", {kept} of them kept by others" if kept else ""
        click.echo(f"the ledger is whole: {found.size:,} entries, {found.agreeing:,} checkpoints agree{others}")
        click.echo(f"root {found.root.hex()}")
