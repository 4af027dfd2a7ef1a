"""What stands beside a case on its page, read from the other rooms' tables; and the ledger's receipts."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from history.links import Kind, Past, Said
from review import opinions, panels
from review.access.store import note
from review.cases import Case
from review.console.house import House
from review.console.people import Person
from review.console.picture import MOST_ORDERS, Picture, drawn
from review.console.routes import Form, Way, refused
from review.console.telling import FIELDS, OPERATORS
from review.console.words import Words, marked
from review.opinions import Opinion
from sharing.contracts import Contract

PAST_OF: tuple[Kind, ...] = ("customer", "card", "device")
KINDS: Mapping[Kind, str] = {
    "customer": marked("customer"),
    "card": marked("card"),
    "device": marked("device"),
    "ip": marked("internet address"),
    "address": marked("delivery address"),
    "session": marked("visit"),
}
MODES = {
    "model": marked("the model"),
    "rules": marked("the rules"),
    "refused": marked("the guard, which refused the order"),
    "fallback": marked("the fallback, as the model could not be asked"),
    "analyst": marked("an analyst"),
}
MISSING: Mapping[panels.Missing, str] = {
    "no session": marked("The order named no session: cookies were refused."),
    "no page": marked("No page of the session was known when the case opened."),
    "not kept": marked("The visit was not kept with this case."),
}
STATES = {
    "pending": marked("waits to be sent"),
    "delivered": marked("delivered, not answered yet"),
    "acknowledged": marked("acknowledged"),
    "refused": marked("refused by the partner"),
    "overdue": marked("the answer is overdue"),
    "corrected": marked("corrected since"),
    "withdrawn": marked("withdrawn since"),
    "deleted": marked("deleted since"),
}
MESSAGES = {
    "disclosure": marked("Told"),
    "correction": marked("Correction"),
    "withdrawal": marked("Withdrawal"),
    "deletion": marked("Deletion"),
    "notice": marked("Notice"),
}
PARTNERS = {
    "financial_institution": marked("Bank or payment provider"),
    "verification_agency": marked("Verification agency"),
    "law_enforcement": marked("Law enforcement"),
    "merchant": marked("Another shop"),
    "service_provider": marked("Service provider"),
    "successor": marked("Successor of the shop"),
}
LABELS = {
    "chargeback": marked("chargeback"),
    "confirmed": marked("confirmed fraud"),
    "dismissed": marked("approved"),
}


class Partner(NamedTuple):
    """`fields`: what it would get, each in words and how; None where no contract is in force."""

    name: str
    kind: str | None
    messages: tuple[panels.Told, ...]
    fields: tuple[tuple[str, str], ...] | None


class Beside(NamedTuple):
    """`indexed`: whether there is an index to ask; `signed`: how many of the ledger's entries have receipts."""

    visit: tuple[panels.Step, ...]
    missing: str | None
    others: tuple[panels.Other, ...]
    indexed: bool
    said: Said | None
    pasts: tuple[tuple[str, Past], ...]
    picture: Picture | None
    cases: frozenset[str]
    partners: tuple[Partner, ...]
    signed: int
    kinds: Mapping[Kind, str] = KINDS
    modes: Mapping[str, str] = MODES
    states: Mapping[str, str] = STATES
    messages: Mapping[str, str] = MESSAGES
    labels: Mapping[str, str] = LABELS


def of(house: House, case: Case, person: Person, words: Words, hidden: Opinion | None) -> Beside:
    """`hidden`: the first verdict of a case that is back, which nobody may know of (review.opinions)."""
    visit = panels.visit(case, house.envelopes)
    said = house.links.said(case.decision_id) if house.links else None
    if hidden is not None and said is not None:
        said = _unsaid(said, case)
    shared = house.links.shared(said.entities, case.order_id, MOST_ORDERS) if house.links and said else ()
    return Beside(
        visit=visit if isinstance(visit, tuple) else (),
        missing=None if isinstance(visit, tuple) else MISSING[visit],
        others=panels.others(house.engine, case),
        indexed=house.links is not None,
        said=said,
        pasts=tuple(_pasts(house, said)),
        picture=drawn(shared, mirrored=words.direction == "rtl") if shared else None,
        cases=house.cases.known([each.decision_id for each in shared]),
        partners=_partners(house, case, person, words, hidden),
        signed=panels.signed(house.engine) if house.shares else 0,
    )


def _unsaid(said: Said, case: Case) -> Said:
    """As before a person decided: the case is back for a second opinion."""
    return msgspec.structs.replace(said, mode=case.mode, outcome=case.outcome, decided_at_ms=case.opened_at_ms)


def _pasts(house: House, said: Said | None) -> list[tuple[str, Past]]:
    if house.links is None or said is None:
        return []
    named = [(kind, getattr(said.entities, kind)) for kind in PAST_OF]
    found = [(kind, house.links.past(kind, entity)) for kind, entity in named if entity is not None]
    return [(KINDS[kind], past) for kind, past in found if past is not None]


def _partners(house: House, case: Case, person: Person, words: Words, hidden: Opinion | None) -> tuple[Partner, ...]:
    """Every partner that the person may know of; a partner of an unknown kind might be law enforcement."""
    today = datetime.fromtimestamp(house.clock() / 1000, UTC).date()
    known = {each.partner: each for each in house.contracts if _may_know(person, each)}
    told = _told(house, case, person, hidden)
    names = sorted({*known, *(each.partner for each in told)})
    return tuple(
        Partner(
            name,
            PARTNERS[known[name].kind] if name in known else None,
            tuple(each for each in told if each.partner == name),
            _fields(known[name], words) if name in known and known[name].in_force(today) else None,
        )
        for name in names
    )


def _may_know(person: Person, contract: Contract) -> bool:
    return contract.kind != "law_enforcement" or person.may("law.read")


def _told(house: House, case: Case, person: Person, hidden: Opinion | None) -> tuple[panels.Told, ...]:
    if not house.shares:
        return ()
    partners = {each.partner for each in house.contracts if _may_know(person, each)}
    told = panels.told(house.engine, case, None if person.may("law.read") else partners)
    return told if hidden is None else tuple(each for each in told if each.made_at_ms < hidden.decided_at_ms)


def _fields(contract: Contract, words: Words) -> tuple[tuple[str, str], ...]:
    """No value of the order: the field's meaning, and how it would leave."""
    return tuple(
        (words.text(FIELDS[each.name]), words.text(OPERATORS[str(each.__struct_config__.tag)]))
        for each in contract.fields
    )


def receipt(house: House, request: Request, person: Person, _: Form) -> Response:
    """Of an entry about this case that the person may know of; of no other, whatever its place."""
    case = house.cases.get(request.path_params["case_id"])
    place = request.query_params.get("place", "")
    hidden = opinions.hidden(house.engine, case.decision_id)
    if not any(str(each.place) == place for each in _told(house, case, person, hidden)):
        return refused(house, request, person, 404, marked("There is no such receipt."))
    text = panels.receipt(house.engine, int(place))
    if text is None:
        return refused(house, request, person, 404, marked("No signed checkpoint covers this entry yet; try later."))
    with house.engine.begin() as connection:
        note(connection, person.name, "receipt", house.clock(), case.decision_id)
    named = {"content-disposition": f'attachment; filename="{int(place)}.tlog-proof"'}
    return Response(text, media_type="text/plain", headers=named)


WAYS = (Way("GET", "/cases/{case_id}/receipt", receipt, "case.read"),)
