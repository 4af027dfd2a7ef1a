"""`amana ledger`: verify what was told, and prove it to who asks."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from events.options import TEXT
from sharing.errors import BadProof, LedgerBroken, LedgerError
from sharing.ledger.checkpoints import ORIGIN

if TYPE_CHECKING:
    import sqlalchemy as sa

    from sharing.ledger.checkpoints import Checkpoint, Signer, Trusted
    from sharing.ledger.store import Ledger
    from sharing.ledger.verification import Kept, Verification

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

    trusted = _trusted(key, keyring, origin)
    kept = [_kept(path, trusted) for path in checkpoints] + [_kept_receipt(path, trusted) for path in receipts]
    with _engine(database) as engine, snapshot(engine) as connection, _progress(connection, "verified") as advance:
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

    if (place is None) == (jti is None):
        raise click.UsageError("give exactly one of PLACE and --jti")
    store = _ledger()
    with _engine(database) as engine:
        with engine.connect() as connection:
            at = _place(store, connection, jti) if place is None else place
            body = store.body(connection, at)
        signed, over = _covering(engine, at + 1, key, keyring, origin)
        with engine.connect() as connection:
            proof = _included(connection, at, over)
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

    if (place is None) == (since is None):
        raise click.UsageError("give exactly one of PLACE and --since")
    old, root = (None, None) if since is None else _begins(since, _trusted(key, keyring, origin))
    with _engine(database) as engine:
        signed, over = _covering(engine, (place or 0) + 1 if old is None else old, key, keyring, origin)
        with engine.connect() as connection:
            if old is not None:
                text = Consistency(old, _continued(connection, old, root, over, since), signed).text()
            else:
                assert place is not None
                text = Receipt(place, b"", _included(connection, place, over), signed).text()
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
    from streams.outputs import whole

    with _engine(database) as engine:
        signed, over = _covering(engine, 0, key, keyring, origin) if last else _signed(engine, keyring, origin)
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
    with _engine(database) as engine:
        signed, _ = _signed(engine, keyring, origin)
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
    for each in _signer(keyring, origin).keys:
        click.echo(each)


@contextmanager
def _engine(database: str) -> Iterator["sa.Engine"]:
    import sqlalchemy as sa

    from history.database import existing

    engine = existing(database)
    try:
        if not sa.inspect(engine).has_table("sharing_head"):
            raise LedgerError("the database has no ledger; `amana migrate` makes its tables")
        yield engine
    finally:
        engine.dispose()


def _signer(keyring: Path, origin: str) -> "Signer":
    from sharing.ledger.checkpoints import Signer
    from vault.keyring import Keyring

    try:
        return Signer(Keyring.load(keyring).keys("ledger"), origin)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--origin") from None


def _trusted(key: Path | None, keyring: Path, origin: str) -> "Trusted":
    from sharing.ledger.checkpoints import Trusted

    if key is None:
        return _signer(keyring, origin).trusted()
    try:
        return Trusted(line for line in key.read_text(encoding="utf-8").splitlines() if line.strip())
    except (BadProof, UnicodeDecodeError) as error:
        raise BadProof(f"{key}: {error if isinstance(error, BadProof) else 'not text'}") from None


def _ledger(signer: "Signer | None" = None) -> "Ledger":
    from sharing.ledger.store import Ledger

    return Ledger(signer)


def _signed(engine: "sa.Engine", keyring: Path, origin: str) -> "tuple[bytes, Checkpoint]":
    """A checkpoint of now, committed before anything of it is given away; and what it says."""
    signer = _signer(keyring, origin)
    with engine.begin() as connection:
        signed = _ledger(signer).checkpoint(connection, time.time_ns() // 1_000_000)
    return signed, signer.trusted().opened(signed)


def _covering(
    engine: "sa.Engine", size: int, key: Path | None, keyring: Path, origin: str
) -> "tuple[bytes, Checkpoint]":
    """The last checkpoint if it covers so many entries, which needs a public key alone; one of now otherwise."""
    with engine.connect() as connection:
        last = _ledger().last_checkpoint(connection)
    if last is not None:
        covered = _trusted(key, keyring, origin).opened(last)
        if covered.size >= size:
            return last, covered
    return _signed(engine, keyring, origin)


def _included(connection: "sa.Connection", place: int, over: "Checkpoint") -> tuple[bytes, ...]:
    """The proof that the checkpoint has that entry. Raises LedgerBroken where what is stored does not prove it."""
    from sharing.ledger.tree import included, leaf_hash

    proof = tuple(_ledger().inclusion(connection, place, over.size))
    if not included(place, over.size, leaf_hash(_ledger().body(connection, place)), proof, over.root):
        raise LedgerBroken(f"entry {place}: not what was signed, so nothing proves it; run `amana ledger verify`")
    return proof


def _continued(
    connection: "sa.Connection", old: int, root: bytes | None, over: "Checkpoint", since: str | None
) -> tuple[bytes, ...]:
    """The proof that the checkpoint begins with the tree of `old` entries: the one of that root, or as it is stored.

    Raises LedgerBroken where what is stored does not prove it.
    """
    from sharing.ledger.tree import consistent

    proof = tuple(_ledger().consistency(connection, old, over.size))
    begun = _ledger().root(connection, old) if root is None else root
    if not consistent(old, over.size, begun, over.root, proof):
        kept = "" if root is None else f" --checkpoint {since}"
        raise LedgerBroken(
            f"the ledger does not begin with the {old} entries of {since}, so nothing proves it; run"
            f" `amana ledger verify{kept}`"
        )
    return proof


def _place(store: "Ledger", connection: "sa.Connection", jti: str | None) -> int:
    places = store.places(connection, jti=jti or "")
    if not places:
        raise LedgerError("no entry is known for that message: it was never told, or its case was erased")
    return places[0]


def _kept(path: Path, trusted: "Trusted") -> "Kept":
    from sharing.ledger.verification import Kept

    return Kept(str(path), _opened(path, trusted))


def _opened(path: Path, trusted: "Trusted") -> "Checkpoint":
    try:
        return trusted.opened(path.read_bytes())
    except BadProof as error:
        raise BadProof(f"{path}: {error}") from None


def _kept_receipt(path: Path, trusted: "Trusted") -> "Kept":
    from sharing.ledger.receipts import receipt_of
    from sharing.ledger.verification import Kept

    try:
        found = receipt_of(path.read_bytes())
        return Kept(str(path), found.checked(trusted), found.place, found.body)
    except BadProof as error:
        raise BadProof(f"{path}: {error}") from None


def _begins(since: str, trusted: "Trusted") -> tuple[int, bytes | None]:
    """How many entries, and their root where a checkpoint says it."""
    if since.isascii() and since.isdigit():
        return int(since), None
    if not Path(since).is_file():
        raise click.BadParameter(f"{since}: expected a number of entries, or a file", param_hint="--since")
    kept = _opened(Path(since), trusted)
    return kept.size, kept.root


def _write(path: Path, data: bytes) -> None:
    from streams.outputs import whole

    with whole(path) as file:
        file.write(data)


@contextmanager
def _progress(connection: "sa.Connection", what: str) -> Iterator[Callable[[int], object]]:
    from rich.console import Console

    from streams.runs import progress

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with progress(console, what, _ledger().size(connection)) as advance:
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
