"""What the commands of the ledger read, open and prove before they write it. See streams/ledger_cli.py."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import sqlalchemy as sa

from history.database import existing
from sharing.errors import BadProof, LedgerBroken, LedgerError
from sharing.ledger.checkpoints import Checkpoint, Signer, Trusted
from sharing.ledger.receipts import receipt_of
from sharing.ledger.store import Ledger
from sharing.ledger.tree import consistent, included, leaf_hash
from sharing.ledger.verification import Kept
from vault.keyring import Keyring

_DIGITS = 16  # of a checkpoint's size


@contextmanager
def opened_ledger(database: str) -> Iterator[sa.Engine]:
    engine = existing(database)
    try:
        if not sa.inspect(engine).has_table("sharing_head"):
            raise LedgerError("the database has no ledger; `amana migrate` makes its tables")
        yield engine
    finally:
        engine.dispose()


def signer_of(keyring: Path, origin: str) -> Signer:
    try:
        return Signer(Keyring.load(keyring).keys("ledger"), origin)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--origin") from None


def trusted_keys(key: Path | None, keyring: Path, origin: str) -> Trusted:
    if key is None:
        return signer_of(keyring, origin).trusted()
    try:
        return Trusted(line for line in key.read_text(encoding="utf-8").splitlines() if line.strip())
    except (BadProof, UnicodeDecodeError) as error:
        raise BadProof(f"{key}: {error if isinstance(error, BadProof) else 'not text'}") from None


def signed_now(engine: sa.Engine, keyring: Path, origin: str) -> tuple[bytes, Checkpoint]:
    """A checkpoint of now, committed before anything of it is given away; and what it says."""
    signer = signer_of(keyring, origin)
    with engine.begin() as connection:
        signed = Ledger(signer).checkpoint(connection, time.time_ns() // 1_000_000)
    return signed, signer.trusted().opened(signed)


def covering(engine: sa.Engine, size: int, key: Path | None, keyring: Path, origin: str) -> tuple[bytes, Checkpoint]:
    """The last checkpoint if it covers so many entries, which needs a public key alone; one of now otherwise."""
    with engine.connect() as connection:
        last = Ledger().last_checkpoint(connection)
    if last is not None:
        covered = trusted_keys(key, keyring, origin).opened(last)
        if covered.size >= size:
            return last, covered
    return signed_now(engine, keyring, origin)


def inclusion_of(connection: sa.Connection, place: int, over: Checkpoint) -> tuple[bytes, ...]:
    """The proof that the checkpoint has that entry. Raises LedgerBroken where what is stored does not prove it."""
    proof = tuple(Ledger().inclusion(connection, place, over.size))
    if not included(place, over.size, leaf_hash(Ledger().body(connection, place)), proof, over.root):
        raise LedgerBroken(f"entry {place}: not what was signed, so nothing proves it; run `amana ledger verify`")
    return proof


def consistency_with(
    connection: sa.Connection, old: int, root: bytes | None, over: Checkpoint, since: str | None
) -> tuple[bytes, ...]:
    """The proof that the checkpoint begins with the tree of `old` entries: the one of that root, or as it is stored.

    Raises LedgerBroken where what is stored does not prove it.
    """
    proof = tuple(Ledger().consistency(connection, old, over.size))
    begun = Ledger().root(connection, old) if root is None else root
    if not consistent(old, over.size, begun, over.root, proof):
        kept = "" if root is None else f" --checkpoint {since}"
        raise LedgerBroken(
            f"the ledger does not begin with the {old} entries of {since}, so nothing proves it; run"
            f" `amana ledger verify{kept}`"
        )
    return proof


def place_of(store: Ledger, connection: sa.Connection, jti: str | None) -> int:
    places = store.places(connection, jti=jti or "")
    if not places:
        raise LedgerError("no entry is known for that message: it was never told, or its case was erased")
    return places[0]


def kept_checkpoint(path: Path, trusted: Trusted) -> Kept:
    return Kept(str(path), _opened(path, trusted))


def _opened(path: Path, trusted: Trusted) -> Checkpoint:
    try:
        return trusted.opened(path.read_bytes())
    except BadProof as error:
        raise BadProof(f"{path}: {error}") from None


def kept_receipt(path: Path, trusted: Trusted) -> Kept:
    try:
        found = receipt_of(path.read_bytes())
        return Kept(str(path), found.checked(trusted), found.place, found.body)
    except BadProof as error:
        raise BadProof(f"{path}: {error}") from None


def begins(since: str, trusted: Trusted) -> tuple[int, bytes | None]:
    """How many entries, and their root where a checkpoint says it."""
    if since.isascii() and since.isdigit():
        if len(since) > _DIGITS:
            raise click.BadParameter(
                f"expected a number of entries, at most {_DIGITS} digits, or a file", param_hint="--since"
            )
        return int(since), None
    if not Path(since).is_file():
        raise click.BadParameter(f"{since}: expected a number of entries, or a file", param_hint="--since")
    kept = _opened(Path(since), trusted)
    return kept.size, kept.root
