"""A decision on the order of tests/sharing, and what a case of it is sealed with."""

import os
from typing import Any

import msgspec
from argon2 import PasswordHasher

from events.facts import Coordinates
from models.decisions import Decision, Reason
from review.opener import Vault
from vault.blind_index import BlindIndex
from vault.envelopes import Envelopes, SubjectKeys
from vault.keyring import Keyring

WORD = "correct horse battery"
# argon2id at its quickest, which is quick to verify too: only the tests of accounts are about how long it takes.
PASSWORD = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(WORD)
NOW_MS = 1_772_403_400_000
DECISION = Decision(
    decision_id="topic:0:17",
    revision=1,
    order_id="ord-1",
    source=Coordinates("orders", "topic", 0, 17),
    occurred_at_ms=1_772_403_309_000,
    outcome="block",
    mode="model",
    score=0.97,
    reasons=(Reason("card.velocity", "card.orders.count.1h", 7.0), Reason("customer.age")),
    amount_minor=129_950,
    currency="SAR",
)


def decision(number: int = 17, **changes: Any) -> Decision:
    values = {"decision_id": f"topic:0:{number}", "source": Coordinates("orders", "topic", 0, number)} | changes
    return msgspec.structs.replace(DECISION, **values)


def vault(keyring: Keyring, subjects: SubjectKeys) -> Vault:
    return Vault(Envelopes(keyring, subjects, os.urandom), BlindIndex(keyring))
