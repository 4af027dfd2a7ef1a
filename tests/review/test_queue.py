import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from review.cases import Case
from review.database import upgrade
from review.desk import Desk
from review.opener import Vault, open_case
from review.queue import Filter, counts, filtered, page
from review.store import CaseStore
from tests.review.examples import NOW_MS, decision
from tests.sharing.orders import ORDER


@pytest.fixture
def case(vault: Vault) -> Case:
    return open_case(decision(), ORDER, vault, NOW_MS)


def numbered(case: Case, priorities: list[float]) -> list[Case]:
    return [
        msgspec.structs.replace(case, decision_id=f"topic:0:{n:03}", order_id=f"ord-{n}", priority=priority)
        for n, priority in enumerate(priorities)
    ]


def walked(engine: sa.Engine, wanted: Filter, limit: int) -> list[str]:
    found, after = [], wanted.after
    while True:
        got = page(engine, msgspec.structs.replace(wanted, after=after), "noura", limit)
        found += [case.decision_id for case in got.cases]
        after = got.after
        if after is None:
            return found


def test_page_by_page_every_case_comes_once_the_most_valuable_first(engine: sa.Engine, case: Case) -> None:
    priorities = [3.0, 7.5, 3.0, 0.0, 0.1 + 0.2, 7.5, 3.0]
    CaseStore(engine).take_in_all(numbered(case, priorities))
    wanted = sorted(range(len(priorities)), key=lambda n: (-priorities[n], n))
    for limit in (1, 2, 3, 7, 50):
        assert walked(engine, Filter(), limit) == [f"topic:0:{n:03}" for n in wanted]


def test_a_review_that_costs_more_than_it_saves_is_a_place_like_any(engine: sa.Engine, case: Case) -> None:
    CaseStore(engine).take_in_all(numbered(case, [-31.5, 2.0, -1e-7]))
    first = page(engine, Filter(), "noura", 1)
    assert filtered({"after": page(engine, Filter(after=first.after), "noura", 1).after or ""}).after is not None
    assert walked(engine, Filter(), 1) == ["topic:0:001", "topic:0:002", "topic:0:000"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(min_value=-1e6, max_value=1e9), max_size=20), st.integers(1, 8))
def test_whatever_the_priorities_pages_join_without_gap_or_repeat(priorities: list[float], limit: int) -> None:
    engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
    upgrade(engine)
    case = Case(
        decision_id="", order_id="", opened_at_ms=0, occurred_at_ms=0, outcome="review", mode="rules", subject="s"
    )
    CaseStore(engine).take_in_all(numbered(case, priorities))
    assert sorted(walked(engine, Filter(), limit)) == [f"topic:0:{n:03}" for n in range(len(priorities))]
    engine.dispose()


def test_views_and_filters_choose(engine: sa.Engine, case: Case) -> None:
    store, desk = CaseStore(engine), Desk(engine)
    cases = numbered(case, [1.0] * 5)
    cases[1] = msgspec.structs.replace(cases[1], outcome="review", country="AE", method="wallet")
    store.take_in_all(cases)
    desk.act(cases[2], "claim", "noura", NOW_MS)
    desk.act(cases[3], "claim", "salem", NOW_MS)
    desk.act(desk.act(cases[4], "claim", "noura", NOW_MS), "escalate", "noura", NOW_MS)
    assert walked(engine, Filter(), 9) == ["topic:0:000", "topic:0:001", "topic:0:004"]
    assert walked(engine, Filter(view="mine"), 9) == ["topic:0:002"]
    assert walked(engine, Filter(view="escalated"), 9) == ["topic:0:004"]
    for one in (Filter(outcome="review"), Filter(country="AE"), Filter(method="wallet")):
        assert walked(engine, one, 9) == ["topic:0:001"]
    assert counts(engine, "noura") == {
        "open": 3,
        "mine": 1,
        "assigned": 0,
        "snoozed": 0,
        "waiting": 0,
        "escalated": 1,
        "overdue": 0,
    }


def test_a_links_empty_fields_do_not_matter_and_odd_ones_are_refused() -> None:
    assert filtered({"view": "mine", "country": "", "outcome": "block"}) == Filter(view="mine", outcome="block")
    for odd in ({"view": "all"}, {"country": "sa"}, {"country": "SA\n"}, {"email": "a@b.c"}, {"after": "x" * 200}):
        with pytest.raises(msgspec.ValidationError):
            filtered(odd)
