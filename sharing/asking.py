"""Requests of the law in SQL: each step with its audit leaf on the ledger, in one transaction.

What a step's leaf commits to is the JSON of `Step`: who has the case's salt can show who did what, and when; once the
case is erased nobody can.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import sqlalchemy as sa

from sharing import tables
from sharing.contracts import Contract
from sharing.disclosable import Request
from sharing.errors import RequestRefused
from sharing.ledger import leaves
from sharing.ledger.store import Ledger
from sharing.projector import Granted, Random
from sharing.requests import Action, LawRequest, asked, moved

_requests, _steps = tables.requests.c, tables.request_steps.c
Then = Callable[[sa.Connection, LawRequest], None]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what to a request, when, and where its audit leaf is on the ledger."""

    reference: str
    action: Action
    actor: str
    at_ms: int
    place: int


class Requests:
    """Every method but `granted` works inside a transaction of its caller's."""

    def __init__(self, ledger: Ledger, random: Random) -> None:
        self._ledger = ledger
        self._random = random

    def ask(self, connection: sa.Connection, request: LawRequest, contract: Contract | None, now_ms: int) -> LawRequest:
        """Enter a request. Raises RequestRefused, also for a reference that is known."""
        asked(request, contract, now_ms)
        if _found(connection, request.reference) is not None:
            raise RequestRefused("a request by that reference was entered before")
        row = msgspec.structs.asdict(request) | {"fields": msgspec.json.encode(request.fields).decode()}
        del row["approved_by"]
        connection.execute(sa.insert(tables.requests).values(row))
        self._note(connection, request, "ask", request.asked_by, now_ms)
        return request

    def move(
        self,
        connection: sa.Connection,
        reference: str,
        action: Action,
        actor: str,
        now_ms: int,
        then: Then | None = None,
    ) -> LawRequest:
        """Approve, refuse or have answered; `then` is part of the same transaction. Raises RequestRefused."""
        request = self.get(connection, reference)
        after = moved(request, action, actor, now_ms)
        connection.execute(sa.update(tables.requests).where(_requests.reference == reference).values(state=after.state))
        self._note(connection, after, action, actor, now_ms)
        if then is not None:
            then(connection, after)
        return after

    def get(self, connection: sa.Connection, reference: str) -> LawRequest:
        """The request, ours until the transaction ends. Raises RequestRefused where there is none."""
        request = _found(connection, reference)
        if request is None:
            raise RequestRefused("no request by that reference")
        return request

    def all(self, connection: sa.Connection) -> list[LawRequest]:
        references = connection.scalars(sa.select(_requests.reference).order_by(_requests.asked_at_ms)).all()
        return [self.get(connection, reference) for reference in references]

    def steps(self, connection: sa.Connection, reference: str) -> list[Step]:
        query = sa.select(tables.request_steps).where(_steps.reference == reference).order_by(_steps.place)
        return [Step(**row) for row in connection.execute(query).mappings()]

    def _note(self, connection: sa.Connection, request: LawRequest, action: Action, actor: str, now_ms: int) -> None:
        said = said_of(request.reference, action, actor, now_ms, request.fields)
        salt = self._random(leaves.SALT_BYTES)
        commitment = leaves.commitment(salt, request.case_id, "", said)
        leaf = leaves.Audited(at_ms=now_ms, action=f"request.{action}", commitment=commitment)
        (place,) = self._ledger.append(connection, [leaf])
        self._ledger.remember(connection, place, request.case_id, "", salt)
        step = Step(reference=request.reference, action=action, actor=actor, at_ms=now_ms, place=place)
        connection.execute(sa.insert(tables.request_steps).values(msgspec.structs.asdict(step)))


def said_of(reference: str, action: Action, actor: str, at_ms: int, fields: tuple[str, ...]) -> bytes:
    """What the audit leaf of a step commits to."""
    said = {"reference": reference, "action": action, "actor": actor, "at_ms": at_ms, "fields": fields}
    return msgspec.json.encode(said, order="deterministic")


def granted(connection: sa.Connection, reference: str | None, now_ms: int) -> Granted | None:
    """The request that a trigger names, if its answer was ordered and it has not expired."""
    request = _found(connection, reference or "", lock=False)
    if request is None or request.state != "answered" or request.expires_at_ms <= now_ms:
        return None
    return Granted(
        partner=request.partner,
        request=Request(
            reference=request.reference,
            decision_id=request.case_id,
            fields=request.fields,
            expires_at_ms=request.expires_at_ms,
            approved_by=request.approved_by,
        ),
    )


def _found(connection: sa.Connection, reference: str, *, lock: bool = True) -> LawRequest | None:
    query: Any = sa.select(tables.requests).where(_requests.reference == reference)
    row = connection.execute(query.with_for_update() if lock else query).mappings().one_or_none()
    if row is None:
        return None
    approvals = (
        sa.select(_steps.actor).where(_steps.reference == reference, _steps.action == "approve").order_by(_steps.place)
    )
    fields = msgspec.json.decode(row["fields"], type=tuple[str, ...])
    return LawRequest(**{**row, "fields": fields, "approved_by": tuple(connection.scalars(approvals))})
