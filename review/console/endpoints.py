"""The API's endpoints, each a row: what it is called, what it needs, takes and gives."""

from collections.abc import Sequence

import msgspec

from review import finding, joining, overview, questions, queue, tags
from review.cases import Case
from review.console import bulk, doing, erasing, exporting, law, overseeing
from review.console.api import Asked, Endpoint
from review.console.api_law import RequestActBody, RequestBody, RequestDetails, Requested, RequestStep, RequestSummary
from review.console.api_types import (
    ActBody,
    AnswerBody,
    Answered,
    AssignBody,
    Bulk,
    BulkBody,
    BulkUndoBody,
    CasePage,
    CaseSummary,
    ContestBody,
    Contested,
    Entry,
    EraseBody,
    Erasure,
    Found,
    KeepBody,
    LeftCase,
    Many,
    NoteBody,
    Orders,
    Questions,
    QueueQuery,
    RevealBody,
    Revealed,
    SearchBody,
    TagBody,
    Trail,
    TrailQuery,
    Versioned,
)
from review.console.house import House
from review.health import Health
from review.law import Asking
from review.views import CaseView, opened
from sharing.requests import LawRequest

_STEP = RequestStep.__struct_fields__


def list_cases(asked: Asked) -> CasePage:
    wanted = queue.Filter(**msgspec.structs.asdict(asked.query))
    found = queue.page(asked.house.engine, wanted, asked.actor, now_ms=asked.house.clock())
    together = joining.groups(asked.house.engine, found.cases)
    return CasePage(summaries(asked.house, found.cases), found.after, together)


def export_queue(asked: Asked) -> exporting.File:
    return exporting.queue_sheet(asked.house, queue.Filter(**msgspec.structs.asdict(asked.query)), asked.actor)


def export_audit(asked: Asked) -> exporting.File:
    return exporting.audit_sheet(asked.house, asked.query.before, asked.actor, law="law.read" in asked.may)


def list_orders(asked: Asked) -> Orders:
    case = asked.house.cases.get(asked.path["case_id"])
    return Orders(summaries(asked.house, joining.orders_of(asked.house.engine, case)))


def show_case(asked: Asked) -> CaseView:
    return opened(asked.house.cases.get(asked.path["case_id"]), asked.house.envelopes)


def act(asked: Asked) -> CaseSummary:
    body: ActBody = asked.body
    house, case_id = asked.house, asked.path["case_id"]
    action, question = body.action, body.question
    case = doing.perform(house, asked.actor, case_id, action, body.version, body.reason, body.hours, question)
    return summary_of(house, case)


def assign(asked: Asked) -> CaseSummary:
    body: AssignBody = asked.body
    return summary_of(asked.house, doing.assign(asked.house, asked.actor, asked.path["case_id"], body.to, body.version))


def keep(asked: Asked) -> CaseSummary:
    body: KeepBody = asked.body
    return summary_of(asked.house, doing.keep(asked.house, asked.actor, asked.path["case_id"], body.version, body.kept))


def tag(asked: Asked) -> CaseSummary:
    body: TagBody = asked.body
    return summary_of(asked.house, doing.tag(asked.house, asked.actor, asked.path["case_id"], body.put, body.off))


def decide_many(asked: Asked) -> Bulk:
    body: BulkBody = asked.body
    return _bulk(bulk.decide_all(asked.house, asked.actor, body.verdict, body.reason, _versions(body.cases)))


def undo_many(asked: Asked) -> Bulk:
    return _bulk(bulk.undo_all(asked.house, asked.actor, _versions(asked.body.cases)))


def _versions(cases: Many) -> bulk.Versions:
    return {case.decision_id: case.version for case in cases}


def _bulk(found: bulk.Outcome) -> Bulk:
    done = tuple(Versioned(case.decision_id, case.version) for case in found.done)
    return Bulk(done, tuple(LeftCase(each.case_id, each.why) for each in found.left))


def contest(asked: Asked) -> Contested:
    case = doing.contest(asked.house, asked.actor, asked.path["case_id"], asked.body.reason)
    return Contested(case.decision_id, case.due_at_ms)


def answer(asked: Asked) -> Answered:
    body: AnswerBody = asked.body
    doing.answer(asked.house, asked.actor, asked.path["case_id"], body.question_id, body.answer)
    return Answered(body.question_id, body.answer)


