"""The API's endpoints, each a row: what it is called, what it needs, takes and gives."""

import msgspec

from review import finding, joining, overview, queue
from review.cases import Case
from review.console import doing, overseeing
from review.console.api import Asked, Endpoint
from review.console.api_types import (
    ActBody,
    CasePage,
    CaseSummary,
    ContestBody,
    Contested,
    Entry,
    Found,
    NoteBody,
    Orders,
    QueueQuery,
    RevealBody,
    Revealed,
    SearchBody,
    Trail,
    TrailQuery,
)
from review.views import CaseView, opened


def list_cases(asked: Asked) -> CasePage:
    wanted = queue.Filter(**msgspec.structs.asdict(asked.query))
    found = queue.page(asked.house.engine, wanted, asked.actor, now_ms=asked.house.clock())
    together = joining.groups(asked.house.engine, found.cases)
    return CasePage(tuple(summary_of(case) for case in found.cases), found.after, together)


def list_orders(asked: Asked) -> Orders:
    case = asked.house.cases.get(asked.path["case_id"])
    return Orders(tuple(summary_of(each) for each in joining.orders_of(asked.house.engine, case)))


def show_case(asked: Asked) -> CaseView:
    return opened(asked.house.cases.get(asked.path["case_id"]), asked.house.envelopes)


def act(asked: Asked) -> CaseSummary:
    body: ActBody = asked.body
    house, case_id = asked.house, asked.path["case_id"]
    return summary_of(doing.perform(house, asked.actor, case_id, body.action, body.version, body.reason, body.hours))


def contest(asked: Asked) -> Contested:
    case = doing.contest(asked.house, asked.actor, asked.path["case_id"], asked.body.reason)
    return Contested(case.decision_id, case.due_at_ms)


def note(asked: Asked) -> CaseSummary:
    return summary_of(doing.write_down(asked.house, asked.actor, asked.path["case_id"], asked.body.body))


def take_next(asked: Asked) -> CaseSummary | None:
    found = asked.house.desk.next(asked.actor, asked.house.clock())
    return None if found is None else summary_of(found)


def search(asked: Asked) -> Found:
    house, body = asked.house, asked.body
    found = finding.find(house.engine, house.blind, body.by, body.value, asked.actor, house.clock())
    return Found(tuple(summary_of(case) for case in found))


def reveal(asked: Asked) -> Revealed:
    case = asked.house.cases.get(asked.path["case_id"])
    return Revealed(asked.body.field, doing.see(asked.house, asked.actor, case, asked.body.field, asked.body.reason))


def oversee(asked: Asked) -> overview.Overview:
    return overview.overview(asked.house.engine, asked.house.clock())


def trail(asked: Asked) -> Trail:
    entries, before = overseeing.trail(asked.house.engine, asked.query.before)
    return Trail(tuple(Entry(**entry) for entry in entries), before)


def summary_of(case: Case) -> CaseSummary:
    values = {name: getattr(case, name) for name in CaseSummary.__struct_fields__ if name != "reasons"}
    return CaseSummary(**values, reasons=tuple(reason.code for reason in case.reasons))


ENDPOINTS = (
    Endpoint("GET", "/cases", "list_cases", list_cases, "queue.read", CasePage, query=QueueQuery),
    Endpoint("POST", "/cases/next", "take_next_case", take_next, "case.work", CaseSummary | None),
    Endpoint("GET", "/cases/{case_id}", "show_case", show_case, "case.read", CaseView),
    Endpoint("GET", "/cases/{case_id}/orders", "list_orders", list_orders, "case.read", Orders),
    Endpoint("POST", "/cases/{case_id}/actions", "act_on_case", act, "case.work", CaseSummary, body=ActBody),
    Endpoint("POST", "/cases/{case_id}/contest", "contest_block", contest, "case.contest", Contested, body=ContestBody),
    Endpoint("POST", "/cases/{case_id}/notes", "add_note", note, "case.work", CaseSummary, body=NoteBody),
    Endpoint("POST", "/cases/{case_id}/reveal", "reveal_value", reveal, "case.reveal", Revealed, body=RevealBody),
    Endpoint("POST", "/search", "search_cases", search, "queue.read", Found, body=SearchBody),
    Endpoint("GET", "/overview", "show_overview", oversee, "overview.read", overview.Overview),
    Endpoint("GET", "/audit", "list_audit", trail, "audit.read", Trail, query=TrailQuery),
)
