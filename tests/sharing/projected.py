"""A projector over an empty database, with made-up cases, made-up keys and every worked contract."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from history.database import migrate
from review.database import upgrade
from review.triggers import Kind, TriggerTable, put
from sharing.contracts import FOLDER, Contract, load
from sharing.database import LOCK, MIGRATIONS
from sharing.delivery.schedule import Schedule
from sharing.disclosable import Disclosable, Fulfilment, Material, Verification
from sharing.grouping import Grouping
from sharing.ledger.store import Ledger
from sharing.projecting import Projecting, Step
from sharing.projection import compile_contract
from sharing.projector import Draw, Projector
from sharing.tokens import Opener, Sealer
from sharing.tokens.keys import partner_keys
from tests.sharing import sealed
from tests.sharing.orders import ORDER
from vault.errors import Tampered

NOW_MS = 1_772_420_400_000  # 2026-03-02, a Monday, 03:00 UTC
KEY = b"k" * 32
CONTRACTS = {path.stem: load(path) for path in sorted(FOLDER.glob("*.yaml"))}
PRIVATE = {name: sealed.private_set(20 + 10 * place) for place, name in enumerate(CONTRACTS)}
PARTNERS = {name: partner_keys(name, sealed.public_set(own), name) for name, own in PRIVATE.items()}


class MadeUpCases:
    """Cases by id; every one is of a customer of its own unless it says otherwise."""

    def __init__(self) -> None:
        self.changes: dict[str, dict[str, Any]] = {}
        self.gone: set[str] = set()
        self.tampered: set[str] = set()

    def disclosable(self, case_id: str) -> Disclosable | None:
        if case_id in self.tampered:
            raise Tampered("changed")
        return None if case_id in self.gone else disclosable(case_id, **self.changes.get(case_id, {}))


def disclosable(case_id: str, **changes: Any) -> Disclosable:
    customer = changes.pop("customer", f"cus-{case_id.rpartition(':')[2]}")
    order = msgspec.structs.replace(Material.of(ORDER), customer_id=customer)
    values: dict[str, Any] = {
        "order": order,
        "decision_id": case_id,
        "outcome": "block",
        "reasons": ("card.velocity",),
        "verification": Verification(
            agency="verification-agency",
            verification_ref="ver-1",
            result="failed",
            failed_check="document",
            verified_at=ORDER.occurred_at,
        ),
        "fulfilment": Fulfilment(instruction="hold", deadline=ORDER.occurred_at),
    }
    return Disclosable(**(values | changes))


class Desk:
    """The projector and all that it needs; `clock` is a list with the time in it."""

    def __init__(
        self,
        engine: sa.Engine,
        partners: Any = None,
        random: Callable[[int], bytes] = os.urandom,
        contracts: Sequence[Contract] = tuple(CONTRACTS.values()),
        draw: Draw = lambda _: 0,
        replaced: Mapping[bytes, bytes] | None = None,
    ) -> None:
        upgrade(engine)
        migrate(engine, MIGRATIONS, LOCK)
        self.engine = engine
        self.cases = MadeUpCases()
        self.clock = [NOW_MS]
        self.ledger = Ledger()
        sealer = Sealer(sealed.ISSUER, sealed.OURS, PARTNERS if partners is None else partners)
        projections = [compile_contract(contract, KEY, [b"r" * 32]) for contract in contracts]
        projector = Projector(projections, sealer, KEY, random, draw, replaced)
        batch = [each for each in projections if each.contract.delivery == "batch"]
        self.projecting = Projecting(
            engine=engine,
            triggers=TriggerTable(),
            cases=self.cases,
            projector=projector,
            grouping=Grouping(batch, projector, KEY, lambda _: None),
            ledger=self.ledger,
            schedule=Schedule(),
            clock=lambda: self.clock[0],
        )

    def trigger(self, kind: Kind, *case_ids: str, reference: str | None = None) -> None:
        with self.engine.begin() as connection:
            put(connection, kind, case_ids, reference)

    def run(self, kind: Kind, *case_ids: str, reference: str | None = None) -> Step:
        """Leave triggers and project until none is left; what the last step with something to do has done."""
        if kind == "cleared":
            for case_id in case_ids:
                self.cases.changes[case_id] = self.cases.changes.get(case_id, {}) | {"verdict": "cleared"}
        self.trigger(kind, *case_ids, reference=reference)
        return self.settle()

    def settle(self) -> Step:
        recorded, failures, taken = [], [], 0
        while (step := self.projecting.step()).taken:
            taken += step.taken
            recorded += step.recorded
            failures += step.failures
        return Step(taken, recorded, failures)

    def rows(self, table: str, order: str = "1") -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(sa.text(f"SELECT * FROM {table} ORDER BY {order}")).mappings())

    def told(self, partner: str) -> list[dict[str, Any]]:
        """What a partner opens of all that was ever made for it, and still waits to be sent."""
        opener = Opener(PRIVATE[partner], sealed.JWKS, issuer=sealed.ISSUER, audience=partner)
        rows = [row for row in self.rows("sharing_outbox", "place") if row["partner"] == partner]
        return [msgspec.json.decode(opener.open(bytes(row["sealed"])).event) for row in rows]

    def counts(self) -> dict[str, int]:
        tables = ("review_triggers", "sharing_leaves", "sharing_lookup", "sharing_disclosures", "sharing_outbox")
        return {name.partition("_")[2]: len(self.rows(name)) for name in tables}
