"""The API's endpoints, each a row: what it is called, what it needs, takes and gives."""

import msgspec

from review import finding, overview, queue
from review.cases import Case
from review.console import doing, erasing, law, overseeing
from review.console.api import Asked, Endpoint
from review.console.api_law import RequestActBody, RequestBody, RequestDetails, Requested, RequestStep, RequestSummary
from review.console.api_types import (
    ActBody,
    CasePage,
    CaseSummary,
    ContestBody,
    Contested,
    Entry,
    EraseBody,
    Erasure,
    Found,
    NoteBody,
    QueueQuery,
    RevealBody,
    Revealed,
    SearchBody,
    Trail,
    TrailQuery,
)
from review.law import Asking
from review.views import CaseView, opened
from sharing.requests import LawRequest

_STEP = RequestStep.__struct_fields__


def list_cases(asked: Asked) -> CasePage:
    wanted = queue.Filter(**msgspec.structs.asdict(asked.query))
    found = queue.page(asked.house.engine, wanted, asked.actor, now_ms=asked.house.clock())
    return CasePage(tuple(summary_of(case) for case in found.cases), found.after)


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
    entries, before = overseeing.trail(asked.house.engine, asked.query.before, law="law.read" in asked.may)
    return Trail(tuple(Entry(**entry) for entry in entries), before)


def erase(asked: Asked) -> Erasure:
    case = asked.house.cases.get(asked.path["case_id"])
    return Erasure(erasing.done(asked.house, asked.actor, case, asked.body.order_id))


def list_requests(asked: Asked) -> Requested:
    found = law.desk(asked.house).all(asked.actor, asked.house.clock())
    return Requested(tuple(map(request_of, found)))


def show_request(asked: Asked) -> RequestDetails:
    shown = law.desk(asked.house).one(asked.path["reference"], asked.actor, asked.house.clock())
    steps = tuple(RequestStep(**{name: getattr(step, name) for name in _STEP}) for step in shown.steps)
    return RequestDetails(request_of(shown.request), steps)


def enter_request(asked: Asked) -> RequestSummary:
    body = asked.body
    case = asked.house.cases.get(body.case_id)
    fields = msgspec.structs.asdict(body) | {"case_id": case.decision_id}
    return request_of(law.desk(asked.house).ask(Asking(**fields), asked.actor, asked.house.clock()))


def move_request(asked: Asked) -> RequestSummary:
    desk, reference = law.desk(asked.house), asked.path["reference"]
    return request_of(desk.move(reference, asked.body.action, asked.actor, asked.house.clock()))


def request_of(request: LawRequest) -> RequestSummary:
    return RequestSummary(**msgspec.structs.asdict(request))


def summary_of(case: Case) -> CaseSummary:
    values = {name: getattr(case, name) for name in CaseSummary.__struct_fields__ if name != "reasons"}
    return CaseSummary(**values, reasons=tuple(reason.code for reason in case.reasons))


ENDPOINTS = (
    Endpoint("GET", "/cases", "list_cases", list_cases, "queue.read", CasePage, query=QueueQuery),
    Endpoint("POST", "/cases/next", "take_next_case", take_next, "case.work", CaseSummary | None),
    Endpoint("GET", "/cases/{case_id}", "show_case", show_case, "case.read", CaseView),
    Endpoint("POST", "/cases/{case_id}/actions", "act_on_case", act, "case.work", CaseSummary, body=ActBody),
    Endpoint("POST", "/cases/{case_id}/contest", "contest_block", contest, "case.contest", Contested, body=ContestBody),
    Endpoint("POST", "/cases/{case_id}/notes", "add_note", note, "case.work", CaseSummary, body=NoteBody),
    Endpoint("POST", "/cases/{case_id}/reveal", "reveal_value", reveal, "case.reveal", Revealed, body=RevealBody),
    Endpoint("POST", "/search", "search_cases", search, "queue.read", Found, body=SearchBody),
    Endpoint("GET", "/overview", "show_overview", oversee, "overview.read", overview.Overview),
    Endpoint("POST", "/cases/{case_id}/erase", "erase_customer", erase, "case.erase", Erasure, body=EraseBody),
    Endpoint("GET", "/requests", "list_requests", list_requests, "law.read", Requested),
    Endpoint("POST", "/requests", "enter_request", enter_request, "law.work", RequestSummary, body=RequestBody),
    Endpoint("GET", "/requests/{reference}", "show_request", show_request, "law.read", RequestDetails),
    Endpoint(
        "POST",
        "/requests/{reference}/actions",
        "act_on_request",
        move_request,
        "law.work",
        RequestSummary,
        body=RequestActBody,
    ),
    Endpoint("GET", "/audit", "list_audit", trail, "audit.read", Trail, query=TrailQuery),
)
