"""The guard's measurement can tell a good guard from a bad one."""

import random

import pytest

from benchmarks import guard
from benchmarks.report import Plan
from events import guard as events_guard
from events import refusals


def test_every_disguise_is_found_and_other_numbers_are_not_taken_for_cards() -> None:
    figures = guard.measure(Plan(1, quick=True)).figures
    assert figures["guard_recall"] == 1.0
    assert figures["guard_false_refusals"] < 0.01


def test_a_guard_that_finds_plain_digits_alone_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (events_guard, refusals):
        monkeypatch.setattr(module, "holds_card_number", lambda text: "4111111111111111" in text)
    found = guard.recall(random.Random(1), 20)
    assert len(found) == 12
    assert max(found.values()) == 0.0