def list_questions(asked: Asked) -> Questions:
    return Questions(questions.of(asked.house.engine, asked.house.cases.get(asked.path["case_id"]).decision_id))


def note(asked: Asked) -> CaseSummary:
    return summary_of(asked.house, doing.write_down(asked.house, asked.actor, asked.path["case_id"], asked.body.body))


def take_next(asked: Asked) -> CaseSummary | None:
    found = asked.house.desk.next(asked.actor, asked.house.clock())
    return None if found is None else summary_of(asked.house, found)


def search(asked: Asked) -> Found:
    house, body = asked.house, asked.body
    found = finding.find(house.engine, house.blind, body.by, body.value, asked.actor, house.clock())
    return Found(summaries(house, found))


def reveal(asked: Asked) -> Revealed:
    case = asked.house.cases.get(asked.path["case_id"])
    return Revealed(asked.body.field, doing.see(asked.house, asked.actor, case, asked.body.field, asked.body.reason))


def oversee(asked: Asked) -> overview.Overview:
    return overview.overview(asked.house.engine, asked.house.clock())


def health(asked: Asked) -> Health:
    return overseeing.health_of(asked.house, law="law.read" in asked.may)


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


def summaries(house: House, cases: Sequence[Case]) -> tuple[CaseSummary, ...]:
    held = tags.of(house.engine, [case.decision_id for case in cases])
    return tuple(_summary(case, held[case.decision_id]) for case in cases)


def summary_of(house: House, case: Case) -> CaseSummary:
    return summaries(house, [case])[0]


def _summary(case: Case, held: tuple[str, ...]) -> CaseSummary:
    taken = set(CaseSummary.__struct_fields__) - {"reasons", "tags"}
    values = {name: getattr(case, name) for name in taken}
    return CaseSummary(**values, reasons=tuple(reason.code for reason in case.reasons), tags=held)


ENDPOINTS = (
    Endpoint("GET", "/cases", "list_cases", list_cases, "queue.read", CasePage, query=QueueQuery),
    Endpoint("POST", "/cases/next", "take_next_case", take_next, "case.work", CaseSummary | None),
    Endpoint("GET", "/cases/{case_id}", "show_case", show_case, "case.read", CaseView),
    Endpoint("GET", "/cases/{case_id}/orders", "list_orders", list_orders, "case.read", Orders),
    Endpoint("POST", "/cases/{case_id}/actions", "act_on_case", act, "case.work", CaseSummary, body=ActBody),
    Endpoint("POST", "/cases/{case_id}/contest", "contest_block", contest, "case.contest", Contested, body=ContestBody),
    Endpoint("POST", "/cases/{case_id}/answers", "answer_question", answer, "case.answer", Answered, body=AnswerBody),
    Endpoint("GET", "/cases/{case_id}/questions", "list_questions", list_questions, "case.read", Questions),
    Endpoint("POST", "/cases/{case_id}/notes", "add_note", note, "case.work", CaseSummary, body=NoteBody),
    Endpoint("POST", "/cases/{case_id}/reveal", "reveal_value", reveal, "case.reveal", Revealed, body=RevealBody),
    Endpoint("POST", "/cases/{case_id}/assign", "assign_case", assign, "case.assign", CaseSummary, body=AssignBody),
    Endpoint("POST", "/cases/{case_id}/keep", "keep_case", keep, "case.work", CaseSummary, body=KeepBody),
    Endpoint("POST", "/cases/{case_id}/tags", "tag_case", tag, "case.work", CaseSummary, body=TagBody),
    Endpoint("POST", "/bulk", "decide_many_cases", decide_many, "case.bulk", Bulk, body=BulkBody),
    Endpoint("POST", "/bulk/undo", "undo_many_cases", undo_many, "case.bulk", Bulk, body=BulkUndoBody),
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
    Endpoint("GET", "/overview/health", "show_health", health, "overview.read", Health),
    Endpoint("GET", "/audit", "list_audit", trail, "audit.read", Trail, query=TrailQuery),
    Endpoint("GET", "/audit.csv", "export_audit", export_audit, "audit.read", exporting.File, query=TrailQuery),
    Endpoint("GET", "/queue.csv", "export_queue", export_queue, "queue.export", exporting.File, query=QueueQuery),
)
