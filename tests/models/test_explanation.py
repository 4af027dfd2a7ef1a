import math
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from models.decisions import FLAGGED
from models.errors import ForeignVectors
from models.explanation import SHOWN, Explanation, explain, lines, vector_of

ORDER = np.array([14.0, 2.0, 1.0, 1.0, 250.0, math.nan])


@pytest.fixture(scope="module")
def explanation(scorer):
    return explain(scorer, ORDER)


def test_the_explanation_of_every_flagged_order_adds_up_to_its_margin_and_score(scorer, trained, matrix):
    outcomes = scorer.policy.outcomes(scorer.scores(matrix), matrix[:, 4])
    flagged = [row for row, outcome in zip(matrix, outcomes, strict=True) if outcome in FLAGGED]
    assert len(flagged) > 50
    for row in flagged:
        found = explain(scorer, row)
        margin = trained.model.decision_function([row])[0]
        assert found.base + math.fsum(part.weight for part in found.parts) == pytest.approx(margin, rel=0, abs=1e-9)
        assert found.margin == margin
        assert 1 / (1 + math.exp(-(margin + found.offset))) == pytest.approx(found.score, rel=1e-12)
        assert found.outcome in FLAGGED


def test_it_names_the_features_by_what_they_added_the_largest_first(explanation):
    first = explanation.parts[0]
    assert (first.feature, first.code, first.value) == ("card.orders.count.1h", "card.velocity", 14.0)
    sizes = [abs(part.weight) for part in explanation.parts]
    assert sizes == sorted(sizes, reverse=True)
    assert "x.y" not in {part.feature for part in explanation.parts}  # never asked for


def test_it_says_in_both_languages_what_calibration_made_of_the_margin(explanation, scorer):
    english, arabic = (list(lines(explanation, language)) for language in ("en", "ar"))
    numbers = (f"{scorer.offset:+.4f}", f"{explanation.margin + scorer.offset:+.4f}", f"{explanation.score:.2%}")
    for told in (english, arabic):
        assert len(told) == 4 + len(explanation.parts)
        assert all(number in told[-2] for number in numbers)
        assert f"{explanation.margin:+.4f}" in told[1]
    assert english[-2].startswith("Calibration adds")
    assert arabic[-2].startswith("تضيف المعايرة")
    assert english[2].endswith("Number and pace of orders of this card (card.orders.count.1h = 14)")
    assert arabic[2].endswith("عدد الطلبات ووتيرتها لهذه البطاقة (card.orders.count.1h = 14)")


def test_it_says_what_each_outcome_was_expected_to_cost(scorer, explanation):
    approve, review, block = scorer.policy.expected_cents(np.array([explanation.score]), np.array([250.0]))
    assert (explanation.approve_cents, explanation.review_cents) == (approve[0], review[0])
    assert explanation.block_cents == block[0]
    last = list(lines(explanation, "en"))[-1]
    assert f"approving {approve[0] / 100:,.2f} USD" in last
    assert last.endswith(f"The model's outcome: {explanation.outcome}.")


def test_features_beyond_the_first_are_told_as_one_sum(explanation):
    parts = tuple(msgspec.structs.replace(explanation.parts[0], weight=1.0 / n) for n in range(1, SHOWN + 4))
    told = list(lines(msgspec.structs.replace(explanation, parts=parts), "en"))
    assert told[2 + SHOWN] == f"{1 / 9 + 1 / 10 + 1 / 11:+.4f}  3 other features together"
    assert len(told) == SHOWN + 5


def test_an_absent_number_is_called_absent(scorer):
    told = list(lines(explain(scorer, np.array([9.0, 1.0, math.nan, 1.0, 1.0, math.nan])), "en"))
    assert any(line.endswith("(ip.declines.count.1h = absent)") for line in told)


def test_the_explanation_survives_its_json(explanation):
    assert msgspec.json.decode(msgspec.json.encode(explanation), type=Explanation) == explanation


def test_a_vector_of_other_definitions_is_refused(scorer):
    vector = ORDER.astype("<f8").tobytes()
    decision = SimpleNamespace(decision_id="t:0:1", definitions=scorer.definitions, vector=vector)
    np.testing.assert_array_equal(vector_of(decision, scorer), ORDER)
    for definitions, vector in (("other", decision.vector), (scorer.definitions, None)):
        foreign = SimpleNamespace(decision_id="t:0:1", definitions=definitions, vector=vector)
        with pytest.raises(ForeignVectors, match="decision t:0:1 has a vector of definitions"):
            vector_of(foreign, scorer)
