import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.decisions import Reason
from models.errors import ForeignVectors
from models.scoring import COMBINED, REASONS, HistScorer, code_of


@settings(deadline=None, max_examples=50)
@given(cuts=st.sets(st.integers(1, 199)), start=st.integers(0, 3_800))
def test_a_score_does_not_depend_on_its_chunk(scorer, matrix, cuts, start):
    rows = matrix[start : start + 200]
    parts = [scorer.scores(np.ascontiguousarray(part)) for part in np.split(rows, sorted(cuts))]
    assert np.concatenate(parts).tobytes() == scorer.scores(rows).tobytes()


def test_a_score_does_not_depend_on_the_memory_layout(scorer, matrix):
    rows = matrix[:300]
    expected = scorer.scores(rows).tobytes()
    assert scorer.scores(np.asfortranarray(rows)).tobytes() == expected
    assert scorer.scores(np.repeat(rows, 2, axis=0)[::2]).tobytes() == expected


def test_no_rows_have_no_scores_and_no_reasons(scorer, matrix):
    assert scorer.scores(matrix[:0]).shape == (0,)
    assert scorer.reasons(matrix[:0]) == []


def test_vectors_of_another_width_are_refused(scorer):
    with pytest.raises(ForeignVectors, match="takes 6 features, got 5"):
        scorer.scores(np.zeros((1, 5)))


def test_reasons_name_what_made_an_order_fraudulent(scorer):
    order = np.array([[14.0, 2.0, 1.0, 1.0, 1.0, math.nan]])
    first = scorer.reasons(order)[0][0]
    assert first == Reason("card.velocity", "card.orders.count.1h", 14.0)


def test_reasons_equal_ablation_one_feature_and_row_at_a_time(scorer, trained, matrix):
    rows = matrix[:40]
    for row, reasons in zip(rows, scorer.reasons(rows), strict=True):
        assert reasons == naive_reasons(trained, row)


def naive_reasons(trained, row):
    margin = trained.model.decision_function([row])[0]
    moved = []
    for index, name in enumerate(trained.names):
        without = row.copy()
        without[index] = trained.background[index]
        moved.append((margin - trained.model.decision_function([without])[0], -index, name, row[index]))
    best = {}
    for effect, _, name, value in sorted(moved, reverse=True):
        if effect > 0 and len(best) < REASONS and code_of(name) not in best:
            best[code_of(name)] = Reason(code_of(name), name, None if math.isnan(value) else float(value))
    return tuple(best.values()) or (COMBINED,)


def test_a_typical_order_has_no_single_reason(scorer, trained):
    assert scorer.reasons(np.array([trained.background])) == [(COMBINED,)]


def test_reasons_hold_no_number_that_json_has_not(scorer, matrix):
    rows = np.vstack([matrix[:100], np.full((1, 6), np.inf), np.full((1, 6), np.nan)])
    text = msgspec.json.encode(scorer.reasons(rows))
    assert b"null" not in text
    assert msgspec.json.decode(text, type=list[tuple[Reason, ...]]) == scorer.reasons(rows)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("card.orders.count.1h", "card.velocity"),
        ("card.orders.sum.30d", "card.spend"),
        ("ip.declines.count.24h", "ip.declines"),
        ("customer.refunds.sum.7d", "customer.refunds"),
        ("phone.age_s", "phone.age"),
        ("order.amount_usd", "order.amount"),
        ("order.three_ds", "order.three_ds"),
    ],
)
def test_a_reason_code_is_the_entity_and_what_is_told_of_it(name, code):
    assert code_of(name) == code


def test_the_score_is_the_logistic_function_of_the_margin_and_the_offset(scorer, trained, matrix):
    margins = trained.model.decision_function(matrix[:50])
    expected = [1 / (1 + math.exp(-(margin + trained.offset))) for margin in margins]
    assert isinstance(scorer, HistScorer)
    assert scorer.scores(matrix[:50]) == pytest.approx(expected, rel=1e-14)
