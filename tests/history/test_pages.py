import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from history.index import KEPT_PAGES, KEPT_PAGES_MS, Index
from history.pages import Page
from history.tables import pages
from tests.history.made import visit

ALWAYS_MS = 10**15
DAY_MS = 86_400_000
on_a_shared_database = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def offsets(index, session="s", until_ms=ALWAYS_MS):
    return [int(page.route.split("/")[2]) for page in index.path_of(session * 22, until_ms)]


def count(engine):
    with engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(pages))


def test_a_page_is_kept_with_its_time_route_status_and_duration(index):
    index.record_visits([visit(2, route="/checkout"), visit(1, route="/product/:id", status=404, duration_ms=1_500)])
    assert index.path_of("s" * 22, ALWAYS_MS) == (
        Page(1_000, "/product/:id", 404, 1_500),
        Page(2_000, "/checkout", None, None),
    )


def test_sessions_are_not_mixed_and_a_visit_without_one_has_no_path(engine, index):
    index.record_visits([visit(1), visit(2, "t"), visit(3), visit(4, None)])
    assert (offsets(index), offsets(index, "t"), offsets(index, "u")) == ([1, 3], [2], [])
    assert count(engine) == 3


def test_recording_no_page_is_nothing(engine, index):
    index.record_visits([])
    index.record_visits([visit(1, None)])
    assert count(engine) == 0


def test_the_fifty_first_page_drops_the_first(engine, index):
    index.record_visits([visit(n) for n in range(50)])
    index.record_visits([visit(7, "t")])
    assert offsets(index) == list(range(50))
    index.record_visits([visit(50)])
    assert offsets(index) == list(range(1, 51))
    assert (offsets(index, "t"), count(engine)) == ([7], 51)


def test_a_path_ends_with_what_came_up_to_the_time_asked_for(index):
    index.record_visits([visit(n) for n in range(1, 5)])
    assert (offsets(index, until_ms=3_000), offsets(index, until_ms=2_999)) == ([1, 2, 3], [1, 2])


def test_pages_of_one_time_are_in_the_order_in_which_they_were_sent(index):
    index.record_visits([visit(n, at_ms=5_000) for n in (10, 9, 100)])
    assert offsets(index) == [9, 10, 100]


def test_a_repeated_chunk_changes_nothing_even_when_its_first_pages_were_dropped(index):
    chunks = [[visit(n) for n in range(first, first + 30)] for first in (0, 30)]
    for chunk in (*chunks, *chunks):
        index.record_visits(chunk)
    assert offsets(index) == list(range(10, 60))


def test_a_page_that_the_store_sent_twice_counts_once(index):
    index.record_visits([visit(1, event_id="e"), visit(2)])
    index.record_visits([visit(3, event_id="e", at_ms=1_000)])
    assert offsets(index) == [1, 2]


def test_a_session_is_forgotten_a_day_after_its_last_page_as_a_whole(engine, index):
    index.record_visits([visit(1, at_ms=0), visit(2, at_ms=60_000), visit(3, "t", at_ms=59_999)])
    index.record_visits([visit(4, "u", at_ms=60_000 + DAY_MS)])
    assert (offsets(index), offsets(index, "t"), offsets(index, "u")) == ([1, 2], [], [4])
    index.record_visits([visit(5, "u", at_ms=60_001 + DAY_MS)])
    assert (offsets(index), offsets(index, "u"), count(engine)) == ([], [4, 5], 2)


def test_a_chunk_of_more_than_a_day_forgets_none_of_its_own_sessions(index):
    index.record_visits([visit(1, at_ms=1_000)])
    index.record_visits([visit(2, "t", at_ms=DAY_MS), visit(3, "u", at_ms=3 * DAY_MS)])
    assert (offsets(index), offsets(index, "t"), offsets(index, "u")) == ([1], [2], [3])


page = st.tuples(st.sampled_from("st"), st.integers(0, 3), st.integers(0, 2 * DAY_MS))


@on_a_shared_database
@given(batches=st.lists(st.lists(page, max_size=8), max_size=5), many=st.integers(0, 70))
def test_pages_equal_a_naive_reading(engine, index, batches, many):
    with engine.begin() as connection:
        connection.execute(sa.delete(pages))
    kept, offset = {}, 0
    for batch in [*batches, [("s", 4 + n, 2 * DAY_MS + n) for n in range(many)]]:
        facts = []
        for session, event, at_ms in batch:
            facts.append(visit(offset, session, at_ms=at_ms, event_id=f"e{event}"))
            kept.setdefault((session, at_ms, event), (session, at_ms, offset))
            offset += 1
        index.record_visits(facts)
        if facts:
            paths = [sorted(row for row in kept.values() if row[0] == session)[-KEPT_PAGES:] for session in "st"]
            first_ms = min(fact.occurred_at_ms for fact in facts)
            alive = [row for path in paths if path and path[-1][1] >= first_ms - KEPT_PAGES_MS for row in path]
            kept = {key: row for key, row in kept.items() if row in alive}
    for session in "st":
        assert offsets(index, session) == [row[2] for row in sorted(kept.values()) if row[0] == session]


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_session_that_another_worker_forgets_just_now_is_not_waited_for(engine, index):
    index.record_visits([visit(1, at_ms=0), visit(2, "t", at_ms=0)])
    hasty = sa.create_engine(engine.url, connect_args={"options": "-c lock_timeout=1000"})
    with engine.begin() as other:
        other.execute(sa.delete(pages).where(pages.c.session == "s" * 22))
        Index(hasty).record_visits([visit(3, "u", at_ms=2 * DAY_MS)])
        hasty.dispose()
        assert count(engine) == 2  # of `s`, whose end is not committed yet, and of `u`
    assert count(engine) == 1
