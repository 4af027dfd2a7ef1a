"""Finding cases by what somebody has at hand, and seeing one value in clear: both limited, both in the audit trail.

What is searched for is never kept: an e-mail address and a phone number become blind indexes first.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec
import sqlalchemy as sa

from events import canonical
from events.cards import fold_digits
from events.types import Address
from review import tables
from review.access.store import note
from review.cases import Case, Personal
from review.errors import NotFindable, TooMany
from review.masking import plain
from review.store import case_of
from vault.blind_index import BlindIndex
from vault.envelopes import Envelopes

By = Literal["order", "last4", "email", "phone"]
MOST = 50
HOUR_MS = 3_600_000
SEARCHES_AN_HOUR, REVEALS_AN_HOUR = 120, 30

_PERSONAL = msgspec.json.Decoder(Personal)
_CASES = tables.cases.c

REVEALABLE: Mapping[str, Callable[[Personal], str | None]] = {
    "name": lambda held: held.contact.name,
    "email": lambda held: held.contact.email,
    "phone": lambda held: held.contact.phone,
    "billing": lambda held: _address(held.billing),
    "shipping": lambda held: _address(held.shipping),
    "ip": lambda held: held.ip,
    "user_agent": lambda held: held.user_agent,
}


def find(engine: sa.Engine, blind: BlindIndex, by: By, value: str, actor: str, now_ms: int) -> tuple[Case, ...]:
    """Cases of an order, a card's last four digits, an e-mail address or a phone number, the newest first.

    Digits are read in any script. An order's id that finds nothing is tried in capitals and in small letters.
    Raises NotFindable for a value that is none of its kind, TooMany for somebody who searched too often in an hour.
    """
    value = value.strip()
    condition = _condition(blind, by, value)
    with engine.begin() as connection:
        _counted(connection, actor, "search", SEARCHES_AN_HOUR, now_ms, None, by)
        found = _newest(connection, condition)
        return found or (_newest(connection, _CASES.order_id.in_(_spelt(value))) if by == "order" else ())


def _newest(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> tuple[Case, ...]:
    newest = sa.select(tables.cases).where(condition).order_by(_CASES.opened_at_ms.desc(), _CASES.decision_id)
    return tuple(case_of(row) for row in connection.execute(newest.limit(MOST)).mappings())


def _spelt(order_id: str) -> tuple[str, ...]:
    """An order's id in capitals and in small letters, with digits as a shop writes them: what an index answers."""
    folded = fold_digits(order_id)
    return (folded, folded.upper(), folded.lower())


def reveal(engine: sa.Engine, envelopes: Envelopes, case: Case, field: str, actor: str, now_ms: int) -> str | None:
    """One value of the case in clear, safe to print; None where there is none.

    Raises NotFindable for an unknown field or a case without an envelope, TooMany, and Erased of the vault.
    """
    read = REVEALABLE.get(field)
    if read is None or case.envelope is None:
        raise NotFindable("there is no such value in this case")
    with engine.begin() as connection:
        _counted(connection, actor, "reveal", REVEALS_AN_HOUR, now_ms, case.decision_id, field)
    value = read(_PERSONAL.decode(envelopes.open(case.subject, case.order_id, "order", case.envelope)))
    return None if value is None else plain(value, 400)


def _condition(blind: BlindIndex, by: By, value: str) -> sa.ColumnElement[bool]:
    if by == "order" and 0 < len(value) <= 64:
        return _CASES.order_id == value
    if by == "last4" and len(value) == 4 and value.isdecimal():
        return _CASES.last4 == fold_digits(value)
    if by == "email" and (email := canonical.email(value)):
        return _CASES.email_index == blind("email", email)
    if by == "phone" and (phone := canonical.phone(value, None)):
        return _CASES.phone_index == blind("phone", phone)
    raise NotFindable(
        "expected an order's id, four digits, an e-mail address or a phone number with its country's code"
    )


def _counted(
    connection: sa.Connection, actor: str, action: str, most: int, now_ms: int, case_id: str | None, field: str
) -> None:
    """The audit trail is the count: what was not written down did not happen."""
    trail = tables.audit.c
    since = (trail.actor == actor, trail.action == action, trail.at_ms > now_ms - HOUR_MS)
    if connection.execute(sa.select(sa.func.count()).where(*since)).scalar_one() >= most:
        raise TooMany("{most} an hour are allowed; wait a while", most=most)
    note(connection, actor, action, now_ms, case_id, [field])


def _address(place: Address | None) -> str | None:
    if place is None:
        return None
    values = msgspec.structs.asdict(place).values()
    return ", ".join(str(value) for value in values if value)
