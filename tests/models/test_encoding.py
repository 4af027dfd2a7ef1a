import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.encoding import encoded, known_share

DELAY = 5
ROWS = st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 20), st.integers(0, 1)), min_size=1, max_size=40)


def naive_share(rows, row, codes, prior):
    """Of the rows of one of the codes whose label was known before the row's time."""
    at = rows[row][1]
    known = [label for code, time, label in rows if code in codes and time + DELAY < at]
    return (sum(known) + 20 * prior) / (len(known) + 20)


@given(ROWS)
def test_a_word_is_worth_what_was_known_of_it_before_the_order(rows) -> None:
    code, at, label = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    columns = encoded({"word": code}, at, label, at + DELAY)
    for row, (word, time, _) in enumerate(rows):
        if word < 0:
            assert all(np.isnan(column[row]) for column in columns.values())
            continue
        prior = naive_share(rows, row, {-1, 0, 1, 2, 3}, 0.0)
        assert columns["word.fraud_share"][row] == naive_share(rows, row, {word}, prior)
        assert columns["word.seen"][row] == sum(other == word and then < time for other, then, _ in rows)
        assert columns["word.word"][row] == word


def test_a_hundred_thousand_words_are_two_columns_and_no_number() -> None:
    codes = np.arange(100_000)
    at = np.arange(100_000) * 1_000
    columns = encoded({"word": codes}, at, (codes % 100 == 0).astype(np.int64), at + 1)
    assert set(columns) == {"word.seen", "word.fraud_share"}
    assert columns["word.seen"].max() == 0


def test_a_fraud_counts_from_when_it_was_known() -> None:
    code, at = np.zeros(3, dtype=np.int64), np.array([0, 10, 20])
    share = known_share(code, at, np.array([True, False, False]), np.array([10, 20, 30]), 0.0)
    assert share.tolist() == [0.0, 0.0, 1 / 21]
