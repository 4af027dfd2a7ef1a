"""What stands beside a case: the customer's other cases, related ones, what partners have got, the visit's pages."""

from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from history.database import reading
from history.pages import Page
from review import tables
from review.cases import Case
from review.masking import plain
from review.store import case_of
from review.views import personal
from sharing import tables as sharing
from sharing.ledger.receipts import Receipt
from sharing.ledger.store import Ledger
from vault.envelopes import Envelopes
from vault.errors import Erased

MOST = 20
Related = Literal["customer", "email", "phone"]
_CASES = tables.cases.c


class Other(msgspec.Struct, frozen=True):
    """Another case and what it has in common with this one; its order's data stay sealed under its own key."""

    case: Case
    by: tuple[Related, ...]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one partner about a case; `place` is its leaf's on the ledger."""

    partner: str
    kind: str
    state: str
    place: int
    made_at_ms: int
    answered_at_ms: int | None


class Step(msgspec.Struct, frozen=True):
    """A page of the visit; `after_ms`: since the page before, None of the first."""

    page: Page
    after_ms: int | None


Missing = Literal["no session", "no page", "not kept"]


def others(engine: sa.Engine, case: Case) -> tuple[Other, ...]:
    """The newest cases of the same customer, e-mail address or telephone number, by blind indexes alone."""
    known = (
        (_CASES.subject, case.subject),
        (_CASES.email_index, case.email_index),
        (_CASES.phone_index, case.phone_index),
    )
    queries = [_newest(column == value, case) for column, value in known if value is not None]
    with reading(engine) as connection:
        rows = connection.execute(sa.union_all(*queries)).mappings()
        found = {row["decision_id"]: case_of(row) for row in rows}
    newest_first = sorted(found.values(), key=lambda each: (-each.opened_at_ms, each.decision_id))
    return tuple(Other(each, _by(case, each)) for each in newest_first[:MOST])


def _newest(condition: sa.ColumnElement[bool], case: Case) -> sa.Select[Any]:
    query = sa.select(tables.cases).where(condition, _CASES.decision_id != case.decision_id)
    return sa.select(query.order_by(_CASES.opened_at_ms.desc(), _CASES.decision_id).limit(MOST).subquery())


def _by(case: Case, other: Case) -> tuple[Related, ...]:
    pairs: Mapping[Related, tuple[str | None, str | None]] = {
        "customer": (case.subject, other.subject),
        "email": (case.email_index, other.email_index),
        "phone": (case.phone_index, other.phone_index),
    }
    return tuple(name for name, (mine, theirs) in pairs.items() if mine is not None and mine == theirs)


def told(engine: sa.Engine, case: Case, partners: Collection[str] | None) -> tuple[Told, ...]:
    """What these partners (None: all) have got of the case, the oldest first; of any other partner nothing."""
    columns = [sharing.disclosures.c[name] for name in Told.__struct_fields__]
    query = (
        sa.select(*columns)
        .where(sharing.disclosures.c.case_id == case.decision_id)
        .order_by(sharing.disclosures.c.made_at_ms, sharing.disclosures.c.place)
    )
    if partners is not None:
        query = query.where(sharing.disclosures.c.partner.in_(sorted(partners)))
    with reading(engine) as connection:
        return tuple(Told(**row) for row in connection.execute(query).mappings())


def signed(engine: sa.Engine) -> int:
    """How many entries of the ledger a signed checkpoint covers: those have receipts."""
    with reading(engine) as connection:
        return connection.scalar(sa.select(sa.func.max(sharing.checkpoints.c.size))) or 0


def receipt(engine: sa.Engine, place: int) -> bytes | None:
    """The proof that the ledger has that entry; None until a signed checkpoint covers it. Raises LedgerError."""
    signed = sharing.checkpoints.c
    newest = sa.select(signed.size, signed.signed).where(signed.size > place).order_by(signed.size.desc()).limit(1)
    ledger = Ledger()
    with reading(engine) as connection:
        row: Any = connection.execute(newest).one_or_none()
        if row is None:
            return None
        proof = ledger.inclusion(connection, place, row.size)
        return Receipt(place, ledger.body(connection, place), tuple(proof), bytes(row.signed)).text()


def visit(case: Case, envelopes: Envelopes) -> tuple[Step, ...] | Missing:
    """The pages before the order, the oldest first, their routes fit to be shown; or why there are none."""
    try:
        held = personal(case, envelopes)
    except Erased:
        return "not kept"
    if held is None or held.path is msgspec.UNSET:
        return "not kept"
    if not held.path:
        return "no session" if held.path is None else "no page"
    since = (None, *(page.at_ms - before.at_ms for before, page in pairwise(held.path)))
    pages = (msgspec.structs.replace(page, route=plain(page.route)) for page in held.path)
    return tuple(Step(page, after_ms) for page, after_ms in zip(pages, since, strict=True))
