"""Leaves, keys and tampered tables for the ledger's tests."""

from hashlib import sha256

import sqlalchemy as sa

from sharing import tables
from sharing.ledger.checkpoints import Signer
from sharing.ledger.leaves import (
    Answered,
    Audited,
    Disclosed,
    Leaf,
    Superseding,
    body_of,
    commitment,
    hash_of,
    leaf_of,
    sealed_of,
)
from sharing.ledger.store import Ledger
from sharing.ledger.tree import Node, grown, leaf_hash

SEED = bytes(range(32))
SALT = b"s" * 32
SIGNER = Signer([SEED], "store.example/ledger")
TRUSTED = SIGNER.trusted()
LEDGER = Ledger(SIGNER)


def told(number: int, partner: str = "acquirer") -> Disclosed:
    """A disclosure whose message, case and payload are named after a number."""
    return Disclosed(
        at_ms=1_800_000_000_000 + number,
        partner=partner,
        contract=sha256(b"contract").digest(),
        sealed=hash_of(b"sealed %d" % number),
        commitment=commitment(SALT, f"case-{number}", f"jti-{number}", b'{"outcome":"block"}'),
    )


def of_every_kind(first: int) -> list[Leaf]:
    """Four leaves that belong together, to be appended at place `first`."""
    whole = sha256(b"partner's statement").digest()
    withdrawn = told(first + 10**6)
    return [
        told(first),
        Answered(at_ms=1, partner="acquirer", place=first, answer="acknowledged", statement=whole),
        Superseding(
            at_ms=2,
            partner="acquirer",
            contract=withdrawn.contract,
            sealed=withdrawn.sealed,
            commitment=withdrawn.commitment,
            supersedes=first,
            change="withdrawn",
        ),
        Audited(at_ms=3, action="request.approved", commitment=withdrawn.commitment),
    ]


def filled(engine: sa.Engine, count: int, ledger: Ledger = LEDGER) -> None:
    """`count` disclosures on an empty ledger, each with what opens it."""
    with engine.begin() as connection:
        for place in ledger.append(connection, [told(number) for number in range(count)]):
            ledger.remember(connection, place, f"case-{place}", f"jti-{place}", SALT)


def signed(engine: sa.Engine, now_ms: int = 1) -> bytes:
    with engine.begin() as connection:
        return LEDGER.checkpoint(connection, now_ms)


def rewritten(engine: sa.Engine, bodies: list[bytes]) -> None:
    """What somebody does who may write every table: leaves and subtrees anew, whole in themselves; no checkpoints."""
    hashes = [leaf_hash(body) for body in bodies]
    nodes: list[tuple[Node, bytes]] = list(grown(0, {}, hashes))
    with engine.begin() as connection:
        for table in (tables.lookup, tables.checkpoints, tables.nodes, tables.leaves):
            connection.execute(sa.delete(table))
        rows = [{"place": p, "hash": h, "body": b} for p, (h, b) in enumerate(zip(hashes, bodies, strict=True))]
        connection.execute(
            sa.insert(tables.leaves), [row | {"sealed": sealed_of(leaf_of(row["body"]))} for row in rows]
        )
        if nodes:
            connection.execute(
                sa.insert(tables.nodes), [{"level": n[0], "place": n[1], "hash": hashed} for n, hashed in nodes]
            )
        connection.execute(sa.update(tables.head).values(size=len(bodies)))


def bodies(count: int) -> list[bytes]:
    return [body_of(told(number)) for number in range(count)]
