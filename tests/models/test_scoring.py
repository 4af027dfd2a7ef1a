import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.decisions import Reason
from models.errors import ForeignVectors
from models.reasons import code_of
from models.scoring import COMBINED, REASONS, HistScorer
from models.shapley import Shapley


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
    assert (first.code, first.feature, first.value) == ("card.velocity", "card.orders.count.1h", 14.0)
    assert first.weight > 1


def test_a_reason_is_a_code_with_what_its_features_added_together_and_the_one_that_added_most(scorer, trained, matrix):
    rows = matrix[:60]
    added = Shapley(trained.model).values(rows).tolist()
    for row, values, reasons in zip(rows, added, scorer.reasons(rows), strict=True):
        assert reasons == naive_reasons(trained, row, values)


def naive_reasons(trained, row, values):
    added = dict(zip(trained.names, values, strict=True))
    sums = {}
    for name in trained.names:
        sums[code_of(name)] = sums.get(code_of(name), 0.0) + added[name]
    found = []
    for code in sorted(sums, key=lambda code: -sums[code])[:REASONS]:
        if sums[code] > 0:
            name = max((name for name in trained.names if code_of(name) == code), key=lambda name: added[name])
            value = float(row[trained.names.index(name)])
            found.append(Reason(code, name, None if math.isnan(value) else value, round(sums[code], 4)))
    return tuple(found) or (COMBINED,)


def test_an_order_for_which_nothing_that_is_known_speaks_has_no_single_reason(scorer, trained, matrix):
    rows = matrix[:500][(Shapley(trained.model).values(matrix[:500]) <= 0).all(axis=1)]
    assert scorer.reasons(rows) == [(COMBINED,)] * len(rows)
    assert len(rows)


@settings(deadline=None, max_examples=25)
@given(cuts=st.sets(st.integers(1, 29)), start=st.integers(0, 3_900))
def test_reasons_do_not_depend_on_their_chunk(scorer, matrix, cuts, start):
    rows = matrix[start : start + 30]
    parts = [scorer.reasons(part) for part in np.split(rows, sorted(cuts))]
    assert msgspec.json.encode([row for part in parts for row in part]) == msgspec.json.encode(scorer.reasons(rows))


def test_reasons_hold_no_number_that_json_has_not(scorer, matrix):
    rows = np.vstack([matrix[:100], np.full((1, 6), np.inf), np.full((1, 6), np.nan)])
    text = msgspec.json.encode(scorer.reasons(rows))
    assert b"null" not in text
    assert msgspec.json.decode(text, type=list[tuple[Reason, ...]]) == scorer.reasons(rows)


def test_the_score_is_the_logistic_function_of_the_margin_and_the_offset(scorer, trained, matrix):
    margins = trained.model.decision_function(matrix[:50])
    expected = [1 / (1 + math.exp(-(margin + trained.offset))) for margin in margins]
    assert isinstance(scorer, HistScorer)
    assert scorer.scores(matrix[:50]) == pytest.approx(expected, rel=1e-14)
