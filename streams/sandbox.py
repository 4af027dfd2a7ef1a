"""The sandbox: made-up frauds through a partner's contract, sealed to the partner's keys, to try its programs with.

Nothing of it is real: the orders are the simulator's, the store's keys are the sandbox folder's own. The stream has
what a partner must cope with: disclosures, a withdrawal, a deletion, a correction, and a message that comes twice.
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
from sharing.disclosable import Disclosable
from sharing.example import example
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
CORRECTED = "card.frauds"
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
    """`count` disclosures; a withdrawal of the first, a deletion of the second, a correction of the third; a repeat.

    The same seed under the same keys tells of the same orders by the same ids. Raises SharingError.
    """
    key = keys.keyring.key("disclosure", 1)
    projection = compile_contract(contract, key, keys.keyring.keys("partner"))
    sealer = Sealer(ISSUER, signing_keys(keys.keyring)[-1], {contract.partner: keys.partner})
    cases = [disclosable(contract, order, number) for number, order in enumerate(islice(frauds(seed), count))]
    made: list[Message] = []

    def tell(kind: str, case: Disclosable, payload: bytes) -> None:
        event = json.loads(payload)
        sub_id = named(key, framed("sub_id", contract.partner, case.decision_id))
        sealed = sealer.seal(contract.partner, event["jti"], sub_id, contract.event_uri, payload, now_ms)
        claims = {"iss": ISSUER, "iat": now_ms // 1000, "jti": event["jti"], "aud": contract.partner}
        claims |= {"sub_id": {"format": "opaque", "id": sub_id}, "events": {contract.event_uri: event}}
        made.append(Message(event["jti"], kind, sealed, claims))

    for case in cases:
        tell("disclosure", case, projection.project(case))
    first = [message.jti for message in made]
    for case, jti, (status, kind) in zip(cases, first, STATUS.items(), strict=False):
        tell(kind, case, projection.withdrawal(case.decision_id, jti, status))
    for case, jti in zip(cases[2:3], first[2:3], strict=True):
        more = msgspec.structs.replace(case, reasons=(*case.reasons, CORRECTED))
        tell("correction", case, projection.project(more, supersedes=jti))
    return [*made, made[len(cases) - 1]._replace(kind="the same again")]


def frauds(seed: int) -> Iterator[OrderPlaced]:
    """Fraudulent orders of a made-up store, without end to speak of."""
    for each in simulate(Settings(seed=seed, days=28, orders_per_day=400, fraud_share=0.3)):
        if each.fraud and isinstance(each.event, OrderPlaced):
            yield each.event


def disclosable(contract: Contract, order: OrderPlaced, number: int) -> Disclosable:
    """An order in the example's case: what agencies, carriers and authorities say of it is made up as well."""
    like = example(contract)
    decision_id = f"orders:0:{number}"
    return msgspec.structs.replace(
        like,
        order=order,
        decision_id=decision_id,
        reasons=REASONS[: 1 + number % len(REASONS)],
        verification=like.verification
        and msgspec.structs.replace(like.verification, verification_ref=f"ver-{number}", verified_at=order.occurred_at),
        request=like.request and msgspec.structs.replace(like.request, decision_id=decision_id),
    )
