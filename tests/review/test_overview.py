import msgspec
import sqlalchemy as sa

from review.cases import Case
from review.desk import Desk
from review.opener import Vault, open_case
from review.opinions import Agreement
from review.overview import HOUR_MS, HOURS, Hour, Judged, overview
from review.store import CaseStore
from tests.review.examples import NOW_MS, decision
from tests.sharing.orders import ORDER


def aged(case: Case, hours: list[float]) -> list[Case]:
    return [
        msgspec.structs.replace(
            case, decision_id=f"topic:0:{n}", order_id=f"ord-{n}", opened_at_ms=round(NOW_MS - hour * HOUR_MS)
        )
        for n, hour in enumerate(hours)
    ]


def test_an_empty_queue_is_said_as_zeros(engine: sa.Engine) -> None:
    said = overview(engine, NOW_MS)
    assert (said.states, said.ages, said.oldest_ms, said.overdue, said.reasons) == ({}, (0, 0, 0, 0), None, 0, ())
    assert len(said.hours) == HOURS
    assert said.agreement == Agreement(0, 0, None)


def test_load_age_verdicts_and_precision_are_counted(engine: sa.Engine, vault: Vault) -> None:
    cases = aged(open_case(decision(), ORDER, vault, NOW_MS), [0.5, 1, 3, 5, 30, 2, 2, 2])
    CaseStore(engine).take_in_all(cases)
    desk = Desk(engine)
    for n, verdict, hours in ((5, "dismiss", 1), (6, "confirm_fraud", 0), (7, "confirm_fraud", 0)):
        desk.decide(cases[n], verdict, reason=b"sealed", actor="noura", now_ms=NOW_MS - hours * HOUR_MS)
    said = overview(engine, NOW_MS)
    assert said.states == {"open": 5}
    assert said.ages == (1, 2, 1, 1)
    assert said.oldest_ms == NOW_MS - 30 * HOUR_MS
    this_hour = NOW_MS // HOUR_MS * HOUR_MS
    assert said.hours[-2:] == (Hour(this_hour - HOUR_MS, 1, 0), Hour(this_hour, 0, 2))
    assert said.reasons == (Judged("card.velocity", 2, 3),)
