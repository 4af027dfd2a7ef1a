"""Files of events, merged by time, with the coordinates that a topic would give them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from events import topics
from events.facts import Coordinates
from streams.files import UNKNOWN, Line, Numbering, merged, place, read_lines
from tests.events.examples import activity, body, label, order, visit

AT = datetime(2025, 11, 22, 10, tzinfo=UTC)
NOW_MS = round(AT.replace(minute=30).timestamp() * 1000)


def at(second: int) -> str:
    return AT.replace(second=second).isoformat()


def ms(second: int) -> int:
    return round(AT.replace(second=second).timestamp() * 1000)


def write(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def ignore(_: int) -> None:
    """Nobody asks how far it is."""


@pytest.mark.parametrize(
    ("event", "topic"),
    [
        (order(), topics.ORDERS),
        (visit(), topics.VISITS),
        (activity("LoggedIn"), topics.ACTIVITY),
        (label("FraudConfirmed"), topics.LABELS),
    ],
)
def test_a_line_belongs_to_the_topic_of_its_type(event: dict[str, object], topic: str) -> None:
    assert place(body(event | {"occurred_at": at(3)}), 0) == Line(ms(3), topic, body(event | {"occurred_at": at(3)}))


@pytest.mark.parametrize(
    "broken",
    [
        b"{",
        b"[]",
        b"null",
        b'{"type": "Other", "occurred_at": "2025-11-22T10:00:00Z"}',
        b"\xff\xfe\x00",
        b'{"type": "\xff", "occurred_at": "2025-11-22T10:00:00Z"}',
        b'{"more": ' + b"[" * 100_000,
        b'{"type": "\\ud800", "occurred_at": "2025-11-22T10:00:00Z"}',
    ],
)
def test_a_line_whose_head_cannot_be_read_takes_the_time_of_the_line_before_it(broken: bytes) -> None:
    assert place(broken, 77) == Line(77, UNKNOWN, broken)


@pytest.mark.parametrize(
    "broken",
    [
        b'{"type": "OrderPlaced"}',
        b'{"type": "OrderPlaced", "occurred_at": "yesterday"}',
        b'{"type": "OrderPlaced", "occurred_at": "2025-11-22T10:00:00"}',
        b'{"type": "OrderPlaced", "occurred_at": "0001-01-01T00:00:00"}',
        b'{"amount_minor": NaN, "type": "OrderPlaced"}',
        b'{"type": "OrderPlaced", "contact": {"name": "\\ud800"}} and more',
    ],
)
def test_a_broken_order_goes_where_orders_go_so_that_the_guard_can_have_it_reviewed(broken: bytes) -> None:
    assert place(broken, 77) == Line(77, "orders", broken)


def test_a_byte_order_mark_is_not_part_of_the_first_event(tmp_path: Path) -> None:
    marked = write(tmp_path / "marked", b"\xef\xbb\xbf" + body(order(occurred_at=at(1))))
    assert [line.body for line in read_lines(marked, ignore, NOW_MS)] == [body(order(occurred_at=at(1)))]


def test_files_are_merged_by_time_and_each_keeps_its_own_order(tmp_path: Path) -> None:
    first = [body(visit(occurred_at=at(second))) for second in (1, 4, 2)]
    second = [body(order(occurred_at=at(second))) for second in (2, 3)]
    paths = [write(tmp_path / "a", *first), write(tmp_path / "b", *second)]
    lines = list(merged(paths, ignore, NOW_MS))
    assert [line.body for line in lines] == [first[0], second[0], second[1], first[1], first[2]]


@pytest.mark.parametrize(("minute", "waits"), [(35, True), (36, False)])
def test_a_time_too_far_ahead_to_be_accepted_holds_back_nothing_that_follows(
    tmp_path: Path, minute: int, waits: bool
) -> None:
    ahead = body(visit(occurred_at=AT.replace(minute=minute).isoformat()))
    first = [ahead, body(visit(occurred_at=at(1)))]
    second = [body(order(occurred_at=at(2)))]
    paths = [write(tmp_path / "a", *first), write(tmp_path / "b", *second)]
    lines = [line.body for line in merged(paths, ignore, NOW_MS)]
    assert lines == ([*second, *first] if waits else [*first, *second])


def test_empty_lines_are_passed_over_and_all_bytes_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a", b"", body(visit()), b"  ", body(visit()), b"")
    told: list[int] = []
    assert len(list(merged([path], told.append, NOW_MS))) == 2
    assert sum(told) == path.stat().st_size


def test_each_topic_counts_its_own_offsets() -> None:
    numbering = Numbering()
    topics_in_order = [topics.ORDERS, topics.VISITS, topics.ORDERS, UNKNOWN]
    records = [numbering.record(Line(5, topic, b"x"), 9) for topic in topics_in_order]
    assert [record.coordinates for record in records] == [
        Coordinates(topics.ORDERS, "file.orders", 0, 0),
        Coordinates(topics.VISITS, "file.visits", 0, 0),
        Coordinates(topics.ORDERS, "file.orders", 0, 1),
        Coordinates(UNKNOWN, "file.unknown", 0, 0),
    ]


def test_a_line_counts_as_recorded_when_it_happened_but_never_later_than_now() -> None:
    numbering = Numbering()
    assert [numbering.record(Line(moment, topics.ORDERS, b"x"), 100).recorded_at_ms for moment in (99, 101)] == [
        99,
        100,
    ]
