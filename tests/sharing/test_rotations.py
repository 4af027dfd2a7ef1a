"""A partner is told of a new epoch of its pseudonyms before the day, once, by whichever projector gets to it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from sharing import rotations
from sharing.pseudonyms import Epoch
from tests.sharing.projected import CONTRACTS, Desk

DAY_MS = 86_400_000
TODAY = date(2026, 3, 2)  # of tests.sharing.projected.NOW_MS
FIRST = CONTRACTS["successor"].epochs[0]
SECOND = Epoch(number=2, since=TODAY + timedelta(days=15))
ROTATING = msgspec.structs.replace(CONTRACTS["successor"], epochs=(FIRST, SECOND))


class Crash(Exception):
    """The process dies here."""


def desk(engine: sa.Engine) -> Desk:
    return Desk(engine, contracts=[CONTRACTS["carrier"], ROTATING])


def test_an_epoch_is_told_fourteen_days_before_its_day_once_and_goes_ahead_of_limits(engine: sa.Engine) -> None:
    told = desk(engine)
    assert told.projecting.announce().recorded == []
    told.clock[0] += DAY_MS
    assert told.projecting.announce().recorded == [("successor", "notice")]
    assert told.projecting.announce().recorded == desk(engine).projecting.announce().recorded == []
    (message,) = told.told("successor")
    assert {**message, "jti": ""} == {"jti": "", "epoch": 2, "since": "2026-03-17"}
    (row,), (sent,) = told.rows("sharing_disclosures"), told.rows("sharing_outbox")
    assert (row["kind"], row["case_id"], row["jti"], bool(sent["urgent"])) == ("notice", None, message["jti"], True)
    assert told.counts() == {"triggers": 0, "leaves": 1, "lookup": 1, "disclosures": 1, "outbox": 1}


def test_projectors_at_once_tell_it_once(engine: sa.Engine) -> None:
    desks = [desk(engine) for _ in range(3)]
    for each in desks:
        each.clock[0] += DAY_MS
    with ThreadPoolExecutor(3) as pool:
        steps = list(pool.map(lambda each: each.projecting.announce(), desks))
    assert [one for step in steps for one in step.recorded] == [("successor", "notice")]


@pytest.mark.parametrize("table", ["sharing_rotations", "sharing_leaves", "sharing_disclosures", "sharing_outbox"])
def test_a_crash_leaves_nothing_of_it_and_the_next_projector_tells_it(engine: sa.Engine, table: str) -> None:
    told = desk(engine)
    told.clock[0] += DAY_MS

    def crash(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if table in statement and statement.startswith("INSERT"):
            raise Crash

    sa.event.listen(engine, "after_cursor_execute", crash)
    with pytest.raises(Crash):
        told.projecting.announce()
    sa.event.remove(engine, "after_cursor_execute", crash)
    assert (set(told.counts().values()), told.rows("sharing_rotations")) == ({0}, [])
    assert told.projecting.announce().recorded == [("successor", "notice")]


def test_a_contract_that_ended_tells_of_no_epoch(engine: sa.Engine) -> None:
    told = desk(engine)
    told.clock[0] += 2 * 366 * DAY_MS
    assert told.projecting.announce().recorded == []


@pytest.mark.parametrize(
    ("today", "numbers"),
    [(date(2026, 1, 1), []), (date(2026, 2, 1), [2]), (date(2026, 3, 1), [2]), (date(2026, 4, 20), [3, 2]),
     (date(2026, 5, 1), [3])],
)  # fmt: skip
def test_what_is_told_when(today: date, numbers: list[int]) -> None:
    days = (date(2025, 1, 1), date(2026, 2, 15), date(2026, 5, 1))
    epochs = [Epoch(number=number, since=since) for number, since in enumerate(days, 1)]
    assert [each.number for each in rotations.due(epochs, today)] == numbers
