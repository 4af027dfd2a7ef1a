"""The sandbox: made-up frauds through a partner's contract, sealed to the partner's keys, to try its programs with.

Nothing of it is real: the orders are the simulator's, the store's keys are the sandbox folder's own. The stream has
what a partner must cope with: disclosures, a withdrawal, a deletion, and a message that comes twice.
"""

import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from events.types import OrderPlaced
from sharing.contracts import Contract
from sharing.fields import Disclosable
from sharing.projection import compile_contract
from sharing.tokens import PartnerKeys, Sealer
from sharing.tokens.keys import load_partner
from sharing.tokens.keyset import KeySet, published, signing_keys
from sharing.tokens.making import write_pair
from simulator.settings import Settings
from simulator.store import simulate
from streams.sandbox_ways import Message, SandboxError
from vault.chain import framed, named
from vault.keyring import Keyring

ISSUER = "https://store.example"
REASONS = ("card.velocity", "device.spread", "order.avs")


Status = Literal["withdrawn", "deleted"]
STATUS: dict[Status, str] = {"withdrawn": "withdrawal", "deleted": "deletion"}


class Keys(NamedTuple):
    """A sandbox folder's: the partner's public set, and a keyring of a store that does not exist."""

    partner: PartnerKeys
    keyring: Keyring
    folder: Path


def keys_of(folder: Path, partner: str, *, make: bool, now_s: int) -> Keys:
    """The folder's keys, made where they are missing and `make` says so. Raises SharingError, KeyringError."""
    public, ring, jwks = folder / f"{partner}.json", folder / "store-keyring.json", folder / "jwks.json"
    if make and not public.exists():
        write_pair(folder, partner, os.urandom)
    if make and not ring.exists():
        Keyring.create(ring, os.urandom)
    for path in (public, ring):
        if not path.exists():
            raise SandboxError(f"{path}: not there; --make-keys makes throw-away keys")
    keyring = Keyring.load(ring)
    if not jwks.exists():
        published(KeySet(), signing_keys(keyring), now_s).write(jwks)
    return Keys(load_partner(public), keyring, folder)


def stream(contract: Contract, keys: Keys, *, count: int, seed: int, now_ms: int) -> list[Message]:
    """`count` disclosures, then a withdrawal of the first, a deletion of the second, and the last one again.

    The same seed tells of the same orders under the same ids. Raises SharingError.
    """
    key = keys.keyring.key("disclosure", 1)
    projection = compile_contract(contract, key)
    sealer = Sealer(ISSUER, signing_keys(keys.keyring)[-1], {contract.partner: keys.partner})
    made: list[Message] = []

    def tell(kind: str, case: str, payload: bytes) -> None:
        jti = json.loads(payload)["jti"]
        sub_id = named(key, framed("sub_id", contract.partner, case))
        sealed = sealer.seal(contract.partner, jti, sub_id, event_uri(contract), payload, now_ms)
        claims = {"iss": ISSUER, "iat": now_ms // 1000, "jti": jti, "aud": contract.partner}
        claims |= {"sub_id": {"format": "opaque", "id": sub_id}, "events": {event_uri(contract): json.loads(payload)}}
        made.append(Message(jti, kind, sealed, claims))

    for number, order in enumerate(islice(frauds(seed), count)):
        tell("disclosure", f"{number}", projection.project(disclosable(order, number)))
    told = list(made)
    for number, (first, status) in enumerate(zip(told, STATUS, strict=False)):
        tell(STATUS[status], f"{number}", taken_back(key, first.jti, status))
    return [*made, told[-1]._replace(kind="the same again")]


def frauds(seed: int) -> Iterator[OrderPlaced]:
    """Fraudulent orders of a made-up store, without end to speak of."""
    for each in simulate(Settings(seed=seed, days=28, orders_per_day=400, fraud_share=0.3)):
        if each.fraud and isinstance(each.event, OrderPlaced):
            yield each.event


def disclosable(order: OrderPlaced, number: int) -> Disclosable:
    """An order as if it had been blocked, for reasons that change from one to the next."""
    reasons = REASONS[: 1 + number % len(REASONS)]
    return Disclosable(order=order, decision_id=f"sandbox/0/{number}", outcome="block", reasons=reasons)


def taken_back(key: bytes, supersedes: str, status: Status) -> bytes:
    """A message that takes another back; it says no more."""
    jti = named(key, framed("taken back", status, supersedes))
    return msgspec.json.encode({"jti": jti, "supersedes": supersedes, "status": status})


def event_uri(contract: Contract) -> str:
    return f"https://schemas.amana.example/event/{contract.partner}/v{contract.version}"
