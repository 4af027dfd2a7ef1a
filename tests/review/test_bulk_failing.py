"""The database fails in the middle of a bulk: what was done is said, stays done, and can be undone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from review.access.roles import PERMISSIONS
from review.console.api import BASE
from review.console.app import console
from review.console.bulk import SAID, Left, decide_all
from review.console.house import House
from tests.review.examples import NOW_MS
from tests.review.test_bulk import bulk, case_id, client, clock, house, rows, told, waiting
from tests.review.test_console import post

__all__ = ["client", "clock", "house"]  # fixtures


@contextmanager
def full_at(engine: sa.Engine, held: str) -> Iterator[list[str]]:
    """A database that takes no change of that case; what it was asked to change."""
    asked: list[str] = []

    def refuse(_c: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: Any) -> None:
        if statement.startswith("UPDATE review_cases"):
            asked.append(str(values))
            if held in asked[-1]:
                raise sa.exc.OperationalError(statement, None, Exception("database or disk is full"))

    sa.event.listen(engine, "before_cursor_execute", refuse)
    try:
        yield asked
    finally:
        sa.event.remove(engine, "before_cursor_execute", refuse)


def test_what_was_done_is_said_with_its_undo_and_what_was_not(client: TestClient, house: House) -> None:
    page = client.get("/queue").text
    with full_at(house.engine, case_id(2)):
        answer = bulk(client, page, 0, 1, 2, 3)
    assert answer.status_code == 503
    assert "2 cases are decided." in answer.text
    assert "2 cases stayed as they were" in answer.text
    assert answer.text.count(SAID["failed"]) == 2
    assert [house.cases.get(case_id(n)).verdict for n in range(4)] == ["dismiss", "dismiss", None, None]
    undone = told(client, post(client, "/bulk/undo", all="1", **rows(answer.text)))
    assert "2 verdicts were taken back; nothing of them has left." in undone.text
    assert waiting(house) == (0, 0)


def test_a_database_that_fails_is_not_asked_again(house: House) -> None:
    with full_at(house.engine, case_id(0)) as asked:
        found = decide_all(house, "lead", "dismiss", "known customers", {case_id(n): 1 for n in range(4)})
    assert found.left == (Left(case_id(0), "ord-0", "failed"), *(Left(case_id(n), None, "failed") for n in (1, 2, 3)))
    assert len(asked) == 1


def test_an_undo_that_fails_says_what_was_taken_back(client: TestClient, house: House) -> None:
    decided = bulk(client, client.get("/queue").text, 0, 1)
    mark = rows(decided.text)
    page = client.get("/queue")
    assert page.status_code == 200
    with full_at(house.engine, case_id(1)):
        answer = post(client, "/bulk/undo", all="1", **mark)
    assert answer.status_code == 503
    assert "1 verdict was taken back" in answer.text
    assert "1 case stayed as it was" in answer.text
    assert house.cases.get(case_id(1)).verdict == "dismiss"


@pytest.mark.parametrize("held", [0, 1])
def test_a_program_is_told_the_same(house: House, held: int) -> None:
    bearer = {"authorization": f"Bearer {house.tokens.issue('lead', 'test', PERMISSIONS, 1, 'cli:root', NOW_MS)}"}
    asked = [{"decision_id": case_id(n), "version": 1} for n in range(2)]
    with TestClient(console(house)) as program, full_at(house.engine, case_id(held)):
        body = {"verdict": "dismiss", "reason": "known customers", "cases": asked}
        found = program.post(f"{BASE}/bulk", json=body, headers=bearer).json()
    assert [each["decision_id"] for each in found["done"]] == [case_id(n) for n in range(held)]
    assert found["left"] == [{"decision_id": case_id(n), "why": "failed"} for n in range(held, 2)]
