import numpy as np
import pytest

from models.backtest import Examples, Protocol, backtest, default_protocol, judged_rows, known_label, learned_rows
from models.errors import UntrainableTable
from models.learner import Plan

DAY_MS = 86_400_000
QUICK = Plan(trees=20, members=1)


def examples(rows=3_000, days=30, seed=0, **changes):
    """Fraud shows in the column `told`; `flat` never changes."""
    random = np.random.default_rng(seed)
    label = (random.random(rows) < 0.1).astype(np.int64)
    at = np.arange(rows, dtype=np.int64) * days * DAY_MS // rows
    matrix = np.stack([label + random.normal(0, 0.3, rows), np.ones(rows), random.normal(size=rows)], axis=1)
    given = {
        "names": ("told", "flat", "noise"), "matrix": matrix.astype(np.float32), "categories": {},
        "occurred_at_ms": at, "label": label, "labelled_at_ms": at + 7 * DAY_MS, "amount": np.ones(rows),
        "customer": np.arange(rows, dtype=np.int64) % 50,
    }  # fmt: skip
    return Examples(**given | changes)


def protocol(train=(0, 14), test=(21, 30), **more):
    names = ("train_from_ms", "train_until_ms", "test_from_ms", "test_until_ms")
    return Protocol(**dict(zip(names, (day * DAY_MS for day in (*train, *test)), strict=True)), **more)


def run(given, when=None):
    return backtest(given, when or protocol(), QUICK, 0, lambda _: None)


def test_what_shows_is_found_and_what_is_constant_is_left_out() -> None:
    found = run(examples())
    assert found.measures.auc > 0.95
    assert (found.orders, found.learned_orders, found.columns, found.constant) == (900, 1_400, 2, ("flat",))
    assert found.weights[0][0] == "told"


def test_the_same_seed_gives_the_same_scores_to_the_last_bit() -> None:
    assert run(examples()).fingerprint == run(examples()).fingerprint


def test_nothing_after_the_training_window_changes_what_is_learned() -> None:
    given = examples()
    changed = examples(label=np.where(given.occurred_at_ms >= 14 * DAY_MS, 1 - given.label, given.label))
    assert (run(given).scores == run(changed).scores).all()
    assert run(changed).measures.auc < 0.1


def test_a_fraud_teaches_from_when_it_was_known() -> None:
    given = examples()
    late = np.where(given.occurred_at_ms >= 7 * DAY_MS, 40 * DAY_MS, given.labelled_at_ms)
    known = known_label(examples(labelled_at_ms=late), 21 * DAY_MS)
    assert known[given.occurred_at_ms >= 7 * DAY_MS].sum() == 0
    early = given.occurred_at_ms < 7 * DAY_MS
    assert (known[early] == given.label[early]).all()


def test_windows_are_the_last_three_tenths_from_midnight_and_what_was_known_before() -> None:
    at = np.array([0, 90 * DAY_MS - 1_000], dtype=np.int64)
    chosen = default_protocol(at, 7 * DAY_MS)
    assert (chosen.test_from_ms, chosen.train_until_ms) == (63 * DAY_MS, 56 * DAY_MS)
    assert chosen.test_until_ms == 90 * DAY_MS - 999


def test_a_customer_is_left_out_from_the_day_that_begins_with_its_fraud_known() -> None:
    day = np.array([1, 1, 9, 10, 10], dtype=np.int64)
    given = examples(
        rows=5, occurred_at_ms=day * DAY_MS + 5, label=np.array([1, 1, 1, 1, 0]), customer=np.array([1, 2, 1, 1, 2]),
        labelled_at_ms=(day + np.array([7, 9, 7, 7, 7])) * DAY_MS + 5,
    )  # fmt: skip
    when = protocol(train=(0, 2), test=(9, 11), leave_out_known=True)
    assert judged_rows(given, when).tolist() == [4]  # customer 2's fraud is known in the course of day 10
    since = protocol(train=(0, 2), test=(9, 11), leave_out_known=True, known_from_ms=3 * DAY_MS)
    assert judged_rows(given, since).tolist() == [2, 3, 4]
    assert learned_rows(given, when).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("changes", "when", "message"),
    [
        ({"label": np.zeros(3_000, dtype=np.int64)}, {}, "the training window must hold fraud and genuine"),
        ({"label": np.ones(3_000, dtype=np.int64)}, {}, "1400 of 1400 are fraud"),
        ({}, {"train": (-9, -2)}, "the training window holds no order"),
        ({}, {"test": (50, 60)}, "the test window holds no order"),
        ({"matrix": np.full((3_000, 3), np.nan, dtype=np.float32)}, {}, "every column is constant"),
        ({"customer": None}, {"leave_out_known": True}, "the mapping names no customer_id"),
    ],
)
def test_what_teaches_nothing_is_refused(changes, when, message) -> None:
    with pytest.raises(UntrainableTable, match=message):
        run(examples(**changes), protocol(**when))


@pytest.mark.parametrize(("train", "test"), [((5, 5), (21, 30)), ((0, 22), (21, 30)), ((0, 14), (30, 30))])
def test_windows_that_overlap_or_are_empty_are_refused(train, test) -> None:
    with pytest.raises(UntrainableTable, match="expected the training window before the test window"):
        protocol(train, test)


def test_words_are_learned_from_and_a_word_never_seen_is_none() -> None:
    given = examples()
    words = np.where(given.label == 1, 3, np.arange(3_000) % 3)
    words = np.where((given.occurred_at_ms > 25 * DAY_MS) & (given.label == 0), 60, words)
    found = run(examples(categories={"channel": words}))
    assert found.measures.auc > 0.99
    assert "channel.word" in dict(found.weights)
