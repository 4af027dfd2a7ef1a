"""A chunk is concluded on as its orders are one by one, and what is tried out as what is screened."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from models.policy import AMOUNT, Policy
from models.rules import cases as files
from models.rules import parsed
from models.rules.backtest import Past, backtest
from models.rules.deciding import concluded
from models.rules.judging import SILENT, Verdict
from models.rules.orders import Orders

NAMES = (AMOUNT, "b")
COSTS = Policy()  # .2 of a probability: an order of 2 dollars is worth no review, one of 500 is


def points(score):
    entry = {"name": "p", "code": "p.p", "when": "b > 0", "action": "add_score", "score": score, "owner": "o"}
    return parsed(json.dumps({"rules": [entry | {"expiry": "never"}]}), NAMES)


VERDICTS = [
    SILENT,
    Verdict(points=0.4),
    Verdict(points=-0.4),
    Verdict(outcome="review"),
    Verdict(outcome="block", approved=True),
    Verdict(outcome="review", points=0.9),
]


@pytest.mark.parametrize("scores", [None, [0.0, 0.3, 0.6, 0.9, 1.0, 0.02]])
@pytest.mark.parametrize("policy", [COSTS, Policy(0.5, 0.9)])
def test_a_chunk_is_concluded_on_as_its_orders_are_one_by_one(scores, policy) -> None:
    amounts = np.array([5.0, 500.0, math.nan, 20.0, 80.0, 1_000.0])
    whole = None if scores is None else np.array(scores)
    made = concluded(whole, VERDICTS, policy, amounts)
    for row, verdict in enumerate(VERDICTS):
        one = slice(row, row + 1)
        alone = concluded(None if whole is None else whole[one], [verdict], policy, amounts[one])
        assert (alone.outcomes, alone.modes, alone.sums[0]) == ([made.outcomes[row]], [made.modes[row]], made.sums[row])


def test_who_decided_is_who_made_the_outcome_what_it_is() -> None:
    scores, amounts = np.array([0.95, 0.95, 0.1, 0.1]), np.full(4, 50.0)
    verdicts = [Verdict(outcome="review"), Verdict(approved=True), Verdict(outcome="block"), Verdict(points=0.1)]
    made = concluded(scores, verdicts, Policy(0.5, 0.9), amounts)
    assert list(zip(made.outcomes, made.modes, strict=True)) == [
        ("block", "model"), ("approve", "rules"), ("block", "rules"), ("approve", "model"),
    ]  # fmt: skip
    assert concluded(None, [SILENT], Policy(0.5, 0.9), amounts[:1]).modes == ["rules"]


def test_a_backtest_under_costs_looks_at_the_amount() -> None:
    matrix = np.array([[2.0, 1.0], [500.0, 1.0]])
    past = Past(
        Orders(matrix, np.array([1, 1]), lambda _: [None, None]),
        np.array([np.nan, np.nan]),
        np.array([200.0, 50_000.0]),
        frozenset(),
    )
    outcomes = backtest(points(0.02), past, COSTS).outcomes
    assert {name: hits.usd for name, hits in outcomes.items() if hits.orders} == {"approve": 2.0, "review": 500.0}


def test_cases_under_costs_look_at_the_amount(tmp_path: Path) -> None:
    (path := tmp_path / "cases.yaml").write_text(
        f"cases:\n- {{name: cheap, order: {{{AMOUNT}: 2, b: 1}}, expect: approve}}\n"
        f"- {{name: dear, order: {{{AMOUNT}: 500, b: 1}}, expect: review}}\n"
    )
    found = files.loaded(path, NAMES)
    assert files.failures(found, points(0.02), NAMES, COSTS) == []
    (failure,) = files.failures(found, points(0.01), NAMES, Policy(0.01, 0.9))
    assert (failure.case.name, failure.found) == ("cheap", "review")
